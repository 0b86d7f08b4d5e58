//! Blocks in the form in which they travel and lie: compressed when that helps, and never believed before
//! their digest was computed again.

use crate::types::Codec;
use crate::zstd_codec::{self, Effort};
use vigie_model::bundle::{self, BundleError, Part};
use vigie_model::limits::BLOCK_BYTES_MAX;
use vigie_model::{BlockKind, BlockList, Digest, ListEntry, ListError, StoredKind};

/// Compressing shorter blocks gains less than a header of zstd costs.
const RAW_BELOW: usize = 64;

/// Why stored bytes are not the block they are said to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The stated length is beyond every honest block.
    #[error("a block of {0} bytes is larger than any block may be")]
    TooLarge(u32),
    /// Not a zstd frame, or one of another length.
    #[error("the block's {stored} stored bytes do not decompress to {raw_len} bytes")]
    Decompress {
        /// Stored length.
        stored: usize,
        /// Length that was stated.
        raw_len: u32,
    },
    /// The bytes are those of another block.
    #[error("the block's bytes have the digest {found}, not {expected}")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// The digest is right, and yet it is no list.
    #[error("the block cannot be read as a list")]
    List(#[source] ListError),
    /// It is no bundle.
    #[error("the bundle cannot be read")]
    Bundle(#[source] BundleError),
}

/// What is in stored bytes that are what they are said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// A data block.
    Data,
    /// A list.
    List(BlockList),
    /// Blocks, with their digests and where they lie.
    Bundle(Vec<(Digest, Part)>),
}

/// Compresses what is to be stored when that makes it smaller. Any length is taken; [`open_block`] refuses what is too
/// large.
pub fn pack(kind: StoredKind, raw: &[u8]) -> (Codec, Vec<u8>) {
    let effort = if kind == StoredKind::Bundle { Effort::Quick } else { Effort::Usual };
    let packed = if raw.len() < RAW_BELOW { None } else { zstd_codec::compress(effort, raw) };
    match packed {
        Some(packed) => (Codec::Zstd, packed),
        None => (Codec::Raw, raw.to_vec()),
    }
}

/// Gives the raw bytes of a block after checking everything that is said of it: length, digest and, for
/// a list, that it is one. Never allocates more than the largest block.
pub fn open_block(
    kind: BlockKind,
    codec: Codec,
    raw_len: u32,
    stored: &[u8],
    expect: &Digest,
) -> Result<Vec<u8>, BlockError> {
    with_raw(codec, raw_len, stored, |raw| check(kind, raw, expect).map(|_| raw.to_vec()))?
}

/// Makes sure that stored bytes are what they are said to be, as [`open_block`] does, and says what is in them.
pub fn check_stored(
    kind: StoredKind,
    codec: Codec,
    raw_len: u32,
    stored: &[u8],
    expect: &Digest,
) -> Result<Checked, BlockError> {
    with_raw(codec, raw_len, stored, |raw| match kind {
        StoredKind::Block(kind) => check(kind, raw, expect),
        StoredKind::Bundle => check_bundle(raw, expect),
    })?
}

/// Makes sure that raw bytes are this block.
pub(crate) fn check(kind: BlockKind, raw: &[u8], expect: &Digest) -> Result<Checked, BlockError> {
    is_digest(kind.digest(raw), expect)?;
    match kind {
        BlockKind::Data => Ok(Checked::Data),
        BlockKind::List => BlockList::decode(raw).map(Checked::List).map_err(BlockError::List),
    }
}

fn check_bundle(raw: &[u8], expect: &Digest) -> Result<Checked, BlockError> {
    let parts = bundle::parts(raw).map_err(BlockError::Bundle)?;
    let part = |part: Part| part.of(raw).map(|raw| (Digest::of_data(raw), part));
    let blocks: Vec<_> = parts.into_iter().filter_map(part).collect();
    let entries = blocks.iter().map(|(digest, part)| ListEntry { digest: *digest, size: part.len.into() });
    is_digest(bundle::digest_of(entries.collect()), expect)?;
    Ok(Checked::Bundle(blocks))
}

