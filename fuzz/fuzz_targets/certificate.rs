//! Certificates, requests for them and the bodies of a renewal, from any peer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_wire::fuzzing::{certificate, certificate_request, renewal};

fuzz_target!(|data: &[u8]| {
    let _ = certificate(data);
    let _ = certificate_request(data);
    let _ = renewal(data);
});
