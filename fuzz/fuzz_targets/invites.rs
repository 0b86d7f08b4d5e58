//! The hub's file of invites.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_wire::invites::decode_invites;

fuzz_target!(|data: &[u8]| {
    let _ = decode_invites(data);
});
