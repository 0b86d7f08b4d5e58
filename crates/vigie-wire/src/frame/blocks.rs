//! The frames that carry blocks: which there are, which are lacking, and their bytes.
//!
//! ```text
//! block head = digest 32 · kind u8 · codec u8 · raw_len u32 · stored_len u32     little-endian, 42 bytes
//! ```

use super::{Body, proto};
use crate::limits::{OFFER_BLOCKS_MAX, STORED_BYTES_MAX};
use bytes::{BufMut, Bytes, BytesMut};
use vigie_model::limits::BLOCK_BYTES_MAX;
use vigie_model::{BlockKind, Digest, StoredKind};

/// Blocks that the agent could send. The hub answers every offer, in order, with a [`Need`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Chosen by the agent; the answer repeats it.
    pub id: u64,
    /// 1 to [`OFFER_BLOCKS_MAX`] blocks.
    pub blocks: Vec<(BlockKind, Digest)>,
}

/// Which blocks of an offer the hub lacks. The others are pinned until they are committed or the session
/// ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The offer's number.
    pub id: u64,
    /// Bit `i % 8`, from the lowest, of byte `i / 8` stands for block `i` of the offer.
    pub bitmap: Vec<u8>,
}

impl Need {
    /// The answer to an offer whose blocks are lacking (`true`) or not, in the offer's order.
    pub fn new(id: u64, lacking: impl IntoIterator<Item = bool>) -> Self {
        let mut bitmap = Vec::new();
        for (i, lacking) in lacking.into_iter().enumerate() {
            if i % 8 == 0 {
                bitmap.push(0);
            }
            bitmap[i / 8] |= u8::from(lacking) << (i % 8);
        }
        Need { id, bitmap }
    }

    /// Whether block `i` of the offer is to be sent; `false` beyond the offer's end.
    pub fn wants(&self, i: usize) -> bool {
        self.bitmap.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1)
    }

    /// Whether this can be the answer to an offer of `count` blocks: neither shorter nor longer.
    pub fn answers(&self, count: usize) -> bool {
        let spare = self.bitmap.len() * 8;
        self.bitmap.len() == count.div_ceil(8) && (count..spare).all(|i| !self.wants(i))
    }
}

/// What is said of a block before its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHead {
    /// Digest of the raw bytes.
    pub digest: Digest,
    /// What they are.
    pub kind: StoredKind,
    /// How the stored bytes are compressed: 0 not at all, 1 zstd. A receiver that does not know the
    /// number refuses the block, not the frame.
    pub codec: u8,
    /// Length of the raw bytes: at most [`BLOCK_BYTES_MAX`].
    pub raw_len: u32,
    /// Length of what is sent: at most [`STORED_BYTES_MAX`].
    pub stored_len: u32,
}

impl BlockHead {
    /// Length in a frame.
    pub const LEN: usize = Digest::LEN + 1 + 1 + 4 + 4;

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(&self.digest.0);
        out.put_u8(self.kind.number());
        out.put_u8(self.codec);
        out.put_u32_le(self.raw_len);
        out.put_u32_le(self.stored_len);
    }

    fn read(bytes: &[u8; Self::LEN]) -> Result<Self, &'static str> {
        let (digest, rest) = bytes.split_at(Digest::LEN);
        let digest = Digest::from_slice(digest).ok_or("its digest is cut off")?;
        let [kind, codec, numbers @ ..] = rest else { return Err("its head is cut off") };
        let number = |at: usize| {
            let bytes = numbers.get(at..at + 4).and_then(|b| b.try_into().ok());
            bytes.map(u32::from_le_bytes).ok_or("its head is cut off")
        };
        let head = BlockHead {
            digest,
            kind: StoredKind::from_number(*kind).ok_or(UNKNOWN_KIND)?,
            codec: *codec,
            raw_len: number(0)?,
            stored_len: number(4)?,
        };
        if head.raw_len as usize > BLOCK_BYTES_MAX {
            return Err("its block is larger than any may be");
        }
        if head.stored_len as usize > STORED_BYTES_MAX {
            return Err("its block's stored form is larger than any may be");
        }
        Ok(head)
    }
}

/// A block's head with its first piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockStart {
    /// What follows.
    pub head: BlockHead,
    /// The first bytes of the stored form.
    pub piece: Bytes,
}

impl BlockStart {
    pub(super) fn put(head: &BlockHead, piece: &[u8], out: &mut BytesMut) {
        head.put(out);
        out.put_slice(piece);
    }

    pub(super) fn read(mut body: Bytes) -> Result<Self, &'static str> {
        let head = body.first_chunk::<{ BlockHead::LEN }>().ok_or("its head is cut off")?;
        let head = BlockHead::read(head)?;
        let piece = body.split_off(BlockHead::LEN);
        if piece.len() > head.stored_len as usize {
            return Err("it has more bytes than its block");
        }
        Ok(BlockStart { head, piece })
    }
}

const UNKNOWN_KIND: &str = "it names a block of an unknown kind";

const OFFER_ENTRY: usize = 1 + Digest::LEN;

impl Body for Offer {
    type Proto = proto::Offer;

    fn to_proto(&self) -> proto::Offer {
        let mut blocks = Vec::with_capacity(self.blocks.len() * OFFER_ENTRY);
        for (kind, digest) in &self.blocks {
            blocks.push(StoredKind::Block(*kind).number());
            blocks.extend_from_slice(&digest.0);
        }
        proto::Offer { id: self.id, blocks }
    }

    fn from_proto(p: proto::Offer) -> Result<Self, &'static str> {
        let count = p.blocks.len() / OFFER_ENTRY;
        if !p.blocks.len().is_multiple_of(OFFER_ENTRY) || count == 0 || count > OFFER_BLOCKS_MAX {
            return Err("it names no block, half a block or too many");
        }
        let entry = |entry: &[u8]| {
            let digest = Digest::from_slice(&entry[1..]).ok_or("a digest is cut off")?;
            match StoredKind::from_number(entry[0]) {
                Some(StoredKind::Block(kind)) => Ok((kind, digest)),
                Some(StoredKind::Bundle) | None => Err(UNKNOWN_KIND),
            }
        };
        let blocks = p.blocks.chunks_exact(OFFER_ENTRY).map(entry).collect::<Result<_, &'static str>>()?;
        Ok(Offer { id: p.id, blocks })
    }
}

impl Body for Need {
    type Proto = proto::Need;

    fn to_proto(&self) -> proto::Need {
        proto::Need { id: self.id, bitmap: self.bitmap.clone() }
    }

    fn from_proto(p: proto::Need) -> Result<Self, &'static str> {
        if p.bitmap.is_empty() || p.bitmap.len() > OFFER_BLOCKS_MAX / 8 {
            return Err("it answers no block or too many");
        }
        Ok(Need { id: p.id, bitmap: p.bitmap })
    }
}
