//! The owner of the engine: turns it, passes on its facts, hands its reads to the readers.
//!
//! Order is kept by one rule: a file is handed to a reader only when every fact the engine had stated is in
//! the channel of facts, and the session empties that channel before it writes the record of a content. So a
//! content never comes before the name it belongs to.

use crate::ledger::{Entry, EntryId, Ledger};
use crate::parcel::ReadingId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use vigie_model::{AgentRecord, Clock, FileEvent, GapCause, KnownEdge, NodeId, Origin, UnixNanos};
use vigie_watch::{CookieId, Engine, Fact, ReadJob, ReadOutcome, StartError, Status};

/// Facts in one batch between capture and session.
const FACTS_PER_BATCH: usize = 512;
/// Batches that may wait for the session; behind them the engine's own outbox fills, and then it pauses.
pub(crate) const BATCHES_WAITING: usize = 8;
/// Reads that may wait for a reader.
pub(crate) const READS_WAITING: usize = 128;
/// Live files up to about this size have a way of their own to the hub, past everything larger.
pub(crate) const LIVE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Between two tries to begin a new incarnation: a root may be away for a while.
const RESTART_AGAIN: Duration = Duration::from_secs(5);

/// Makes an engine, at the start and when a new incarnation begins.
pub type MakeEngine = Box<dyn FnMut() -> Result<Engine, StartError> + Send>;

/// What the capture is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Some of what the hub has recorded; told when it was taken in, so that no more than a little waits.
    Learn { edges: Vec<KnownEdge>, taken: oneshot::Sender<()> },
    /// All of it was told: begin.
    Start { cause: GapCause, since: Option<UnixNanos> },
    /// Forget everything and wait to be taught: a new incarnation begins.
    Restart { generation: u64 },
    /// Readings came to their ends. The answers are, one by one, the records to send, where there is one.
    ReadsDone {
        outcomes: Vec<(Reading, ReadOutcome)>,
        reply: oneshot::Sender<Vec<Option<(AgentRecord, Entry)>>>,
    },
    /// What was written of these contents did not become durable.
    Requeue(Vec<NodeId>),
    /// Everything before now; the answer tells what must be written to the link for that.
    Flush(oneshot::Sender<Result<Barrier, String>>),
    /// How it does.
    Status(oneshot::Sender<Status>),
}

/// A file to read, with the names under which its parcels travel.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) id: ReadingId,
    pub(crate) generation: u64,
    pub(crate) job: ReadJob,
}

/// Facts in the order in which they must be written.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) generation: u64,
    pub(crate) facts: Vec<Stated>,
}

/// A fact, ready to be written.
#[derive(Debug)]
pub(crate) struct Stated {
    pub(crate) fact: AgentRecord,
    /// The node whose metadata it tells, and the newest content that was read by then: such a fact must not
    /// overtake a content of its node, because it says what is true after it, nor be overtaken by a later one.
    pub(crate) behind: Option<(NodeId, EntryId)>,
    /// The node that it creates, and the newest content that was read by then: what was read of a node before it was
    /// removed is not true of the one that is back.
    pub(crate) anew: Option<(NodeId, EntryId)>,
}

/// What has to be written before a flush is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Barrier {
    /// Facts passed on, all told.
    pub(crate) facts: u64,
    /// Contents read.
    pub(crate) entry: EntryId,
}

/// What the last stop left, to be read in place of the hub's tree.
pub(crate) struct Saved {
    /// The hub's last record by then.
    pub(crate) last: Origin,
    pub(crate) input: Box<dyn std::io::Read + Send>,
    /// Told whether it could be read.
    pub(crate) usable: oneshot::Sender<bool>,
}

/// Where the capture gets its orders and puts its results.
pub(crate) struct Ways {
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    /// Rung by the kernel's thread.
    pub(crate) bell: Arc<Notify>,
    pub(crate) facts: mpsc::Sender<Facts>,
    pub(crate) live: mpsc::Sender<Reading>,
    pub(crate) bulk: mpsc::Sender<Reading>,
    pub(crate) ledger: Ledger,
    /// Facts passed to the session, all told.
    pub(crate) facts_passed: Arc<AtomicU64>,
    pub(crate) stop: CancellationToken,
}

/// See the module.
pub(crate) struct Capture {
    make: MakeEngine,
    engine: Engine,
    clock: Arc<dyn Clock>,
    ways: Ways,
    generation: u64,
    started: bool,
    saved: Option<Saved>,
    next_reading: u64,
    flushes: BTreeMap<CookieId, Vec<FlushReply>>,
    /// Asked before there was anything to flush: the agent has not met its hub.
    early: Vec<FlushReply>,
}

