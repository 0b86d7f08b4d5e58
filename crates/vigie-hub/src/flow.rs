//! What a session's frames become: batches for the store, in the order of the link.
//!
//! Blocks are verified on other threads while more frames arrive; here they come back in order, so a
//! content's record, which stands behind its last block, never overtakes it. Batches grow by themselves
//! when the store is slower than the link: whatever waits is taken together. When it is faster, a batch waits a
//! moment for the many blocks that were asked for: every commit costs two syncs, however little it holds.

use crate::cpu::Verifying;
use crate::gaps::OpenGaps;
use crate::room::{self, Taken};
use crate::session::{CreditLeft, Ended, Outgoing};
use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use vigie_model::{
    AgentRecord, BlockKind, BlockList, Content, Digest, FileEvent, Incarnation, MachineId, Origin,
    PayloadError, RecordNo, Seq,
};
use vigie_store::{Batch, CommitError, Committed, NewRecord, Store};
use vigie_wire::Frame;
use vigie_wire::frame::CloseCode;

/// What the link brought, and the room it takes until it is durable.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) what: What,
    pub(crate) room: Taken,
}

/// What the link brought, in its order.
#[derive(Debug)]
pub(crate) enum What {
    /// Blocks that are being verified, and the bytes of credit they cost.
    Blocks(Verifying),
    /// Records from this number on.
    Records(RecordNo, Vec<AgentRecord>),
}

/// Bytes of stored blocks and of records after which a batch is not made larger: about as much as a disk writes in the
/// time of a few syncs. With the largest item on top it is still far from what the store refuses.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records after which a batch is not made larger; the same reason.
const BATCH_RECORDS_MAX: usize = 2048;
/// Batches handed to the store and not yet durable: one being synced, one waiting, so that neither rests.
const IN_STORE_MAX: usize = 2;
/// Blocks on their way beyond which a batch waits for company, …
const EXPECTED_MIN: u64 = 64;
/// … until this long after the batch before it was submitted. A live change in between waits with it.
const PACE: Duration = Duration::from_millis(4);

/// The session's way to the store.
pub(crate) struct Flow {
    pub(crate) store: Store,
    pub(crate) machine: MachineId,
    pub(crate) incarnation: Incarnation,
    pub(crate) out: Outgoing,
    pub(crate) credit: Arc<CreditLeft>,
    /// Blocks that were asked for and have not come, or were not opened yet.
    pub(crate) expected: Arc<AtomicU64>,
    /// Tells who waits for it the last durable number and its place in the journal.
    pub(crate) durable: watch::Sender<(RecordNo, Seq)>,
}

/// A batch in the making, with what the agent gets back once it is durable.
#[derive(Default)]
struct Next {
    batch: Batch,
    fresh: HashSet<(BlockKind, Digest)>,
    /// Of stored blocks and payloads.
    bytes: usize,
    room: Taken,
    credit: Credit,
}

#[derive(Clone, Copy, Default)]
struct Credit {
    block_bytes: u64,
    records: u64,
    last: Option<RecordNo>,
}

type Committing = Pin<Box<dyn Future<Output = Result<Committed, CommitError>> + Send>>;

impl Flow {
    /// Runs until the link has nothing more to bring and everything it brought is durable.
    pub(crate) async fn run(self, items: mpsc::Receiver<Item>) -> Result<(), Ended> {
        let mut in_store = VecDeque::new();
        let result = self.carry(items, &mut in_store).await;
        // Also after a failure: what the store was given may yet become durable, and the next session of this
        // machine must not begin before that is decided.
        for (committing, _) in in_store {
            let _no_longer_told = committing.await;
        }
        result
    }

    async fn carry(
        &self,
        mut items: mpsc::Receiver<Item>,
        in_store: &mut VecDeque<(Committing, Credit)>,
    ) -> Result<(), Ended> {
        let mut open = true;
        let mut next = Next::default();
        let mut gaps = OpenGaps::default();
        let mut submitted = Instant::now();
        while open || !next.is_empty() || !in_store.is_empty() {
            let ready = !next.is_empty() && in_store.len() < IN_STORE_MAX;
            let company = open && !next.is_full() && self.expected.load(Ordering::Relaxed) >= EXPECTED_MIN;
            tokio::select! {
                biased;
                done = front(in_store) => {
                    let (committed, credit) = done;
                    self.acknowledge(committed.map_err(Ended::from)?, credit).await;
                }
                item = items.recv(), if open && !next.is_full() => match item {
                    None => open = false,
                    Some(Item { what, room }) => {
                        next.room.join(room);
                        match what {
                            What::Blocks(verifying) => self.take_blocks(verifying, &mut next).await?,
                            What::Records(first, records) => self.take_records(first, records, &mut next, &mut gaps)?,
                        }
                    }
                },
                () = until(company.then_some(submitted + PACE)), if ready => {
                    submitted = Instant::now();
                    in_store.push_back(self.submit(std::mem::take(&mut next)).await);
                }
            }
        }
        Ok(())
    }

