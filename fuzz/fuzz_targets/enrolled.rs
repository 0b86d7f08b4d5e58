//! A record about machines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_model::machines::Enrolled;
use vigie_model::{AgentRecord, Stream, UnixNanos};

fuzz_target!(|payload: Vec<u8>| {
    let fact = AgentRecord { observed: UnixNanos(0), stream: Stream::MACHINES, kind: 1, version: 1, payload };
    if let Ok(enrolled) = Enrolled::decode(&fact) {
        assert_eq!(Enrolled::decode(&enrolled.encode(UnixNanos(0))), Ok(enrolled));
    }
});