fn is_digest(found: Digest, expect: &Digest) -> Result<(), BlockError> {
    if found == *expect { Ok(()) } else { Err(BlockError::Digest { expected: *expect, found }) }
}

/// The raw bytes, of exactly the stated length; nothing else is checked.
pub(crate) fn decompress(codec: Codec, raw_len: u32, stored: &[u8]) -> Result<Vec<u8>, BlockError> {
    with_raw(codec, raw_len, stored, <[u8]>::to_vec)
}

/// Looks at the raw bytes, of exactly the stated length, where they lie.
fn with_raw<T>(
    codec: Codec,
    raw_len: u32,
    stored: &[u8],
    look: impl FnOnce(&[u8]) -> T,
) -> Result<T, BlockError> {
    let len = raw_len as usize;
    if len > BLOCK_BYTES_MAX {
        return Err(BlockError::TooLarge(raw_len));
    }
    let look = |raw: &[u8]| (raw.len() == len).then(|| look(raw));
    let looked = match codec {
        Codec::Raw => look(stored),
        Codec::Zstd => zstd_codec::with_decompressed(stored, len, look).ok().flatten(),
    };
    looked.ok_or(BlockError::Decompress { stored: stored.len(), raw_len })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_go_round_and_small_or_random_ones_stay_raw() {
        let text = b"all work and no play ".repeat(100);
        let (codec, stored) = pack(StoredKind::DATA, &text);
        assert_eq!(codec, Codec::Zstd);
        assert!(stored.len() < text.len() / 10);
        let digest = Digest::of_data(&text);
        let back = open_block(BlockKind::Data, codec, text.len() as u32, &stored, &digest).unwrap();
        assert_eq!(back, text);
        assert_eq!(pack(StoredKind::DATA, b"short").0, Codec::Raw);
        let random: Vec<u8> = (0..64u8).flat_map(|i| Digest::of_data(&[i]).0).collect();
        assert_eq!(pack(StoredKind::DATA, &random).0, Codec::Raw);
    }

    #[test]
    fn golden_bytes_of_a_stored_block() {
        // RFC 8878, made by hand: magic, single segment, size 100, one last block that repeats `a`.
        let stored = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 100, 0x23, 0x03, 0x00, b'a'];
        let text = [b'a'; 100];
        let got = open_block(BlockKind::Data, Codec::Zstd, 100, &stored, &Digest::of_data(&text));
        assert_eq!(got, Ok(text.to_vec()));
    }

    #[test]
    fn lies_about_blocks_are_found() {
        let text = b"x".repeat(1000);
        let digest = Digest::of_data(&text);
        let (codec, stored) = pack(StoredKind::DATA, &text);
        let open = |raw_len, stored: &[u8]| {
            let opened = open_block(BlockKind::Data, codec, raw_len, stored, &digest);
            let checked = check_stored(StoredKind::DATA, codec, raw_len, stored, &digest);
            assert_eq!(checked, opened.clone().map(|_| Checked::Data), "both ways say the same");
            opened
        };
        assert!(matches!(open(999, &stored), Err(BlockError::Decompress { .. })));
        assert!(matches!(open(1001, &stored), Err(BlockError::Decompress { .. })));
        assert!(matches!(open(u32::MAX, &stored), Err(BlockError::TooLarge(_))));
        for cut in 0..stored.len() {
            assert!(open(1000, &stored[..cut]).is_err(), "a block cut at {cut} was taken");
        }
        for at in 0..stored.len() {
            let mut bad = stored.clone();
            bad[at] ^= 0x40;
            if let Ok(raw) = open(1000, &bad) {
                assert_eq!(raw, text, "other bytes were taken for the block");
            }
        }
        let as_list = open_block(BlockKind::List, codec, 1000, &stored, &Digest::of_list(&text));
        assert!(matches!(as_list, Err(BlockError::List(_))));
    }
}
