//! Blocks in the form in which they travel and lie: compressed when that helps, and never believed before
//! their digest was computed again.

use crate::types::Codec;
use crate::zstd_codec;
use vigie_model::limits::BLOCK_BYTES_MAX;
use vigie_model::{BlockKind, BlockList, Digest, ListError};

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
}

/// Compresses a block when that makes it smaller. A block of any length is taken; [`open_block`] refuses
/// what is too large.
pub fn pack(_kind: BlockKind, raw: &[u8]) -> (Codec, Vec<u8>) {
    let packed = if raw.len() < RAW_BELOW { None } else { zstd_codec::compress(raw) };
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

/// As [`open_block`], for whoever needs no more than to know that the block is what it is said to be. Gives the list
/// that a list's block is.
pub fn check_block(
    kind: BlockKind,
    codec: Codec,
    raw_len: u32,
    stored: &[u8],
    expect: &Digest,
) -> Result<Option<BlockList>, BlockError> {
    with_raw(codec, raw_len, stored, |raw| check(kind, raw, expect))?
}

fn check(kind: BlockKind, raw: &[u8], expect: &Digest) -> Result<Option<BlockList>, BlockError> {
    let found = kind.digest(raw);
    if found != *expect {
        return Err(BlockError::Digest { expected: *expect, found });
    }
    match kind {
        BlockKind::Data => Ok(None),
        BlockKind::List => BlockList::decode(raw).map(Some).map_err(BlockError::List),
    }
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
        let (codec, stored) = pack(BlockKind::Data, &text);
        assert_eq!(codec, Codec::Zstd);
        assert!(stored.len() < text.len() / 10);
        let digest = Digest::of_data(&text);
        let back = open_block(BlockKind::Data, codec, text.len() as u32, &stored, &digest).unwrap();
        assert_eq!(back, text);
        assert_eq!(pack(BlockKind::Data, b"short").0, Codec::Raw);
        let random: Vec<u8> = (0..64u8).flat_map(|i| Digest::of_data(&[i]).0).collect();
        assert_eq!(pack(BlockKind::Data, &random).0, Codec::Raw);
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
        let (codec, stored) = pack(BlockKind::Data, &text);
        let open = |raw_len, stored: &[u8]| {
            let opened = open_block(BlockKind::Data, codec, raw_len, stored, &digest);
            let checked = check_block(BlockKind::Data, codec, raw_len, stored, &digest);
            assert_eq!(checked, opened.clone().map(|_| None), "both ways say the same");
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
