//! Memory for what a session brought and what is not yet durable. Credits count bytes of blocks and numbers of records,
//! as the protocol has them; but records of a megabyte, and blocks of a byte, cost what no honest agent makes them
//! cost. So each also takes room for what it weighs here, and who finds none waits: the link is not read on.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vigie_model::limits::BUNDLE_BLOCKS_MAX;
use vigie_model::{AgentRecord, StoredKind, bundle};
use vigie_wire::WireBlock;
use vigie_wire::limits::FRAME_BYTES_MAX;

/// Bytes that may be on their way from the link to the disk, in each session: all that an agent of ordinary records has
/// credit for, and the largest frame of others. So it holds nobody up who does no harm.
pub(crate) const ROOM_BYTES: usize = 8 * 1024 * 1024 + FRAME_BYTES_MAX;
/// What a block costs beside its bytes: it is named in sets, in a frame of the journal and in a row of the index.
const BLOCK_COST_BYTES: usize = 512;
/// What a record costs beside its payload; the same reason.
const RECORD_COST_BYTES: usize = 256;

/// What is left of it.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Semaphore>);

/// Room that is taken. Dropping it gives it back.
#[derive(Debug, Default)]
pub(crate) struct Taken(Option<OwnedSemaphorePermit>);

impl Room {
    pub(crate) fn new() -> Self {
        Room(Arc::new(Semaphore::new(ROOM_BYTES)))
    }

    /// Takes room, waiting for it. What weighs more than there ever is takes all.
    pub(crate) async fn take(&self, bytes: usize) -> Taken {
        let bytes = u32::try_from(bytes.min(ROOM_BYTES)).unwrap_or(u32::MAX);
        // It is never closed.
        Taken(Arc::clone(&self.0).acquire_many_owned(bytes).await.ok())
    }
}

impl Taken {
    /// Holds what the other one holds, too.
    pub(crate) fn join(&mut self, other: Taken) {
        match (&mut self.0, other.0) {
            (Some(own), Some(other)) => own.merge(other),
            (own, other) => *own = own.take().or(other),
        }
    }
}

/// What a block weighs until it is durable. A list is also there as what it says, and of a bundle nobody knows how many
/// blocks are in it before it was opened: as many as there may be in so many bytes.
pub(crate) fn of_block(block: &WireBlock) -> usize {
    let raw = block.head.raw_len as usize;
    let (read, blocks) = match block.head.kind {
        StoredKind::LIST => (raw, 1),
        StoredKind::Bundle => (0, (raw / bundle::BLOCK_BYTES_MIN).clamp(1, BUNDLE_BLOCKS_MAX)),
        StoredKind::Block(_) => (0, 1),
    };
    block.stored.len() + read + blocks * BLOCK_COST_BYTES
}

/// What a record weighs until it is durable.
pub(crate) fn of_record(record: &AgentRecord) -> usize {
    record.payload.len() + RECORD_COST_BYTES
}
