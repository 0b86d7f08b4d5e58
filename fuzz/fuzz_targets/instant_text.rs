//! Instants as people and scripts write them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = vigie_web::text::parse_instant(text);
    let _ = vigie_web::journal::read_cursor(text);
});