    async fn take_blocks(&self, verifying: Verifying, next: &mut Next) -> Result<(), Ended> {
        let (blocks, cost) = verifying.finish().await?;
        next.credit.block_bytes += cost;
        for block in blocks {
            if let Some(list) = block.list() {
                self.check_children(&block.digest(), list, next)?;
            }
            next.bytes += block.stored().len();
            next.room.give_back(room::surplus(&block));
            let blocks = block.blocks().inspect(|_| self.one_came());
            next.fresh.extend(blocks);
            next.batch.blocks.push(block);
        }
        Ok(())
    }

    /// One less is expected, if any was.
    fn one_came(&self) {
        let less = |expected: u64| expected.checked_sub(1);
        let _none_left = self.expected.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// "Has this list" means "has everything below it", so a list is taken only behind its children.
    fn check_children(&self, digest: &Digest, list: &BlockList, next: &Next) -> Result<(), Ended> {
        let kind = if list.level == 0 { BlockKind::Data } else { BlockKind::List };
        let children: Vec<_> = list.entries.iter().map(|entry| (kind, entry.digest)).collect();
        match self.first_missing(&children, next)? {
            None => Ok(()),
            Some(child) => Err(Ended::violation(format!("list {digest} came before its child {child}"))),
        }
    }

    fn first_missing(&self, blocks: &[(BlockKind, Digest)], next: &Next) -> Result<Option<Digest>, Ended> {
        let asked: Vec<_> = blocks.iter().copied().filter(|block| !next.fresh.contains(block)).collect();
        let had = self.store.has(&asked).map_err(Ended::store)?;
        Ok(asked.iter().zip(had).find(|(_, had)| !had).map(|((_, digest), _)| *digest))
    }

    fn take_records(
        &self,
        first: RecordNo,
        records: Vec<AgentRecord>,
        next: &mut Next,
        gaps: &mut OpenGaps,
    ) -> Result<(), Ended> {
        for (i, fact) in records.into_iter().enumerate() {
            if fact.stream.is_of_the_hub() {
                let stream = fact.stream.0;
                return Err(Ended::violation(format!("stream {stream} is the hub's own, not an agent's")));
            }
            match FileEvent::decode(&fact) {
                Ok(FileEvent::Content(stored)) => self.check_content(&stored.content, next)?,
                Ok(event) => gaps.heard(&event, &self.store, self.machine)?,
                Err(PayloadError::Unknown { .. }) => {}
                Err(damaged) => return Err(Ended::violation(damaged.to_string())),
            }
            let n = RecordNo(first.0.saturating_add(i as u64));
            let origin = Origin { machine: self.machine, incarnation: self.incarnation, n };
            next.bytes += fact.payload.len();
            next.batch.records.push(NewRecord { origin, fact });
            next.credit.records += 1;
            next.credit.last = Some(n);
        }
        Ok(())
    }

    fn check_content(&self, content: &Content, next: &Next) -> Result<(), Ended> {
        let Some(root) = content.root_block() else { return Ok(()) };
        match self.first_missing(&[root], next)? {
            None => Ok(()),
            // Also when it was there when the agent asked: read anew, it will be sent.
            Some(missing) => Err(Ended::violation(format!(
                "content {missing} is not here: it was not sent, or has been found damaged since it was offered"
            ))),
        }
    }

    /// Hands the batch to the store and lets it take its place in the store's queue before anything else
    /// of this session can.
    async fn submit(&self, next: Next) -> (Committing, Credit) {
        let store = self.store.clone();
        let Next { batch, room, credit, .. } = next;
        let mut committing: Committing = Box::pin(async move {
            let committed = store.commit(batch).await;
            drop(room);
            committed
        });
        let mut early = None;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(done) = committing.as_mut().poll(cx) {
                early = Some(done);
            }
            Poll::Ready(())
        })
        .await;
        match early {
            Some(done) => (Box::pin(std::future::ready(done)), credit),
            None => (committing, credit),
        }
    }

    async fn acknowledge(&self, committed: Committed, credit: Credit) {
        if let Some(n) = credit.last {
            self.durable.send_replace((n, committed.last));
            self.out.send(Frame::Ack { n }).await;
        }
        if credit.block_bytes > 0 || credit.records > 0 {
            self.credit.block_bytes.fetch_add(credit.block_bytes, Ordering::Relaxed);
            self.credit.records.fetch_add(credit.records, Ordering::Relaxed);
            self.out.send(Frame::Credit { blocks: credit.block_bytes, records: credit.records }).await;
        }
    }
}

impl Next {
    fn is_empty(&self) -> bool {
        self.batch.blocks.is_empty() && self.batch.records.is_empty()
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES_MAX || self.batch.records.len() >= BATCH_RECORDS_MAX
    }
}

/// Waits until a time; not at all for `None`.
async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

/// The oldest batch in the store, once it is done; never, when there is none.
async fn front(in_store: &mut VecDeque<(Committing, Credit)>) -> (Result<Committed, CommitError>, Credit) {
    let Some((committing, _)) = in_store.front_mut() else {
        return std::future::pending().await;
    };
    let done = committing.await;
    let credit = in_store.pop_front().map(|(_, credit)| credit).unwrap_or_default();
    (done, credit)
}

impl From<CommitError> for Ended {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::DiskFull => Ended::closed(CloseCode::DiskFull, "the hub's disk is full"),
            other => Ended::store(other),
        }
    }
}
