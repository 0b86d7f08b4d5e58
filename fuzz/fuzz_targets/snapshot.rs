//! What an agent leaves at a clean stop. Its beginning and its digest are put right: else nothing behind them is
//! reached. `vigie-watch`, `engine/snapshot.rs`, has the layout.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_watch::engine::rewrite_snapshot;

/// Machine, incarnation, number, key: whatever they are, they are as good as any.
const IDS: [u8; 64] = [1; 64];

fuzz_target!(|data: &[u8]| {
    assert!(rewrite_snapshot(data).is_err(), "nobody guesses a digest");
    let mut whole = [b"VIGIESNP", &1u32.to_le_bytes()[..], &IDS, data].concat();
    whole.extend(blake3::hash(&whole).as_bytes());
    if let Ok(again) = rewrite_snapshot(&whole) {
        assert!(again == whole, "there is one way to write it");
    }
});
