//! A pack of blocks. The checksums of its head and of its first block are put right first: else nothing
//! behind them is reached. `docs/format.md` has the layout.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_store::decode::{BlockHead, read_pack};

const PACK_HEAD: usize = 24;
const BLOCK_HEAD: usize = 16;

fuzz_target!(|data: &[u8]| {
    let _ = BlockHead::decode(data);
    let _ = read_pack(data);
    if data.len() < BLOCK_HEAD {
        return;
    }
    let mut head = [0; PACK_HEAD];
    head[..8].copy_from_slice(b"VIGIEPAK");
    head[8] = 1;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[8..12]), &head[16..]);
    head[12..16].copy_from_slice(&crc.to_le_bytes());

    let mut block = data.to_vec();
    let stored = (block.len() - BLOCK_HEAD) as u32;
    block[..4].copy_from_slice(&stored.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&block[..12]), &block[BLOCK_HEAD..]);
    block[12..16].copy_from_slice(&crc.to_le_bytes());

    let pack = [&head[..], &block].concat();
    let (blocks, bad) = read_pack(&pack);
    assert!(blocks.len() <= 1 && bad != Some(0), "the head of the pack is a good one");
});
