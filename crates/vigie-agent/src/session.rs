//! One connection to the hub, from its welcome until it breaks.
//!
//! One loop does everything and never waits in the middle of anything, so that nothing urgent is ever stuck
//! behind something large: names go before contents, live contents before all others, frame by frame.

use crate::capture::{Facts, Order, Stated};
use crate::lanes::{Lanes, Outgoing, Way};
use crate::ledger::EntryId;
use crate::link::Shared;
use crate::numbers::{Numbers, Sent};
use crate::parcel::{Commit, Parcel};
use crate::serve;
use crate::window::Window;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use vigie_model::{AgentRecord, FileEvent, NodeId};
use vigie_role::notice::NOTICE;
use vigie_wire::frame::{Close, CloseCode, Records};
use vigie_wire::limits::{RECORDS_FRAME_BYTES_AIM, RECORDS_PER_FRAME_MAX};
use vigie_wire::{Calls, Frame, FrameReader, FrameWriter, Keepalive, Pulse, WireError, block_frames};

/// Records of contents that are gathered into one frame.
const CONTENTS_PER_FRAME: usize = 64;
/// Frames from the hub that may wait to be handled. All are small, and each answers something of ours.
const INCOMING_MAX: usize = 256;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// We were told to stop, and everything that was to be said was said.
    #[error("stopped")]
    Stopped,
    /// The hub ended it.
    #[error("the hub closed the connection: {}", .0.reason)]
    ByHub(Close),
    /// The hub hung up without a word.
    #[error("the hub closed the connection")]
    HungUp,
    /// The hub broke a rule of the protocol.
    #[error("the hub broke the protocol: {0}")]
    Violation(String),
    /// The link broke.
    #[error(transparent)]
    Link(#[from] WireError),
    /// Nothing was heard from the hub for too long.
    #[error("nothing was heard from the hub for too long")]
    Silent,
}

/// What outlives a session: made once, lent to each.
pub(crate) struct Sources {
    pub(crate) facts: mpsc::Receiver<Facts>,
    pub(crate) live: mpsc::UnboundedReceiver<Vec<Parcel>>,
    pub(crate) bulk: mpsc::UnboundedReceiver<Vec<Parcel>>,
    pub(crate) lanes: Lanes,
    pub(crate) numbers: Numbers,
    /// Facts that must be written before any other: an earlier link lost them, or a frame had no room.
    pub(crate) first: VecDeque<AgentRecord>,
    /// Facts about nodes of which a content is on its way: they go behind it.
    pub(crate) held: Vec<Stated>,
    /// The life of the capture whose facts and parcels count.
    pub(crate) generation: u64,
}

/// A session in progress.
pub(crate) struct Session<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) from: &'a mut Sources,
    pub(crate) writer: FrameWriter,
    pub(crate) calls: Calls,
    pub(crate) block_credit: u64,
    pub(crate) record_credit: u64,
    pub(crate) window: Window,
    /// The block that is being written, frame by frame.
    pub(crate) block: Option<Box<dyn Iterator<Item = Frame> + Send>>,
    /// Contents whose blocks are written, and whose records travel together.
    pub(crate) contents: Vec<Commit>,
    pub(crate) pulse: Keepalive,
    pub(crate) unflushed: bool,
    pub(crate) stop: CancellationToken,
}

