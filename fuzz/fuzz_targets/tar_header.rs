//! The 512-byte header of a tar entry, and the records of an extended one. The checksum is put right
//! first: else nothing behind it is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_archive::header::parse_header;
use vigie_archive::pax::parse_records;

/// Where the checksum stands (ustar, POSIX.1-2017 `pax`).
const CHECKSUM: std::ops::Range<usize> = 148..156;

fuzz_target!(|data: &[u8]| {
    let _ = parse_records(data);
    let mut block = [0; 512];
    let len = data.len().min(block.len());
    block[..len].copy_from_slice(&data[..len]);
    block[CHECKSUM].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let _ = parse_header(&block);
});