type FlushReply = oneshot::Sender<Result<Barrier, String>>;

impl Capture {
    pub(crate) fn new(
        make: MakeEngine,
        engine: Engine,
        clock: Arc<dyn Clock>,
        ways: Ways,
        saved: Option<Saved>,
    ) -> Self {
        Capture {
            make,
            engine,
            clock,
            ways,
            generation: 0,
            started: false,
            saved,
            next_reading: 0,
            flushes: BTreeMap::new(),
            early: Vec::new(),
        }
    }

    /// Runs until it is stopped, then hands itself over: nothing changes it any more, and the session goes on
    /// meanwhile.
    pub(crate) async fn run(mut self, stopped: oneshot::Sender<Capture>) {
        self.read_snapshot();
        while !self.ways.stop.is_cancelled() {
            while let Ok(order) = self.ways.orders.try_recv() {
                self.obey(order).await;
            }
            let (busy, wake_at) = if self.started { self.turn() } else { (false, None) };
            if busy {
                tokio::task::yield_now().await;
            } else if let Some(order) = self.rest(wake_at).await {
                self.obey(order).await;
            }
        }
        if self.started {
            // What does not fit stays with the engine, which then leaves no snapshot.
            self.pass_facts();
        }
        let _nobody_asks = stopped.send(self);
    }

    /// Takes in what the last stop left, while the hub is not yet met.
    fn read_snapshot(&mut self) {
        let Some(Saved { last, mut input, usable }) = self.saved.take() else { return };
        let read = self.engine.read_snapshot(&last, &mut *input);
        if let Err(why) = &read {
            tracing::warn!("{why}: the hub will be asked for what it has");
        }
        let _agent_gone = usable.send(read.is_ok());
    }

    /// Once stopped: how many facts were passed to the session, all told.
    pub(crate) fn facts_passed(&self) -> u64 {
        self.ways.facts_passed.load(Ordering::Relaxed)
    }

    /// Once stopped, and once everything stated is recorded up to `last`: writes down what is known. `false`
    /// when it is not all recorded.
    pub(crate) fn write_snapshot(
        &mut self,
        generation: u64,
        last: &Origin,
        out: &mut dyn std::io::Write,
    ) -> std::io::Result<bool> {
        while let Ok(order) = self.ways.orders.try_recv() {
            match order {
                // Questions, and readings that nobody was told of.
                Order::Flush(_) | Order::Status(_) | Order::ReadsDone { .. } => {}
                Order::Requeue(nodes) => nodes.into_iter().for_each(|node| self.engine.requeue(node)),
                Order::Learn { .. } | Order::Start { .. } | Order::Restart { .. } => return Ok(false),
            }
        }
        if !self.started || self.generation != generation {
            return Ok(false);
        }
        self.engine.write_snapshot(last, out)
    }

    /// One turn of the engine. Says whether there is more to do at once, and when to come back.
    fn turn(&mut self) -> (bool, Option<Duration>) {
        let step = self.engine.step();
        let before = self.ways.facts_passed.load(Ordering::Relaxed);
        let all_passed = self.pass_facts();
        // Room that came about in the outbox is work for the engine, too.
        let mut handed = self.ways.facts_passed.load(Ordering::Relaxed) > before;
        if all_passed {
            handed |= self.hand_out_reads();
            self.answer_flushes();
        }
        // With the channel full, only the session can make the engine's work useful.
        ((step.busy || handed) && all_passed, step.wake_at)
    }

    /// Waits until there is something to do; gives the order, when it is one.
    async fn rest(&mut self, wake_at: Option<Duration>) -> Option<Order> {
        let wait = wake_at.map(|at| at.saturating_sub(self.clock.monotonic()));
        let facts_wait = self.started && self.ways.facts.capacity() == 0;
        let live_full = self.ways.live.capacity() == 0;
        let bulk_full = self.ways.bulk.capacity() == 0;
        tokio::select! {
            order = self.ways.orders.recv() => order,
            () = self.ways.stop.cancelled() => None,
            () = self.ways.bell.notified() => None,
            // Room came about, or the session is gone for good; either way the next turn finds out.
            _ = self.ways.facts.reserve(), if facts_wait => None,
            _ = self.ways.live.reserve(), if live_full => None,
            _ = self.ways.bulk.reserve(), if bulk_full => None,
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => None,
        }
    }

