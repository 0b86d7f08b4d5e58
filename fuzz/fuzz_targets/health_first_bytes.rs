//! The first bytes of whoever asks for health: each prefix must agree with the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_health::answers::{First, first_bytes};

fuzz_target!(|bytes: &[u8]| {
    let all = first_bytes(bytes);
    for cut in 0..bytes.len().min(64) {
        match first_bytes(&bytes[..cut]) {
            First::PerhapsHttp | First::PerhapsLine(_) => {}
            early => assert_eq!(early, all, "told too early"),
        }
    }
});
