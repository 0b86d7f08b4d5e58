//! A list block: there is one way to write it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_model::BlockList;

fuzz_target!(|data: &[u8]| {
    if let Ok(list) = BlockList::decode(data) {
        assert_eq!(list.encode(), data, "two encodings of one list would have two digests");
    }
});
