//! The store as others see it: commit, and ask.

use crate::commit::{Committer, Job, Waiting};
use crate::disk::{Disk, RealDisk};
use crate::error::{CommitError, InstantError, OpenError, StoreError};
use crate::limits::{BATCH_BYTES_MAX, QUEUE_BYTES_MAX, SEAL_BYTES};
use crate::medium::IndexMedium;
use crate::read::ContentReader;
use crate::shared::Shared;
use crate::types::{
    At, Batch, Committed, Damage, DamagedPlace, Gap, GroupState, Health, LastOf, NodeVersion, Progress,
    Sizes, VerifyReport,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use vigie_model::{
    BlockKind, BytePath, Clock, Content, Digest, EdgeName, Instant, MachineId, NodeId, Origin, Record, Seq,
    SystemClock,
};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where journal and packs lie.
    pub disk: Arc<dyn Disk>,
    /// Gives the time at which records are received.
    pub clock: Arc<dyn Clock>,
    /// Where the index lies.
    pub index: IndexMedium,
    /// Length at which segments and packs are sealed, in bytes; [`SEAL_BYTES`] but in tests.
    pub seal_bytes: u64,
    /// Opens a store that may be damaged, and gives what is whole of it: nothing of its journal and packs is changed, and
    /// nothing is committed.
    pub read_only: bool,
}

impl Default for Options {
    /// This machine's disk and clock, and an index beside the journal.
    fn default() -> Self {
        Options {
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock::default()),
            index: IndexMedium::Fjall,
            seal_bytes: SEAL_BYTES,
            read_only: false,
        }
    }
}

/// A store that is open. Cheap to clone; every clone is the same store. Questions block on the disk for
/// moments, and are answered as of [`Store::tail`].
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    queue: Arc<Queue>,
}

/// The way to the committer. When the last handle goes, the committer ends.
#[derive(Debug)]
struct Queue {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
    }
}

impl Store {
    /// Bytes that one permit of the queue stands for: permits are counted in 32 bits.
    pub(crate) const ROOM_UNIT: usize = 1024;

    /// Opens the store in this directory, or makes one; the parent must exist. Nothing is committed
    /// before the [`Committer`] runs. Blocks; reads the last journal segment, and the whole journal when
    /// the index must be built anew.
    pub fn open(dir: &Path, options: Options) -> Result<(Store, Committer), OpenError> {
        crate::open::open(dir, options)
    }

    pub(crate) fn new(shared: Arc<Shared>, jobs: mpsc::Sender<Job>, room: Arc<Semaphore>) -> Self {
        let queue = Queue { jobs, room, shared: shared.clone() };
        Store { shared, queue: Arc::new(queue) }
    }

