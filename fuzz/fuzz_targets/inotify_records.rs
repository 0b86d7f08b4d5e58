//! The kernel's buffer of events.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_watch::kernel::records::parse;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Some((_, taken)) = parse(rest) {
        assert!(taken > 0, "a record takes bytes");
        rest = &rest[taken..];
    }
});
