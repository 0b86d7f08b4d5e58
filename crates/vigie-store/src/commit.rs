//! The committer: takes batches from a bounded queue, makes as many as wait durable with one pair of
//! syncs, acknowledges them, and hands them to the index. Two forms of the same loop: on threads, where
//! the index may run behind, and as one task without threads, for simulations.

use crate::body::Place;
use crate::compress::decompress;
use crate::error::CommitError;
use crate::group::Group;
use crate::indexer::Indexer;
use crate::journal::{Frame, JournalWriter};
use crate::limits::{GROUP_BLOCK_BYTES_MAX, GROUP_PAYLOAD_BYTES_MAX, GROUP_RECORDS_MAX, INDEX_BEHIND_MAX};
use crate::new_block::NewBlock;
use crate::pack::PackWriter;
use crate::shared::Shared;
use crate::types::{Batch, Committed, Health};
use crate::write_error::WriteError;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use vigie_model::bundle::Part;
use vigie_model::{Digest, Incarnation, MachineId, Seq, StoredKind, UnixNanos};

/// What waits in the queue.
#[derive(Debug)]
pub(crate) enum Job {
    /// A batch, and who waits for it.
    Commit(Waiting),
    /// Nothing: it is time to see that the store is closing, or its index damaged.
    Wake,
}

/// A batch in the queue.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub batch: Batch,
    /// Number its first record must get, if that matters.
    pub expected: Option<Seq>,
    pub reply: oneshot::Sender<Result<Committed, CommitError>>,
    /// Its room in the queue, free again when it is answered.
    pub room: OwnedSemaphorePermit,
}

/// The one writer of a store. Nothing is committed until it runs.
#[derive(Debug)]
pub struct Committer {
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) writer: Writer,
    pub(crate) indexer: Indexer,
}

impl Committer {
    /// Runs on a thread of its own, with a second one for the index. Both end, the index made durable and
    /// marked so, when the store is closed or its last handle is dropped.
    pub fn spawn_thread(self) -> std::io::Result<JoinHandle<()>> {
        let Committer { mut jobs, mut writer, mut indexer } = self;
        let (to_index, work) = std::sync::mpsc::sync_channel::<Work>(INDEX_BEHIND_MAX);
        let index = std::thread::Builder::new().name("vigie-index".into()).spawn(move || {
            for one in work {
                match one {
                    Work::Apply(frame) => indexer.apply(frame),
                    Work::Rebuild => indexer.rebuild(),
                }
            }
            indexer.finish();
        })?;
        std::thread::Builder::new().name("vigie-commit".into()).spawn(move || {
            while let Some(first) = jobs.blocking_recv() {
                let group = gather(first, &mut jobs, &writer.shared.closing);
                if let Some(frame) = writer.commit(group) {
                    // Only a panic of the index thread ends it before this one; the join below tells.
                    let _ = to_index.send(Work::Apply(frame));
                }
                if writer.shared.alarm.take_call() {
                    let _ = to_index.send(Work::Rebuild);
                }
            }
            drop(to_index);
            if index.join().is_err() {
                tracing::error!("the thread of the index panicked");
            }
        })
    }

    /// Runs as a task, index included, without threads and without any wait but that for a batch: the same
    /// batches in the same order give the same bytes, which simulations need. It blocks on the disk.
    pub async fn run(self) {
        let Committer { mut jobs, mut writer, mut indexer } = self;
        while let Some(first) = jobs.recv().await {
            let group = gather(first, &mut jobs, &writer.shared.closing);
            if let Some(frame) = writer.commit(group) {
                indexer.apply(frame);
            }
            if writer.shared.alarm.take_call() {
                indexer.rebuild();
            }
        }
        indexer.finish();
    }
}

/// What the thread of the index has to do.
enum Work {
    Apply(Frame),
    Rebuild,
}

/// Takes what waits, up to the bounds of a group; the last one may go past them.
fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>, closing: &AtomicBool) -> Vec<Waiting> {
    if closing.load(Ordering::Relaxed) {
        jobs.close(); // What is queued is still taken.
    }
    let (mut blocks, mut payloads, mut records) = (0, 0, 0);
    let mut group = Vec::new();
    let mut next = Some(first);
    while let Some(job) = next {
        match job {
            Job::Wake => {}
            Job::Commit(waiting) => {
                blocks += waiting.batch.blocks.iter().map(|b| b.stored().len()).sum::<usize>();
                payloads += waiting.batch.records.iter().map(|r| r.fact.payload.len()).sum::<usize>();
                records += waiting.batch.records.len();
                group.push(waiting);
            }
        }
        let is_full = blocks >= GROUP_BLOCK_BYTES_MAX
            || payloads >= GROUP_PAYLOAD_BYTES_MAX
            || records >= GROUP_RECORDS_MAX;
        next = if is_full { None } else { jobs.try_recv().ok() };
    }
    group
}

/// Makes groups of batches durable.
#[derive(Debug)]
pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub journal: JournalWriter,
    pub packs: PackWriter,
    /// When the last frame was received.
    pub received: UnixNanos,
    /// Every incarnation a machine ever had.
    pub incarnations: HashMap<MachineId, HashSet<Incarnation>>,
}

