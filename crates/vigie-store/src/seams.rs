//! The two seams for the day one hub is not enough: a journal that may be fenced, and blocks that may lie
//! elsewhere. Both are async and batch-shaped, because the second medium will be an object store. The local
//! ones here are what [`Store`] does anyway, seen through them.

use crate::error::{CommitError, ReadError, StoreError};
use crate::new_block::NewBlock;
use crate::store::Store;
use crate::types::{Batch, Committed};
use async_trait::async_trait;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// Raw bytes of a block, as much of `range` as it has, verified as a whole.
    async fn get_range(
        &self,
        kind: BlockKind,
        digest: &Digest,
        range: Range<u32>,
    ) -> Result<Vec<u8>, ReadError>;
    /// Removes the blocks that nothing needs, and says how many bytes that freed. No medium of this version
    /// does: nothing is ever deleted.
    async fn sweep(&self) -> Result<u64, StoreError>;
}

/// The journal of this machine. Its lock file keeps other processes out; epochs keep out what is left of
/// earlier owners within this one.
#[derive(Debug)]
pub struct LocalJournal {
    store: Store,
    newest: AtomicU64,
}

impl LocalJournal {
    /// The journal of this store.
    pub fn new(store: Store) -> Self {
        LocalJournal { store, newest: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Journal for LocalJournal {
    async fn append(&self, epoch: Epoch, expected: Seq, batch: Batch) -> Result<Committed, CommitError> {
        if self.newest.fetch_max(epoch.0, Ordering::SeqCst) > epoch.0 {
            return Err(CommitError::Fenced);
        }
        self.store.commit_at(Some(expected), batch).await
    }
}

/// The packs of this machine.
#[derive(Debug)]
pub struct LocalBlocks(Store);

impl LocalBlocks {
    /// The blocks of this store.
    pub fn new(store: Store) -> Self {
        LocalBlocks(store)
    }
}

#[async_trait]
impl Blocks for LocalBlocks {
    async fn has(&self, digests: &[(BlockKind, Digest)]) -> Result<Vec<bool>, StoreError> {
        self.0.has(digests)
    }

    async fn put_many(&self, blocks: Vec<NewBlock>) -> Result<(), StoreError> {
        self.0.commit(Batch { blocks, records: Vec::new() }).await?;
        Ok(())
    }

    async fn sync(&self) -> Result<(), StoreError> {
        Ok(()) // A commit of blocks is durable when it returns.
    }

    async fn get_range(
        &self,
        kind: BlockKind,
        digest: &Digest,
        range: Range<u32>,
    ) -> Result<Vec<u8>, ReadError> {
        let block = self.0.shared.block(kind, digest)?;
        let end = block.len().min(range.end as usize);
        Ok(block.get(range.start as usize..end).unwrap_or_default().to_vec())
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        Err(StoreError::Unsupported("sweep blocks"))
    }
}
