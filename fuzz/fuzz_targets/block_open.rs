//! A block, or a bundle, as a peer or a pack has it: decompressed within its limit, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigie_model::bundle::{self, digest_of};
use vigie_model::{Digest, ListEntry, StoredKind};
use vigie_store::Codec;
use vigie_store::compress::{Checked, check_stored};

fuzz_target!(|data: (u8, bool, u32, &[u8])| {
    let (kind, packed, raw_len, stored) = data;
    let kind = StoredKind::from_number(kind % 3).expect("there are three");
    let codec = if packed { Codec::Zstd } else { Codec::Raw };
    // Never the right digest: what is tested is what happens before it is compared.
    assert!(check_stored(kind, codec, raw_len, stored, &Digest([0; 32])).is_err());

    // And the right one: whatever is a bundle is one of exactly its blocks.
    let Ok(parts) = bundle::parts(stored) else { return };
    let block = |part: &bundle::Part| part.of(stored).expect("a part lies within its bundle");
    let entry = |part| ListEntry { digest: Digest::of_data(block(part)), size: part.len.into() };
    let digest = digest_of(parts.iter().map(entry).collect());
    let checked = check_stored(StoredKind::Bundle, Codec::Raw, stored.len() as u32, stored, &digest);
    if stored.len() <= vigie_model::limits::BLOCK_BYTES_MAX {
        let Ok(Checked::Bundle(blocks)) = checked else { panic!("{checked:?}") };
        assert!(blocks.iter().map(|(_, part)| part).eq(&parts));
    }
});
