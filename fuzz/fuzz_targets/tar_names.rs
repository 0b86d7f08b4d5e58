//! What an archive says about names and access control lists: no name may lead out of the target.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_archive::{acl, path};

fuzz_target!(|data: &[u8]| {
    if let Ok(below) = path::below_root(data) {
        assert!(!below.starts_with(b"/") && below.split(|byte| *byte == b'/').all(|part| part != b".."));
    }
    let _ = acl::to_text(data);
    let _ = acl::from_text(data);
});
