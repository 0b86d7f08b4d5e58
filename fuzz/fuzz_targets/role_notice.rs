//! Messages of members and authority of a group, as a peer may send them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_role::notice::{decode_from_member, decode_to_member, encode_from_member, encode_to_member};

fuzz_target!(|bytes: &[u8]| {
    // What was understood is the same when it is said again, whatever a later version added to it.
    if let Ok((group, said)) = decode_from_member(bytes) {
        assert_eq!(decode_from_member(&encode_from_member(&group, &said)), Ok((group, said)));
    }
    if let Ok((group, said)) = decode_to_member(bytes) {
        assert_eq!(decode_to_member(&encode_to_member(&group, &said)), Ok((group, said)));
    }
});
