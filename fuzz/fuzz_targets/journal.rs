//! A frame of a journal segment and its body. Lengths and checksums are put right first: else nothing behind
//! them is reached. `docs/format.md` has the layout.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_store::decode::{Body, SegmentHead, decode_frame, encode_frame, parse_marker};

const SALT: u64 = 7;
const FRAME_HEAD: usize = 32;

fn salted(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c_append(crc32c::crc32c(&SALT.to_le_bytes()), bytes).to_le_bytes()
}

fuzz_target!(|data: &[u8]| {
    let _ = parse_marker(data);
    let _ = SegmentHead::decode(data);
    let _ = decode_frame(data, SALT);
    if let Ok(body) = Body::decode(data) {
        assert_eq!(Body::decode(&body.encode()).as_ref(), Ok(&body), "what was read is not what was written");
    }
    if data.len() < FRAME_HEAD {
        return;
    }
    let mut frame = data.to_vec();
    let (head, body) = frame.split_at_mut(FRAME_HEAD);
    head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[24..28].copy_from_slice(&salted(body));
    let crc = salted(&head[..28]);
    head[28..].copy_from_slice(&crc);
    if let Ok((head, body)) = decode_frame(&frame, SALT) {
        let again = encode_frame(head.first, &body, SALT).expect("it was within the limits before");
        let (_, read) = decode_frame(&again, SALT).expect("what was written can be read");
        assert_eq!(read, body);
    }
});
