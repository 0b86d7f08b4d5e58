//! What committer, index and readers share.

use crate::alarm::Alarm;
use crate::commit::Waiting;
use crate::disk::Disk;
use crate::error::{CommitError, KvError};
use crate::index::Index;
use crate::index::apply::Progress;
use crate::journal::{Frame, Journal};
use crate::limits::{RESERVE_BYTES, RESERVE_PART};
use crate::new_block::NewBlock;
use crate::pack::Packs;
use crate::read::Bundles;
use crate::types::{Committed, DamagedPlace, Health, LastOf};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use vigie_model::{BlockKind, Clock, Digest, MachineId, Seq};

/// One store, open.
pub(crate) struct Shared {
    pub dir: PathBuf,
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub index: Index,
    pub journal: Arc<Journal>,
    pub packs: Arc<Packs>,
    pub bundles: Bundles,
    /// Raised when the index is found damaged.
    pub alarm: Arc<Alarm>,
    /// Packs that were found to lack something when the store was opened.
    pub damage: Vec<DamagedPlace>,
    /// Last record that readers see.
    pub tail: watch::Sender<Seq>,
    /// Set when nobody waits for anything any more.
    pub closing: AtomicBool,
    blocks: AtomicU64,
    unread: AtomicU64,
    live: Mutex<Live>,
    /// Keeps others out as long as anyone holds the store.
    _lock: Box<dyn Send + Sync>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// What is newer than the index. One lock, held for moments only: the committer, sessions that ask what
/// they must send, and the index all meet here.
#[derive(Debug, Default)]
struct Live {
    /// The last durable record of each machine.
    heads: HashMap<MachineId, LastOf>,
    /// Blocks on their way: queued, or durable and not yet in the index.
    fresh: HashMap<Digest, Fresh>,
    health: Option<Health>,
    /// The index cannot be written, and why.
    stalled: Option<String>,
}

#[derive(Debug)]
struct Fresh {
    kind: BlockKind,
    /// How many batches in the queue carry it.
    queued: u32,
    is_durable: bool,
}

impl Shared {
    #[allow(clippy::too_many_arguments)] // One place makes it, from the parts it has just opened.
    pub(crate) fn new(
        dir: PathBuf,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        index: Index,
        journal: Arc<Journal>,
        packs: Arc<Packs>,
        alarm: Arc<Alarm>,
        damage: Vec<DamagedPlace>,
        progress: &Progress,
        heads: HashMap<MachineId, LastOf>,
        lock: Box<dyn Send + Sync>,
    ) -> Self {
        Shared {
            dir,
            disk,
            clock,
            index,
            journal,
            packs,
            bundles: Bundles::default(),
            alarm,
            damage,
            tail: watch::Sender::new(progress.applied),
            closing: AtomicBool::new(false),
            blocks: AtomicU64::new(progress.blocks),
            unread: AtomicU64::new(progress.unread),
            live: Mutex::new(Live { heads, ..Live::default() }),
            _lock: lock,
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Last record that readers see.
    pub(crate) fn tail(&self) -> Seq {
        *self.tail.borrow()
    }

    /// Distinct blocks in the index.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }

    /// Records that should be in the index and could not be read.
    pub(crate) fn unread(&self) -> u64 {
        self.unread.load(Ordering::Relaxed)
    }

    /// The last durable record of a machine.
    pub(crate) fn head(&self, machine: MachineId) -> Option<LastOf> {
        self.live().heads.get(&machine).copied()
    }

    /// Whether `more` bytes would take of what is left to the index and to others. A disk that does not tell
    /// will tell when it is written to.
    pub(crate) fn lacks_room_for(&self, more: u64) -> bool {
        let Ok(space) = self.disk.space(&self.dir) else { return false };
        let reserve = RESERVE_BYTES.min(space.total / RESERVE_PART);
        space.available < reserve.saturating_add(more)
    }

    pub(crate) fn health(&self) -> Health {
        let live = self.live();
        match (&live.health, &live.stalled) {
            (Some(health), _) => health.clone(),
            (None, Some(why)) => Health::IndexStalled(why.clone()),
            (None, None) => Health::Ok,
        }
    }

    pub(crate) fn set_health(&self, health: Health) {
        self.live().health = Some(health);
    }

    pub(crate) fn set_stalled(&self, why: Option<String>) {
        self.live().stalled = why;
    }

    /// Which blocks are durable or queued; the empty one always is.
    pub(crate) fn has(&self, digests: &[(BlockKind, Digest)]) -> Result<Vec<bool>, KvError> {
        // First what is on its way: a block leaves it only after it is in the index.
        let mut found: Vec<Option<bool>> = {
            let live = self.live();
            digests.iter().map(|(kind, digest)| Some(live.fresh.get(digest)?.kind == *kind)).collect()
        };
        for (found, (kind, digest)) in found.iter_mut().zip(digests) {
            if found.is_none() {
                *found = Some(self.is_indexed(*kind, digest)?);
            }
        }
        Ok(found.into_iter().map(|found| found == Some(true)).collect())
    }

    /// Whether a block is durable.
    pub(crate) fn is_durable(&self, kind: BlockKind, digest: &Digest) -> Result<bool, KvError> {
        match self.live().fresh.get(digest) {
            Some(fresh) if fresh.is_durable => return Ok(fresh.kind == kind),
            _ => {}
        }
        self.is_indexed(kind, digest)
    }

    fn is_indexed(&self, kind: BlockKind, digest: &Digest) -> Result<bool, KvError> {
        if kind == BlockKind::Data && *digest == Digest::of_data(b"") {
            return Ok(true);
        }
        Ok(self
            .index
            .place(digest)?
            .is_some_and(|place| place.block_kind() == kind && self.packs.may_hold(&place)))
    }

    /// These blocks are on their way to the committer.
    pub(crate) fn queued(&self, blocks: &[NewBlock]) {
        let mut live = self.live();
        for (kind, digest) in blocks.iter().flat_map(NewBlock::blocks) {
            let fresh = live.fresh.entry(digest);
            fresh.or_insert(Fresh { kind, queued: 0, is_durable: false }).queued += 1;
        }
    }

    /// These blocks are no longer on their way; those that became durable stay until they are indexed.
    pub(crate) fn unqueued(&self, blocks: &[NewBlock]) {
        let mut live = self.live();
        for (_, digest) in blocks.iter().flat_map(NewBlock::blocks) {
            if let Some(fresh) = live.fresh.get_mut(&digest) {
                fresh.queued = fresh.queued.saturating_sub(1);
                if fresh.queued == 0 && !fresh.is_durable {
                    live.fresh.remove(&digest);
                }
            }
        }
    }

    /// A group became durable.
    pub(crate) fn committed(&self, heads: HashMap<MachineId, LastOf>, new: &HashSet<Digest>) {
        let mut live = self.live();
        live.heads.extend(heads);
        live.health = None;
        for digest in new {
            if let Some(fresh) = live.fresh.get_mut(digest) {
                fresh.is_durable = true;
            }
        }
    }

    /// A frame is in the index: readers may see it.
    pub(crate) fn indexed(&self, frame: &Frame, progress: &Progress) {
        self.is_indexed_now(frame);
        self.show(progress);
    }

    /// The blocks of a frame are found in the index from now on.
    pub(crate) fn is_indexed_now(&self, frame: &Frame) {
        let mut live = self.live();
        for (digest, _) in &frame.body.blocks {
            if let Some(fresh) = live.fresh.get_mut(digest) {
                fresh.is_durable = false;
                if fresh.queued == 0 {
                    live.fresh.remove(digest);
                }
            }
        }
    }

    /// Readers may see what the index has applied.
    pub(crate) fn show(&self, progress: &Progress) {
        self.blocks.store(progress.blocks, Ordering::Relaxed);
        self.unread.store(progress.unread, Ordering::Relaxed);
        self.tail.send_replace(progress.applied);
    }

    /// Answers one who waits.
    pub(crate) fn answer(&self, waiting: Waiting, answer: Result<Committed, CommitError>) {
        self.unqueued(&waiting.batch.blocks);
        drop(waiting.room);
        // Who no longer waits does not want to know.
        let _ = waiting.reply.send(answer);
    }
}