    /// Moves facts to the session; `true` when the engine has none left.
    fn pass_facts(&mut self) -> bool {
        loop {
            let Ok(room) = self.ways.facts.try_reserve() else { return false };
            let facts = self.engine.take(FACTS_PER_BATCH);
            if facts.is_empty() {
                return true;
            }
            self.ways.facts_passed.fetch_add(facts.len() as u64, Ordering::Relaxed);
            let newest = self.ways.ledger.newest();
            let facts = facts.into_iter().map(|fact| Stated::new(fact, newest)).collect();
            room.send(Facts { generation: self.generation, facts });
        }
    }

    /// Hands files to the readers; `true` when it handed out any.
    fn hand_out_reads(&mut self) -> bool {
        let mut any = false;
        while let Ok(room) = self.ways.live.try_reserve() {
            let Some(job) = self.engine.next_live_read(LIVE_BYTES_MAX) else { break };
            self.next_reading += 1;
            room.send(Reading { id: ReadingId(self.next_reading), generation: self.generation, job });
            any = true;
        }
        while let Ok(room) = self.ways.bulk.try_reserve() {
            let Some(job) = self.engine.next_read() else { break };
            self.next_reading += 1;
            room.send(Reading { id: ReadingId(self.next_reading), generation: self.generation, job });
            any = true;
        }
        any
    }

    fn answer_flushes(&mut self) {
        for cookie in self.engine.cookies_back() {
            for reply in self.flushes.remove(&cookie).unwrap_or_default() {
                let _asker_gone = reply.send(Ok(self.barrier()));
            }
        }
    }

    fn barrier(&self) -> Barrier {
        Barrier { facts: self.ways.facts_passed.load(Ordering::Relaxed), entry: self.ways.ledger.newest() }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Learn { edges, taken } => {
                edges.iter().for_each(|edge| self.engine.learn(edge));
                let _link_broke = taken.send(());
            }
            Order::Start { cause, since } => {
                self.engine.start(cause, since);
                self.started = true;
                std::mem::take(&mut self.early).into_iter().for_each(|reply| self.flush(reply));
            }
            Order::Restart { generation } => self.restart(generation).await,
            Order::ReadsDone { outcomes, reply } => {
                let stated = outcomes.into_iter().map(|(reading, outcome)| self.read_done(reading, outcome));
                let _reader_gone = reply.send(stated.collect());
            }
            Order::Requeue(nodes) => nodes.into_iter().for_each(|node| self.engine.requeue(node)),
            Order::Flush(reply) => self.flush(reply),
            Order::Status(reply) => {
                let _asker_gone = reply.send(self.engine.status());
            }
        }
    }

    fn read_done(&mut self, reading: Reading, outcome: ReadOutcome) -> Option<(AgentRecord, Entry)> {
        if reading.generation != self.generation {
            return None;
        }
        let node = reading.job.node;
        let fact = self.engine.read_done(reading.job, outcome)?;
        Some((fact.event.encode(fact.observed), self.ways.ledger.open(node)))
    }

    async fn restart(&mut self, generation: u64) {
        self.generation = generation;
        let started = std::mem::take(&mut self.started);
        self.early.extend(std::mem::take(&mut self.flushes).into_values().flatten());
        loop {
            match (self.make)() {
                Ok(engine) => self.engine = engine,
                Err(_) if !started => self.engine.unlearn(),
                // What the old engine knows must not be mixed with what the hub will tell.
                Err(why) => {
                    tracing::error!(
                        "a new incarnation cannot begin, and nothing is watched until it can: {why}"
                    );
                    tokio::select! {
                        () = tokio::time::sleep(RESTART_AGAIN) => continue,
                        () = self.ways.stop.cancelled() => {}
                    }
                }
            }
            return;
        }
    }

    fn flush(&mut self, reply: FlushReply) {
        if !self.started {
            // How long this may take is the asker's to say.
            self.early.retain(|reply| !reply.is_closed());
            self.early.push(reply);
            return;
        }
        match self.engine.cookie() {
            Ok(cookie) => self.flushes.entry(cookie).or_default().push(reply),
            Err(why) => {
                let _asker_gone = reply.send(Err(format!("cannot write a cookie: {why}")));
            }
        }
    }
}

impl Stated {
    fn new(fact: Fact, newest: EntryId) -> Self {
        let behind = match &fact.event {
            FileEvent::Metadata(changed) => Some((changed.node, newest)),
            _ => None,
        };
        let anew = match &fact.event {
            FileEvent::Created(created) => Some((created.node, newest)),
            _ => None,
        };
        Stated { fact: fact.event.encode(fact.observed), behind, anew }
    }
}
