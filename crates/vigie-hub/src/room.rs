//! Memory for what a session brought and what is not yet durable. Credits count bytes of blocks and numbers of records,
//! as the protocol has them; but records of a megabyte, and blocks of a byte, cost what no honest agent makes them
//! cost. So each also takes room for what it weighs here, and who finds none waits: the link is not read on.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vigie_model::limits::BUNDLE_BLOCKS_MAX;
use vigie_model::{AgentRecord, StoredKind, bundle};
use vigie_store::NewBlock;
use vigie_wire::WireBlock;
use vigie_wire::limits::FRAME_BYTES_MAX;

/// Bytes that may be on their way from the link to the disk, in each session: all that an agent of ordinary records has
/// credit for, and the largest frame of others. So it holds nobody up who does no harm, but for the moment in which many
/// bundles are being opened.
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

    /// Gives some of it back.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        if let Some(own) = &mut self.0 {
            drop(own.split(bytes.min(own.num_permits())));
        }
    }
}

/// What a block weighs until it is durable. A list is also there as what it says, and of a bundle nobody knows how many
/// blocks are in it before it was opened: as many as there may be in so many bytes.
pub(crate) fn of_block(block: &WireBlock) -> usize {
    let raw = block.head.raw_len as usize;
    let read = if block.head.kind == StoredKind::LIST { raw } else { 0 };
    block.stored.len() + read + blocks_at_most(block.head.kind, raw) * BLOCK_COST_BYTES
}

/// How much less a block weighs, now that it was opened.
pub(crate) fn surplus(block: &NewBlock) -> usize {
    let blocks = block.parts().len().max(1);
    blocks_at_most(block.kind(), block.raw_len() as usize).saturating_sub(blocks) * BLOCK_COST_BYTES
}

fn blocks_at_most(kind: StoredKind, raw: usize) -> usize {
    match kind {
        StoredKind::Bundle => (raw / bundle::BLOCK_BYTES_MIN).clamp(1, BUNDLE_BLOCKS_MAX),
        StoredKind::Block(_) => 1,
    }
}

/// What a record weighs until it is durable.
pub(crate) fn of_record(record: &AgentRecord) -> usize {
    record.payload.len() + RECORD_COST_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use vigie_model::Digest;
    use vigie_store::Codec;

    #[tokio::test]
    async fn what_is_given_back_is_room_for_others() {
        let room = Room::new();
        let mut all = room.take(ROOM_BYTES).await;
        assert!(room.take(1000).now_or_never().is_none());
        all.give_back(1000);
        let other = room.take(1000).now_or_never();
        assert!(other.is_some());
        all.give_back(usize::MAX);
        drop(other);
        assert!(room.take(ROOM_BYTES).now_or_never().is_some(), "and never more than there was");
    }

    #[test]
    fn an_opened_bundle_weighs_what_is_in_it() {
        let block = |kind, digest, raw: Vec<u8>| {
            NewBlock::verify(kind, Codec::Raw, raw.len() as u32, raw, digest).unwrap()
        };
        let bundle = |blocks: u8, len: usize| {
            let mut builder = bundle::BundleBuilder::default();
            for raw in (0..blocks).map(|i| vec![i; len]) {
                builder.push(Digest::of_data(&raw), &raw);
            }
            let (digest, raw) = builder.finish();
            block(StoredKind::Bundle, digest, raw)
        };
        assert_eq!(surplus(&bundle(8, 16 * 1024)), (BUNDLE_BLOCKS_MAX - 8) * BLOCK_COST_BYTES);
        assert_eq!(surplus(&bundle(64, 1)), 0, "as many blocks as there may be in so many bytes");
        assert_eq!(surplus(&block(StoredKind::DATA, Digest::of_data(&[7; 1024]), vec![7; 1024])), 0);
    }
}
