//! Whatever comes from a line: no panic, bounded frames, and a value of a known label always has its form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use vigie_meter::limits;
use vigie_meter::tic::{Listener, Ways};

fuzz_target!(|bytes: &[u8]| {
    let mut listener = Listener::new(Ways::default());
    for (piece, at) in bytes.chunks(64).zip(0..) {
        let at = Duration::from_secs(at);
        listener.feed(piece, at, |frame| {
            assert!(frame.readings.len() <= limits::FRAME_GROUPS);
            for reading in &frame.readings {
                assert!(reading.label.len() <= limits::LABEL_BYTES);
            }
        });
        listener.give_up(at);
    }
});
