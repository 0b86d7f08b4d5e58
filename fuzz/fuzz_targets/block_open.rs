//! A block as a peer or a pack has it: decompressed within its limit, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_model::{BlockKind, Digest};
use vigie_store::Codec;
use vigie_store::compress::open_block;

fuzz_target!(|data: (bool, bool, u32, &[u8])| {
    let (list, packed, raw_len, stored) = data;
    let kind = if list { BlockKind::List } else { BlockKind::Data };
    let codec = if packed { Codec::Zstd } else { Codec::Raw };
    // Never the right digest: what is tested is what happens before it is compared.
    assert!(open_block(kind, codec, raw_len, stored, &Digest([0; 32])).is_err());
});