impl Session<'_> {
    /// Runs until the link breaks or the agent stops.
    pub(crate) async fn run(mut self, reader: FrameReader) -> Ended {
        // An earlier link may have given up what held some facts back.
        self.release();
        let (frames_in, mut incoming) = mpsc::channel(INCOMING_MAX);
        let _reading = AbortOnDropHandle::new(tokio::spawn(read_frames(reader, frames_in)));
        let ended = loop {
            match self.turn(&mut incoming).await {
                Ok(()) => {}
                Err(ended) => break ended,
            }
        };
        self.shared.give_up(std::mem::take(&mut self.contents));
        let word = match &ended {
            Ended::Stopped => Some((CloseCode::Shutdown, "the agent stops".to_owned())),
            Ended::Violation(why) => Some((CloseCode::Protocol, why.clone())),
            Ended::Silent => Some((CloseCode::Idle, ended.to_string())),
            Ended::ByHub(_) | Ended::HungUp | Ended::Link(_) => None,
        };
        // The reader goes on meanwhile, so that the hub's last frames do not turn the last word into a reset.
        if let Some((code, reason)) = word {
            let _lost = self.writer.queue(&Frame::Close(Close { code, reason }));
            let _lost = self.writer.close().await;
        }
        drop(incoming);
        ended
    }

    async fn turn(&mut self, incoming: &mut mpsc::Receiver<Result<Frame, Ended>>) -> Result<(), Ended> {
        let wait = self.until_pulse()?;
        let room = self.writer.queued_bytes() < self.window.queue_bytes();
        if room && self.write_something()? {
            return Ok(());
        }
        tokio::select! {
            biased;
            frame = incoming.recv() => match frame {
                Some(Ok(frame)) => self.take(frame),
                Some(Err(ended)) => Err(ended),
                None => Err(Ended::HungUp),
            },
            frame = self.calls.next_frame() => self.queue(&frame),
            batch = self.from.facts.recv(), if room && self.from.first.is_empty() => match batch {
                Some(batch) => {
                    self.take_facts(batch);
                    Ok(())
                }
                None => Err(Ended::Stopped),
            },
            Some(parcels) = self.from.live.recv() => {
                self.take_parcels(Way::Live, parcels);
                Ok(())
            }
            Some(parcels) = self.from.bulk.recv() => {
                self.take_parcels(Way::Bulk, parcels);
                Ok(())
            }
            () = self.from.lanes.packed() => Ok(()),
            flushed = self.writer.flush(), if self.unflushed => {
                self.unflushed = false;
                Ok(flushed?)
            }
            () = self.stop.cancelled() => Err(Ended::Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    /// Asks a silent hub whether it is there. Gives how long to wait before looking again.
    fn until_pulse(&mut self) -> Result<Duration, Ended> {
        loop {
            let now = self.shared.clock.monotonic();
            match self.pulse.poll(now) {
                Pulse::Wait(until) => return Ok(until.saturating_sub(now)),
                Pulse::Ping => self.queue(&Frame::Ping { token: 0 })?,
                Pulse::Dead => return Err(Ended::Silent),
            }
        }
    }

    fn queue(&mut self, frame: &Frame) -> Result<(), Ended> {
        self.unflushed = true;
        Ok(self.writer.queue(frame)?)
    }

    /// Queues the most urgent thing there is; `false` when there is nothing that may be written now.
    fn write_something(&mut self) -> Result<bool, Ended> {
        // Whatever waits is looked at first: what has just come may be more urgent than what is at hand.
        while self.from.first.is_empty() {
            let Ok(batch) = self.from.facts.try_recv() else { break };
            self.take_facts(batch);
        }
        if self.write_facts()? {
            return Ok(true);
        }
        while let Ok(parcels) = self.from.live.try_recv() {
            self.take_parcels(Way::Live, parcels);
        }
        if let Some(offer) = self.from.lanes.next_offer() {
            self.queue(&Frame::Offer(offer))?;
            return Ok(true);
        }
        if let Some(frame) = self.block.as_mut().and_then(Iterator::next) {
            self.queue(&frame)?;
            return Ok(true);
        }
        self.block = None;
        if self.write_next(Way::Live)? || self.write_next(Way::Bulk)? {
            return Ok(true);
        }
        self.write_contents()
    }

    fn write_facts(&mut self) -> Result<bool, Ended> {
        let room = usize::try_from(self.record_credit).unwrap_or(usize::MAX).min(RECORDS_PER_FRAME_MAX);
        let bytes = usize::try_from(self.window.room()).unwrap_or(usize::MAX).min(RECORDS_FRAME_BYTES_AIM);
        let mut records = Vec::new();
        let mut weight = 0;
        while records.len() < room && weight < bytes {
            let Some(fact) = self.from.first.pop_front() else { break };
            let fact = self.as_it_is(fact);
            weight += Records::weight(&fact);
            records.push(fact);
        }
        if records.is_empty() {
            return Ok(false);
        }
        let sent = records.iter().map(|fact| Sent::Fact(fact.clone())).collect();
        self.write_records(records, sent)?;
        let waiting = (self.from.first.len() + self.from.held.len()) as u64;
        let taken = self.shared.facts_taken.load(std::sync::atomic::Ordering::Relaxed);
        self.shared.written.send_modify(|written| written.facts = taken.saturating_sub(waiting));
        Ok(true)
    }

    /// A fact as it may be written now: of a file whose content was given up meanwhile, it says that there is more to
    /// come.
    fn as_it_is(&self, fact: AgentRecord) -> AgentRecord {
        if !self.shared.ledger.owes_any() {
            return fact;
        }
        match FileEvent::decode(&fact) {
            Ok(FileEvent::Metadata(mut changed)) if self.shared.ledger.owes(changed.node) => {
                changed.pending = true;
                FileEvent::Metadata(changed).encode(fact.observed)
            }
            _ => fact,
        }
    }

    /// Writes the next block or record of a lane, if there is credit for it.
    fn write_next(&mut self, way: Way) -> Result<bool, Ended> {
        let may_write = match self.from.lanes.next_cost(way) {
            None => false,
            Some(0) => self.may_write_content(),
            // More than the whole credit is never asked: a block is far smaller.
            Some(cost) => cost <= self.block_credit && (way == Way::Live || self.window.has_room(cost)),
        };
        if !may_write {
            return Ok(false);
        }
        match self.from.lanes.next(way) {
            None => Ok(false),
            Some(Outgoing::Block(block)) => {
                let cost = block.stored.len() as u64;
                self.block_credit -= cost;
                self.window.wrote_block(cost, self.shared.clock.monotonic());
                let frames = block_frames(block.head, block.stored)
                    .map_err(|e| Ended::Violation(format!("this agent made a block too large: {e}")))?;
                self.block = Some(Box::new(frames));
                Ok(true)
            }
            Some(Outgoing::Content(commit)) if !self.shared.ledger.may_write(commit.entry) => {
                self.shared.ledger.close(commit.entry);
                self.release();
                Ok(true)
            }
            Some(Outgoing::Content(commit)) => {
                let again = self.contents.iter().any(|earlier| earlier.node == commit.node);
                if again || self.contents.len() >= CONTENTS_PER_FRAME {
                    self.write_contents()?;
                }
                // Facts that were stated before this content was read go first, whatever else held them back.
                let facts_go_first = self.release_before(&commit);
                self.contents.push(commit);
                if way == Way::Live && !again && !facts_go_first {
                    self.write_contents()?;
                }
                Ok(true)
            }
        }
    }

    /// Whether one more record of a content may be gathered: none may overtake a fact that was stated before it.
    fn may_write_content(&self) -> bool {
        self.from.first.is_empty() && self.record_credit > self.contents.len() as u64
    }

    /// Writes the records of contents whose blocks are written, once no fact waits that was stated before.
    fn write_contents(&mut self) -> Result<bool, Ended> {
        let facts_wait = !self.from.first.is_empty();
        if facts_wait || self.contents.is_empty() || self.record_credit < self.contents.len() as u64 {
            return Ok(false);
        }
        let contents = std::mem::take(&mut self.contents);
        let records: Vec<AgentRecord> = contents.iter().map(|commit| commit.fact.clone()).collect();
        let sent =
            contents.iter().map(|c| Sent::Content { node: c.node, observed: c.fact.observed }).collect();
        self.write_records(records, sent)?;
        for commit in contents {
            self.shared.ledger.paid(commit.node);
            self.shared.ledger.close(commit.entry);
        }
        self.release();
        Ok(true)
    }

    fn write_records(&mut self, records: Vec<AgentRecord>, sent: Vec<Sent>) -> Result<(), Ended> {
        let first_n = self.from.numbers.last().next();
        self.record_credit -= records.len() as u64;
        let weight = records.iter().map(Records::weight).sum::<usize>();
        self.window.wrote_records(records.len() as u64, weight as u64, self.shared.clock.monotonic());
        for sent in sent {
            self.from.numbers.assign(sent);
        }
        self.queue(&Frame::Records(Records { first_n, records }))?;
        self.shared.note_numbers(&self.from.numbers);
        Ok(())
    }

    fn take_facts(&mut self, batch: Facts) {
        let count = batch.facts.len() as u64;
        self.shared.facts_taken.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        if batch.generation == self.from.generation {
            for stated in batch.facts {
                if let Some((node, newest)) = stated.anew {
                    self.outdate(node, newest);
                }
                self.from.held.push(stated);
            }
            self.release();
        }
    }

    /// Gives up what is still to be written of a node that was removed and is back: the fact that creates it anew
    /// goes before all of it, and its file is read anew.
    fn outdate(&mut self, node: NodeId, newest: EntryId) {
        self.shared.ledger.outdate(node, newest);
        self.from.held.retain(|stated| stated.behind.is_none_or(|(of, _)| of != node));
        for commit in self.contents.extract_if(.., |commit| commit.node == node) {
            self.shared.ledger.close(commit.entry);
        }
    }

    /// Lets go of the facts that nothing holds up any more.
    fn release(&mut self) {
        let ledger = &self.shared.ledger;
        let holds =
            |stated: &mut Stated| stated.behind.is_some_and(|(node, entry)| ledger.is_open(node, entry));
        let free = self.from.held.extract_if(.., |stated| !holds(stated));
        self.from.first.extend(free.map(|stated| stated.fact));
    }

    /// Lets go of the facts about a content's node that are older than the content; `true` when facts
    /// wait to be written.
    fn release_before(&mut self, commit: &Commit) -> bool {
        let older = |stated: &mut Stated| {
            stated.behind.is_some_and(|(node, entry)| node == commit.node && commit.entry.is_after(entry))
        };
        let free = self.from.held.extract_if(.., older);
        self.from.first.extend(free.map(|stated| stated.fact));
        !self.from.first.is_empty()
    }

    fn take_parcels(&mut self, way: Way, parcels: Vec<Parcel>) {
        parcels.into_iter().for_each(|parcel| self.take_parcel(way, parcel));
    }

    fn take_parcel(&mut self, way: Way, parcel: Parcel) {
        // Order holds per node: a change whose predecessor is still in the slow lane queues up behind it.
        let follows = parcel.commit.as_ref().is_some_and(|commit| self.shared.ledger.has_older(commit.entry));
        let way = if follows && parcel.alone { Way::Bulk } else { way };
        let abandoned = if parcel.generation == self.from.generation {
            self.from.lanes.push(way, parcel)
        } else {
            parcel.commit
        };
        if let Some(commit) = abandoned {
            self.shared.give_up(vec![commit]);
            self.release();
        }
    }

    fn take(&mut self, frame: Frame) -> Result<(), Ended> {
        self.pulse.heard(self.shared.clock.monotonic());
        match frame {
            Frame::Ack { n } => {
                self.from.numbers.acknowledge(n).map_err(|e| Ended::Violation(e.to_string()))?;
                self.shared.note_numbers(&self.from.numbers);
                Ok(())
            }
            Frame::Credit { blocks, records } => {
                self.block_credit = self.block_credit.saturating_add(blocks);
                self.window.became_durable(blocks, records, self.shared.clock.monotonic());
                self.record_credit = self.record_credit.saturating_add(records);
                Ok(())
            }
            Frame::Need(need) => self.from.lanes.answer(&need).map_err(Ended::Violation),
            Frame::Ping { token } => self.queue(&Frame::Pong { token }),
            Frame::Notice(notice) if notice.name == NOTICE => {
                // A later hub may say what this version does not know: it goes on without.
                if let Err(why) = self.shared.roles.heard(&notice.body) {
                    tracing::warn!("{why}");
                }
                Ok(())
            }
            Frame::Pong { .. } | Frame::Notice(_) => Ok(()),
            Frame::Close(close) => Err(Ended::ByHub(close)),
            other => {
                let call = self.calls.take(other).map_err(|other| {
                    Ended::Violation(format!("{} is not a frame for an agent", other.kind().name()))
                })?;
                if let Some(call) = call {
                    serve::spawn(self.shared.clone(), call);
                }
                Ok(())
            }
        }
    }
}

impl Shared {
    /// These contents will not be written: their files must be read again.
    pub(crate) fn give_up(&self, commits: Vec<Commit>) {
        if commits.is_empty() {
            return;
        }
        self.read_again(commits.iter().map(|commit| commit.node).collect());
        commits.into_iter().for_each(|commit| self.ledger.close(commit.entry));
    }

    /// What was written of these files' contents is lost.
    pub(crate) fn read_again(&self, nodes: Vec<NodeId>) {
        nodes.iter().for_each(|node| self.ledger.owe(*node));
        let _ending = self.orders.send(Order::Requeue(nodes));
    }

    /// Asks the capture something.
    pub(crate) async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).ok()?;
        answer.await.ok()
    }
}

/// Reads on its own, so that a hub is always listened to, whatever the loop is doing.
async fn read_frames(mut reader: FrameReader, frames: mpsc::Sender<Result<Frame, Ended>>) {
    loop {
        let next = match reader.next().await {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(Ended::HungUp),
            // The link works: what came over it is no frame, and the hub is told.
            Err(WireError::Frame(why)) => Err(Ended::Violation(why.to_string())),
            Err(why) => Err(Ended::Link(why)),
        };
        let over = next.is_err();
        if frames.send(next).await.is_err() || over {
            return;
        }
    }
}