impl Writer {
    /// Makes all that can be taken of a group durable and answers everyone; gives the frame for the index.
    pub(crate) fn commit(&mut self, waiting: Vec<Waiting>) -> Option<Frame> {
        if let Health::Poisoned(why) = self.shared.health() {
            for one in waiting {
                self.shared.answer(one, Err(CommitError::Poisoned(why.clone())));
            }
            return None;
        }
        let mut group = Group::new(&self.shared, &self.incarnations, self.journal.next());
        for one in waiting {
            group.take(one);
        }
        let Group { accepted, new, ends, .. } = group;
        if accepted.is_empty() {
            return None;
        }
        let written = self.write(&accepted, &new);
        let failure = match written {
            Ok(frame) => {
                for (machine, incarnation) in ends.begun {
                    self.incarnations.entry(machine).or_default().insert(incarnation);
                }
                self.shared.committed(ends.heads, &new);
                for (one, committed) in accepted {
                    self.shared.answer(one, Ok(committed));
                }
                return frame;
            }
            Err(WriteError::Full) => {
                self.shared.set_health(Health::DiskFull);
                CommitError::DiskFull
            }
            Err(WriteError::Doubt(why)) => {
                tracing::error!(%why, "the store takes no more commits until it is opened again");
                self.shared.set_health(Health::Poisoned(why.clone()));
                CommitError::Poisoned(why)
            }
        };
        for (one, _) in accepted {
            self.shared.answer(one, Err(failure.clone()));
        }
        None
    }

    /// Blocks first, then the frame that names them. `None` when there is nothing new to write.
    fn write(
        &mut self,
        accepted: &[(Waiting, Committed)],
        new: &HashSet<Digest>,
    ) -> Result<Option<Frame>, WriteError> {
        let mut blocks: Vec<Cow<'_, NewBlock>> = Vec::with_capacity(new.len());
        let mut seen = HashSet::with_capacity(new.len());
        // What of each is new: all of it, but for a bundle.
        let mut named = Vec::with_capacity(new.len());
        for block in accepted.iter().flat_map(|(one, _)| &one.batch.blocks) {
            let part = |at: usize| block.parts().get(at).map(|(_, part)| *part);
            let fresh = block.blocks().enumerate();
            let fresh = fresh.filter(|(_, (_, digest))| new.contains(digest) && seen.insert(*digest));
            let fresh: Vec<_> = fresh.map(|(at, (_, digest))| (digest, part(at))).collect();
            if let Some(alone) = apart(block, &fresh) {
                for block in alone {
                    named.push((blocks.len(), block.digest(), None));
                    blocks.push(Cow::Owned(block));
                }
            } else if !fresh.is_empty() {
                named.extend(fresh.into_iter().map(|(digest, part)| (blocks.len(), digest, part)));
                blocks.push(Cow::Borrowed(block));
            }
        }
        let mut body = crate::body::Body::default();
        for record in accepted.iter().flat_map(|(one, _)| &one.batch.records) {
            body.push(record.origin, record.fact.clone());
        }
        if blocks.is_empty() && body.runs.is_empty() {
            return Ok(None);
        }
        self.check_room(accepted)?;
        body.received = self.received.max(self.shared.clock.wall());
        let appended = match blocks.is_empty() {
            true => None,
            false => Some(self.packs.append(&blocks)?),
        };
        if let Some(appended) = &appended {
            let placed = named.into_iter().map(|(at, digest, part)| {
                let place = appended.places[at];
                (digest, Place { part, ..place })
            });
            body.blocks = placed.collect();
        }
        let received = body.received;
        match self.journal.append(body) {
            Ok(frame) => {
                if let Some(appended) = &appended {
                    self.packs.keep(appended);
                }
                self.received = received;
                Ok(Some(frame))
            }
            Err(WriteError::Full) => {
                self.packs.undo()?;
                Err(WriteError::Full)
            }
            Err(doubt) => Err(doubt),
        }
    }

    /// Refuses a commit that would take the last room, before anything is written: the index needs some,
    /// and it cannot recover from a full disk as easily as the journal can.
    fn check_room(&self, accepted: &[(Waiting, Committed)]) -> Result<(), WriteError> {
        let need: usize = accepted.iter().map(|(one, _)| one.batch.bytes()).sum();
        if self.shared.lacks_room_for(need as u64) { Err(WriteError::Full) } else { Ok(()) }
    }
}

/// The blocks of a bundle one by one, when most of it is in the store already: whole, it would take that room again.
fn apart(bundle: &NewBlock, fresh: &[(Digest, Option<Part>)]) -> Option<Vec<NewBlock>> {
    let bytes: usize = fresh.iter().filter_map(|(_, part)| *part).map(|part| part.len as usize).sum();
    if bundle.kind() != StoredKind::Bundle || bytes * 2 >= bundle.raw_len() as usize {
        return None;
    }
    let raw = decompress(bundle.codec(), bundle.raw_len(), bundle.stored()).ok()?;
    let alone =
        |(digest, part): &(Digest, Option<Part>)| Some(NewBlock::of_bundle(*digest, (*part)?.of(&raw)?));
    fresh.iter().map(alone).collect()
}
