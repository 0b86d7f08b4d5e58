//! A record about files, its kind first: known kinds decode or fail, and what decodes encodes to the same fact.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_model::{AgentRecord, FileEvent, Stream, UnixNanos};

fuzz_target!(|data: &[u8]| {
    let Some((kind, payload)) = data.split_first() else { return };
    let (kind, payload) = (u16::from(*kind), payload.to_vec());
    let fact = AgentRecord { observed: UnixNanos(0), stream: Stream::FILES, kind, version: 1, payload };
    if let Ok(event) = FileEvent::decode(&fact) {
        let again = event.encode(UnixNanos(0));
        assert_eq!(FileEvent::decode(&again), Ok(event), "what was read is not what was written");
    }
});
