//! Whole blocks into frames, and back.

use crate::frame::{BlockHead, BlockStart, Frame};
use crate::limits::{PIECE_BYTES_AIM, STORED_BYTES_MAX};
use bytes::Bytes;
use vigie_model::Digest;
use vigie_model::limits::BLOCK_BYTES_MAX;

/// A block as it travelled: neither decompressed nor verified.
#[derive(Clone, PartialEq, Eq)]
pub struct WireBlock {
    /// What the sender says of it.
    pub head: BlockHead,
    /// Its stored form, of exactly `head.stored_len` bytes.
    pub stored: Vec<u8>,
}

impl std::fmt::Debug for WireBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireBlock").field("head", &self.head).finish_non_exhaustive()
    }
}

/// A block too large for the wire: a fault of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {digest} of {raw} bytes, {stored} as stored, is larger than any may be")]
pub struct TooLarge {
    /// The block.
    pub digest: Digest,
    /// Length of its raw bytes.
    pub raw: usize,
    /// Length of its stored form.
    pub stored: usize,
}

/// The frames of a block, in the order in which they must be sent; other frames may go between them, but
/// no other block. `stored` is shared, not copied.
pub fn block_frames(head: BlockHead, stored: Bytes) -> Result<impl Iterator<Item = Frame> + Send, TooLarge> {
    let (raw, len) = (head.raw_len as usize, stored.len());
    if raw > BLOCK_BYTES_MAX || len > STORED_BYTES_MAX || len != head.stored_len as usize {
        return Err(TooLarge { digest: head.digest, raw, stored: len });
    }
    let piece = move |at: usize| stored.slice(at..len.min(at + PIECE_BYTES_AIM));
    let first = Frame::BlockStart(BlockStart { head, piece: piece(0) });
    let more = (PIECE_BYTES_AIM..len).step_by(PIECE_BYTES_AIM).map(move |at| Frame::BlockMore(piece(at)));
    Ok(std::iter::once(first).chain(more))
}

/// What was wrong with the order of a block's frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// A block began before the one under way was whole.
    #[error("block {next} began while {missing} bytes of block {open} were to come")]
    Interrupted {
        /// The block under way.
        open: Digest,
        /// What it still lacked.
        missing: usize,
        /// The block that began.
        next: Digest,
    },
    /// A piece of no block.
    #[error("a piece of {0} bytes came while no block was under way")]
    Stray(usize),
    /// A piece beyond the block's stated length.
    #[error("a piece of {got} bytes came where block {open} lacked only {missing}")]
    TooMuch {
        /// The block under way.
        open: Digest,
        /// What it still lacked.
        missing: usize,
        /// What came.
        got: usize,
    },
}

/// Puts blocks together from their frames. Holds one block at most.
#[derive(Debug, Default)]
pub struct BlockAssembler {
    open: Option<WireBlock>,
}

impl BlockAssembler {
    /// Without a block under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a `BlockStart`; gives the block when it is whole already.
    pub fn start(&mut self, start: BlockStart) -> Result<Option<WireBlock>, AssembleError> {
        let BlockStart { head, piece } = start;
        if let Some(open) = &self.open {
            let missing = missing(open);
            return Err(AssembleError::Interrupted { open: open.head.digest, missing, next: head.digest });
        }
        // The decoder has capped the stated length; what was stated is the most that will ever be held.
        let stored = Vec::with_capacity((head.stored_len as usize).min(STORED_BYTES_MAX));
        self.append(WireBlock { head, stored }, &piece)
    }

    /// Takes a `BlockMore`; gives the block when this piece makes it whole.
    pub fn more(&mut self, piece: &[u8]) -> Result<Option<WireBlock>, AssembleError> {
        match self.open.take() {
            Some(open) => self.append(open, piece),
            None => Err(AssembleError::Stray(piece.len())),
        }
    }

    /// Whether a block is under way.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn append(&mut self, mut block: WireBlock, piece: &[u8]) -> Result<Option<WireBlock>, AssembleError> {
        let missing = missing(&block);
        if piece.len() > missing {
            return Err(AssembleError::TooMuch { open: block.head.digest, missing, got: piece.len() });
        }
        block.stored.extend_from_slice(piece);
        if piece.len() == missing {
            return Ok(Some(block));
        }
        self.open = Some(block);
        Ok(None)
    }
}

fn missing(block: &WireBlock) -> usize {
    (block.head.stored_len as usize).saturating_sub(block.stored.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_model::StoredKind;

    fn head(len: usize) -> BlockHead {
        BlockHead {
            digest: Digest([7; 32]),
            kind: StoredKind::DATA,
            codec: 0,
            raw_len: len as u32,
            stored_len: len as u32,
        }
    }

    fn take(assembler: &mut BlockAssembler, frame: Frame) -> Result<Option<WireBlock>, AssembleError> {
        match frame {
            Frame::BlockStart(start) => assembler.start(start),
            Frame::BlockMore(piece) => assembler.more(&piece),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn blocks_of_every_size_come_back_whole() {
        let mut assembler = BlockAssembler::new();
        let aim = PIECE_BYTES_AIM;
        for len in [0, 1, aim - 1, aim, aim + 1, BLOCK_BYTES_MAX] {
            let stored: Vec<u8> = (0..len).map(|i| (i / 251) as u8).collect();
            let frames: Vec<_> = block_frames(head(len), stored.clone().into()).unwrap().collect();
            assert_eq!(frames.len(), len.div_ceil(aim).max(1));
            let mut whole = frames.into_iter().map(|f| take(&mut assembler, f).unwrap());
            let last = whole.by_ref().last().unwrap().unwrap();
            assert_eq!(last, WireBlock { head: head(len), stored });
            assert!(!assembler.is_open());
        }
    }

    #[test]
    fn what_is_too_large_is_not_sent() {
        let len = STORED_BYTES_MAX + 1;
        let too_large = BlockHead { stored_len: len as u32, ..head(10) };
        assert!(block_frames(too_large, vec![0; len].into()).is_err());
        assert!(block_frames(head(10), vec![0; 9].into()).is_err(), "another length than stated");
    }

    #[test]
    fn pieces_out_of_order_are_named() {
        let mut assembler = BlockAssembler::new();
        assert_eq!(assembler.more(b"abc"), Err(AssembleError::Stray(3)));
        let start = BlockStart { head: head(10), piece: Bytes::from_static(b"1234") };
        assert_eq!(assembler.start(start.clone()), Ok(None));
        let error = assembler.start(start).unwrap_err();
        assert!(matches!(error, AssembleError::Interrupted { missing: 6, .. }));
        let error = assembler.more(b"1234567").unwrap_err();
        assert!(error.to_string().contains("a piece of 7 bytes came where block 0707"), "{error}");
    }
}
