//! A stream of frames from a peer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_wire::{Decoded, decode_frame};

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    loop {
        let taken = match decode_frame(rest) {
            Ok(Decoded::Frame(_, taken) | Decoded::Skip(_, taken)) => taken,
            Ok(Decoded::Needs(more)) => {
                assert!(more > rest.len(), "more is needed than is there");
                break;
            }
            Err(_) => break,
        };
        assert!(taken > 0, "a frame takes bytes");
        rest = &rest[taken..];
    }
});
