//! The two seams for the day one hub is not enough: a journal that may be fenced, and blocks that may lie
//! elsewhere. Both are async and batch-shaped, because the second medium will be an object store.

use crate::error::{CommitError, StoreError};
use crate::types::{Batch, Committed, NewBlock};
use async_trait::async_trait;
use std::ops::Range;
use vigie_model::{BlockKind, Digest, Epoch, Seq};

/// Where records become durable, in one order.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends a batch as the holder of `epoch`, expecting that its first record gets the number
    /// `expected`. Returns only when the batch is durable, or refuses all of it: with
    /// [`CommitError::Fenced`] when a newer epoch writes, or when another record has that number.
    async fn append(&self, epoch: Epoch, expected: Seq, batch: Batch) -> Result<Committed, CommitError>;
}

/// Where blocks lie.
#[async_trait]
pub trait Blocks: Send + Sync {
    /// Which of these are present.
    async fn has(&self, digests: &[(BlockKind, Digest)]) -> Result<Vec<bool>, StoreError>;
    /// Adds blocks; they count as present, and are durable after the next [`Self::sync`].
    async fn put_many(&self, blocks: Vec<NewBlock>) -> Result<(), StoreError>;
    /// Returns when everything put before is durable.
    async fn sync(&self) -> Result<(), StoreError>;
    /// Raw bytes of a block, as much of `range` as it has.
    async fn get_range(&self, digest: &Digest, range: Range<u32>) -> Result<Vec<u8>, StoreError>;
    /// Removes the blocks that nothing needs. No medium of this version does: nothing is ever deleted.
    async fn sweep(&self) -> Result<u64, StoreError>;
}
