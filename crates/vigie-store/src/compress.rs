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
    let raw = decompress(codec, raw_len, stored)?;
    let found = kind.digest(&raw);
    if found != *expect {
        return Err(BlockError::Digest { expected: *expect, found });
    }
    if kind == BlockKind::List {
        BlockList::decode(&raw).map_err(BlockError::List)?;
    }
    Ok(raw)
}

/// The raw bytes, of exactly the stated length; nothing else is checked.
pub(crate) fn decompress(codec: Codec, raw_len: u32, stored: &[u8]) -> Result<Vec<u8>, BlockError> {
    if raw_len as usize > BLOCK_BYTES_MAX {
        return Err(BlockError::TooLarge(raw_len));
    }
    let wrong = BlockError::Decompress { stored: stored.len(), raw_len };
    let raw = match codec {
        Codec::Raw => stored.to_vec(),
        Codec::Zstd => match zstd_codec::decompress(stored, raw_len as usize) {
            Ok(raw) => raw,
            Err(_) => return Err(wrong),
        },
    };
    if raw.len() == raw_len as usize { Ok(raw) } else { Err(wrong) }
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
        let open = |raw_len, stored: &[u8]| open_block(BlockKind::Data, codec, raw_len, stored, &digest);
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