    /// Makes a batch durable. Waits while the queue is full. When this returns `Ok`, the batch survives
    /// every crash; after an error, none of it was taken. Dropping the future does not take the batch
    /// back: it may still become durable.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.commit_at(None, batch).await
    }

    /// As [`Self::commit`], and refuses with [`CommitError::Fenced`] when the first record would get
    /// another number than `expected`.
    pub(crate) async fn commit_at(
        &self,
        expected: Option<Seq>,
        batch: Batch,
    ) -> Result<Committed, CommitError> {
        let bytes = batch.bytes();
        if bytes > BATCH_BYTES_MAX {
            return Err(CommitError::TooLarge(bytes));
        }
        let permits = (bytes.min(QUEUE_BYTES_MAX) / Self::ROOM_UNIT) as u32;
        let room = self.queue.room.clone().acquire_many_owned(permits).await;
        let room = room.map_err(|_| CommitError::Closed)?;
        let place = self.queue.jobs.reserve().await.map_err(|_| CommitError::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.shared.queued(&batch.blocks);
        place.send(Job::Commit(Waiting { batch, expected, reply, room }));
        // The committer answers everyone; only its death leaves an answer out.
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// Ends the committer after what is queued: later commits are refused with [`CommitError::Closed`].
    /// Questions can still be asked. The index is durable when the committer has ended.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        // Where the queue is full, there is something in it to wake the committer.
        let _ = self.queue.jobs.try_send(Job::Wake);
    }

    /// Which of these blocks are in the store, or queued before this call. A list counts only when all
    /// that it names is there too.
    pub fn has(&self, digests: &[(BlockKind, Digest)]) -> Result<Vec<bool>, StoreError> {
        Ok(self.shared.has(digests)?)
    }

    /// The last record that is durable and can be read; changes as records come.
    pub fn tail(&self) -> watch::Receiver<Seq> {
        self.shared.tail.subscribe()
    }

    /// The last durable record of a machine, even if it cannot be read yet.
    pub fn last_of(&self, machine: MachineId) -> Result<Option<LastOf>, StoreError> {
        Ok(self.shared.head(machine))
    }

    /// Up to `limit` records from number `from` on, ascending, up to the tail.
    pub fn records(&self, from: Seq, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.shared.records(from, limit)
    }

    /// The `limit` records just before number `before`, ascending.
    pub fn records_before(&self, before: Seq, limit: usize) -> Result<Vec<Record>, StoreError> {
        let end = before.0.min(self.shared.tail().0.saturating_add(1));
        let from = end.saturating_sub(limit as u64).max(1);
        self.shared.records(Seq(from), end.saturating_sub(from) as usize)
    }

    /// The record that its machine gave this number, once it can be read.
    pub fn by_origin(&self, origin: &Origin) -> Result<Option<Record>, StoreError> {
        match self.shared.index.seq_of(origin)? {
            Some(seq) => Ok(self.shared.records(seq, 1)?.pop()),
            None => Ok(None),
        }
    }

    /// Every enrolled machine with its newest name, by id.
    pub fn machines(&self) -> Result<Vec<(MachineId, String)>, StoreError> {
        Ok(self.shared.index.machines()?)
    }

    /// The machine that bears this name now.
    pub fn machine_named(&self, name: &str) -> Result<Option<MachineId>, StoreError> {
        Ok(self.shared.index.machine_named(name)?)
    }

    /// What is recorded of each group of principal and secondaires, by name.
    pub fn groups(&self) -> Result<Vec<GroupState>, StoreError> {
        Ok(self.shared.index.groups()?)
    }

    /// How much there is.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            records: self.shared.tail().0,
            unread: self.shared.unread(),
            blocks: self.shared.blocks(),
            journal_bytes: self.shared.journal.bytes(),
            pack_bytes: self.shared.packs.bytes(),
            index_bytes: self.shared.index.kv().map_or(0, |kv| kv.bytes()),
        }
    }

    /// What was found damaged so far.
    pub fn found_damaged(&self) -> Damage {
        self.shared.packs.damage()
    }

    /// Whether commits are taken.
    pub fn health(&self) -> Health {
        match self.shared.health() {
            Health::Ok if self.shared.lacks_room_for(0) => Health::DiskFull,
            health => health,
        }
    }

    /// Finds an instant in the history of a machine, and says which gaps it lies in.
    pub fn resolve(&self, machine: MachineId, at: Instant) -> Result<At, InstantError> {
        self.shared.resolve(machine, at)
    }

    /// The roots of a machine, sorted by path.
    pub fn roots(&self, machine: MachineId, at: Seq) -> Result<Vec<(BytePath, NodeId)>, StoreError> {
        Ok(self.shared.index.roots(machine, at)?)
    }

    /// What a path leads to, found from the longest root that holds it. Directories above all roots are
    /// no nodes.
    pub fn lookup(&self, machine: MachineId, path: &BytePath, at: Seq) -> Result<Option<NodeId>, StoreError> {
        Ok(self.shared.index.lookup(machine, path, at)?)
    }

    /// The nodes on the way to a path: the outermost root that holds it, with its path, and from there name by name,
    /// as far as they lead. `None` when no root holds it.
    pub fn way(
        &self,
        machine: MachineId,
        path: &BytePath,
        at: Seq,
    ) -> Result<Option<(BytePath, Vec<NodeId>)>, StoreError> {
        Ok(self.shared.index.way(machine, path, at)?)
    }

    /// The state of a node.
    pub fn node(&self, machine: MachineId, node: NodeId, at: Seq) -> Result<Option<NodeVersion>, StoreError> {
        Ok(self.shared.index.node(machine, node, at)?)
    }

    /// The states of many nodes at an instant. `nodes` must be sorted; the answers are in their order.
    pub fn nodes(
        &self,
        machine: MachineId,
        nodes: &[NodeId],
        at: Seq,
    ) -> Result<Vec<Option<NodeVersion>>, StoreError> {
        Ok(self.shared.index.nodes(machine, nodes, at)?)
    }

    /// Up to `limit` entries of a directory, sorted by the bytes of their names, after the name `after`.
    pub fn children(
        &self,
        machine: MachineId,
        dir: NodeId,
        at: Seq,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(EdgeName, NodeId)>, StoreError> {
        Ok(self.shared.index.children(machine, dir, at, after, limit)?)
    }

    /// Directories and names that lead to a node, the newest first.
    pub fn names(
        &self,
        machine: MachineId,
        node: NodeId,
        at: Seq,
    ) -> Result<Vec<(NodeId, EdgeName)>, StoreError> {
        Ok(self.shared.index.names(machine, node, at)?)
    }

    /// A path that leads to a node, by its newest names; `None` when it can be reached from no root.
    pub fn path_of(&self, machine: MachineId, node: NodeId, at: Seq) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.shared.index.path_of(machine, node, at)?)
    }

    /// Numbers of the records that concern a path, ascending: every node that bore it, and the whole life
    /// of the node that bears it now, former names included.
    pub fn history(&self, machine: MachineId, path: &BytePath) -> Result<Vec<Seq>, StoreError> {
        Ok(self.shared.index.history(machine, path, self.shared.tail())?)
    }

    /// Numbers of the records about a group of principal and secondaires up to `last`, the newest first, until `take`
    /// wants no more of them.
    pub fn group_records(
        &self,
        group: &str,
        last: Seq,
        take: &mut dyn FnMut(Seq) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(self.shared.index.group_records(group, last, take)?)
    }

    /// The gaps of a machine, in the order in which they were opened.
    pub fn gaps(&self, machine: MachineId) -> Result<Vec<Gap>, StoreError> {
        Ok(self.shared.index.gaps(machine)?)
    }

    /// The bytes of a content, piece by piece.
    pub fn content(&self, content: &Content) -> ContentReader {
        ContentReader::new(self.shared.clone(), content)
    }

    /// Reads every frame of the journal and every block back, and says what is not as it was written. Takes
    /// as long as reading all packs takes; commits go on meanwhile, and are verified up to the tail of now.
    /// [`StoreError::Stopped`] once `progress` answers `false`.
    pub fn verify(&self, progress: &mut dyn FnMut(Progress) -> bool) -> Result<VerifyReport, StoreError> {
        crate::verify::verify(&self.shared, progress)
    }

    /// What was found missing of journal and packs when the store was opened: of the journal only where it is
    /// [`Options::read_only`]. Told in words.
    pub fn damage(&self) -> Vec<DamagedPlace> {
        let journal = self.shared.journal.damage().iter().map(DamagedPlace::from);
        journal.chain(self.shared.damage.iter().cloned()).collect()
    }

    /// What was wrong with the index when the store was opened, if anything was; it was built anew then.
    pub fn index_was_damaged(&self) -> Option<&'static str> {
        self.shared.alarm.at_open()
    }

    /// Rows of the tables of edges and of nodes, counted one by one: for tests of what a change writes.
    #[cfg(feature = "fakes")]
    pub fn tree_rows(&self) -> Result<(usize, usize), StoreError> {
        use crate::kv::{Order, Table};
        let kv = self.shared.index.kv()?;
        let count = |table| {
            let mut rows = 0;
            kv.range(table, &[], &[u8::MAX; 4], Order::Ascending, &mut |_, _| {
                rows += 1;
                std::ops::ControlFlow::Continue(())
            })?;
            Ok::<usize, StoreError>(rows)
        };
        Ok((count(Table::Edges)?, count(Table::Nodes)?))
    }
}
