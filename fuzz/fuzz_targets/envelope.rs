//! The envelope of a record, a line of a known tree and the answer to a flush, as CBOR from a peer or a file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_model::ask::Flushed;
use vigie_model::{KnownEdge, Record};

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = minicbor::decode::<Record>(data) {
        let bytes = minicbor::to_vec(&record).expect("writing to memory");
        assert_eq!(minicbor::decode::<Record>(&bytes).expect("reading what was written"), record);
    }
    if let Ok(edge) = minicbor::decode::<KnownEdge>(data) {
        let bytes = minicbor::to_vec(&edge).expect("writing to memory");
        assert_eq!(minicbor::decode::<KnownEdge>(&bytes).expect("reading what was written"), edge);
    }
    if let Some(flushed) = Flushed::decode(data) {
        assert_eq!(Flushed::decode(&flushed.encode()), Some(flushed));
    }
});
