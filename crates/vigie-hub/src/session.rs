//! One session: from a link to an enrolled machine until that link is gone and everything it brought is
//! durable.
//!
//! ```text
//!            ┌─ intake ── items ──▶ flow ──▶ store      (this file · flow.rs)
//! link in ───┤
//! link out ◀─┴─ writer ◀─┬─ Outgoing ◀─ acks, credits, needs, notices
//!                        └─ calls ◀──── requests, and replies of any length
//! ```

use crate::flow::{Flow, Item};
use crate::hub::Hub;
use crate::intake::{Intake, Unverified};
use crate::room::Room;
use crate::serve::Turn;
use crate::sessions::{Claim, Open, Place};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use vigie_model::{Incarnation, RecordNo, Seq, UnixNanos};
use vigie_store::{Health, Store};
use vigie_wire::frame::{Close, CloseCode, Hello, LastRecord, Refuse, RefuseCode, Versions, Welcome};
use vigie_wire::limits::{CLOSE_TIME_MAX, HANDSHAKE_TIME_MAX};
use vigie_wire::{
    BUNDLES, BlockAssembler, Caller, Calls, FEATURES, Frame, FrameReader, FrameWriter, Keepalive, Link,
    MachineCard, WireError, farewell,
};

/// Bytes of stored blocks that an agent may have under way. Enough to keep a gigabit busy over 30 ms;
/// little enough that a live change behind them waits a few milliseconds.
pub(crate) const BLOCK_CREDIT: u64 = 4 * 1024 * 1024;
/// Records that an agent may have under way.
pub(crate) const RECORD_CREDIT: u64 = 8192;
/// Frames that may wait for the writer. Every one is small, and each answers something the agent sent.
const OUTGOING_MAX: usize = 256;
/// Frames of calls that may wait for the writer: parts of a reply may be long, and everything else overtakes them.
const CALL_FRAMES_MAX: usize = 1;
/// Items between intake and store; each is at most one frame of records or a few blocks. What they may weigh together is
/// another bound: see `room`.
const ITEMS_MAX: usize = 64;

/// Why a session ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The agent ended it, with or without a word.
    ByPeer(Option<Close>),
    /// We end it, and say why.
    ByUs(Close),
    /// The link broke.
    Link(WireError),
}

impl Ended {
    pub(crate) fn closed(code: CloseCode, reason: impl Into<String>) -> Self {
        Ended::ByUs(Close { code, reason: reason.into() })
    }

    /// The agent did what no honest agent does.
    pub(crate) fn violation(reason: impl Into<String>) -> Self {
        Self::closed(CloseCode::Protocol, reason)
    }

    /// The store failed.
    pub(crate) fn store(error: impl std::fmt::Display) -> Self {
        Self::closed(CloseCode::Fault, format!("the hub's store failed: {error}"))
    }

    /// Something that should not happen on this side.
    pub(crate) fn internal(reason: impl Into<String>) -> Self {
        Self::closed(CloseCode::Fault, reason)
    }
}

impl From<WireError> for Ended {
    fn from(error: WireError) -> Self {
        match error {
            // The link works: what came over it is no frame, and whoever sent it is told.
            WireError::Frame(why) => Self::violation(why.to_string()),
            broken => Ended::Link(broken),
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::ByPeer(Some(close)) => write!(f, "the agent closed it: {}", close.reason),
            Ended::ByPeer(None) => write!(f, "the agent closed it"),
            Ended::ByUs(close) => write!(f, "{}", close.reason),
            Ended::Link(error) => write!(f, "{error}"),
        }
    }
}

/// The way to the writer of a session. What is sent into a session that has ended is dropped: why it ended
/// is told elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    frames: mpsc::Sender<Frame>,
    /// Cancelled when the session must end: from then on nothing waits for an agent that does not read.
    over: CancellationToken,
}

impl Outgoing {
    /// Sends a frame, waiting for room as long as the session goes on.
    pub(crate) async fn send(&self, frame: Frame) {
        tokio::select! {
            biased;
            _ended = self.frames.send(frame) => {}
            () = self.over.cancelled() => {}
        }
    }

    /// Sends a frame if there is room at once.
    pub(crate) fn try_send(&self, frame: Frame) -> bool {
        self.frames.try_send(frame).is_ok()
    }
}

/// What others may do with a live session.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    /// To ask the agent.
    pub(crate) caller: Caller,
    /// Life of the agent that this session carries.
    pub(crate) incarnation: Incarnation,
    /// Its last durable number, and that record's place in the journal.
    pub(crate) durable: watch::Receiver<(RecordNo, Seq)>,
}

impl Handle {
    /// Whether anything of this session is durable.
    pub(crate) fn has_told(&self) -> bool {
        self.durable.borrow().1 > Seq(0)
    }
}

/// Credit granted and not yet used.
#[derive(Debug, Default)]
pub(crate) struct CreditLeft {
    pub(crate) block_bytes: AtomicU64,
    pub(crate) records: AtomicU64,
}

/// Runs a session to its end, and says in the log how it ended.
pub(crate) async fn run(hub: Hub, link: Link, card: MachineCard) {
    let remote = link.remote();
    let (mut reader, writer) = link.split();
    let greeting = greet(&hub, &mut reader, &card).await;
    let (hello, place) = match greeting {
        Ok(greeted) => greeted,
        Err(Greeting::Refused(refuse)) => {
            tracing::warn!(machine = card.name, ?remote, "refused: {}", refuse.reason);
            let _lost = farewell(reader, writer, Some(Frame::Refuse(refuse))).await;
            return;
        }
        Err(Greeting::Link(why)) => {
            tracing::warn!(machine = card.name, ?remote, "no session: {why}");
            return;
        }
    };
    tracing::info!(machine = card.name, ?remote, software = hello.software, "connected");
    let ended = live(&hub, reader, writer, &card, &hello, place, remote).await;
    tracing::info!(machine = card.name, "session ended: {ended}");
}

enum Greeting {
    Refused(Refuse),
    Link(WireError),
}

async fn greet(hub: &Hub, reader: &mut FrameReader, card: &MachineCard) -> Result<(Hello, Place), Greeting> {
    let refuse = |code, reason: String| Greeting::Refused(Refuse { code, reason });
    let first = tokio::select! {
        () = hub.stopping().cancelled() => {
            return Err(refuse(RefuseCode::Unavailable, "the hub stops".into()));
        }
        first = reader.next_within(HANDSHAKE_TIME_MAX) => first.map_err(|why| match why {
            WireError::Frame(why) => refuse(RefuseCode::Malformed, why.to_string()),
            broken => Greeting::Link(broken),
        })?,
    };
    let Some(Frame::Hello(hello)) = first else {
        return Err(refuse(RefuseCode::Malformed, "the first frame must be Hello".into()));
    };
    if Versions::OURS.common(hello.versions).is_none() {
        let (ours, theirs) = (Versions::OURS, hello.versions);
        return Err(refuse(RefuseCode::Version, format!("the hub speaks {ours:?}, the agent {theirs:?}")));
    }
    match hub.store().health() {
        // Commits are durable even while the index lags behind; and whether a full disk has room again shows
        // only when something is written to it.
        Health::Ok | Health::IndexStalled(_) | Health::DiskFull => {}
        Health::Poisoned(why) => {
            return Err(refuse(RefuseCode::Unavailable, format!("the hub's store has failed: {why}")));
        }
    }
    match hub.sessions().claim(card.id, hello.instance).await {
        Claim::Granted(place) => Ok((hello, place)),
        Claim::Conflict { address } => {
            let at = address.map_or(String::new(), |a| format!(" at {a}"));
            let reason = format!("another agent with this machine's certificate is connected{at}");
            Err(refuse(RefuseCode::InstanceConflict, reason))
        }
    }
}

async fn live(
    hub: &Hub,
    mut reader: FrameReader,
    writer: FrameWriter,
    card: &MachineCard,
    hello: &Hello,
    place: Place,
    remote: Option<std::net::SocketAddr>,
) -> Ended {
    // The place is held: no other session of this machine can write, so this is the last word.
    let last = match last_record(hub.store(), card) {
        Ok(last) => last,
        Err(ended) => return ended,
    };
    let (out, frames) = mpsc::channel(OUTGOING_MAX);
    let out = Outgoing { frames: out, over: place.stop().clone() };
    let (call_frames, calls_out) = mpsc::channel(CALL_FRAMES_MAX);
    let writing = tokio::spawn(write_frames(writer, frames, calls_out));
    let features: Vec<String> =
        hello.features.iter().filter(|name| FEATURES.contains(&name.as_str())).cloned().collect();
    let bundles = features.iter().any(|name| name == BUNDLES);
    out.send(Frame::Welcome(Welcome {
        version: Versions::OURS.max,
        features,
        hub: hub.machine(),
        last,
        block_credit: BLOCK_CREDIT,
        record_credit: RECORD_CREDIT,
    }))
    .await;

    let expected = last.filter(|last| last.incarnation == hello.incarnation).map_or(RecordNo(0), |l| l.n);
    let (durable_tx, durable) = watch::channel((expected, Seq(0)));
    let credit = Arc::new(CreditLeft {
        block_bytes: AtomicU64::new(BLOCK_CREDIT),
        records: AtomicU64::new(RECORD_CREDIT),
    });
    let calls = Calls::new();
    place.open(Open {
        handle: Handle { caller: calls.caller(), incarnation: hello.incarnation, durable },
        address: remote,
        software: hello.software.clone(),
        since: hub.clock().wall(),
        goes_on: false,
    });

    let (items, incoming) = mpsc::channel::<Item>(ITEMS_MAX);
    let asked = Arc::new(AtomicU64::new(0));
    let flow = Flow {
        store: hub.store().clone(),
        machine: card.id,
        incarnation: hello.incarnation,
        out: out.clone(),
        credit: Arc::clone(&credit),
        expected: Arc::clone(&asked),
        durable: durable_tx,
    };
    let seat = hub.roles().connected(card.id, out.clone()).await;
    let intake = Intake {
        hub: hub.clone(),
        card: card.clone(),
        seat,
        calls,
        call_frames,
        turn: Turn::new(),
        out: out.clone(),
        credit,
        asked,
        items,
        room: Room::new(),
        bundles,
        next: expected.next(),
        stop: place.stop().clone(),
        assembler: BlockAssembler::new(),
        unverified: Unverified::default(),
        pulse: Keepalive::new(hub.clock().monotonic()),
    };
    let ended = both(intake, &mut reader, flow, incoming).await;

    let close = match &ended {
        Ended::ByUs(close) => Some(close.clone()),
        Ended::ByPeer(_) | Ended::Link(_) => None,
    };
    let silence = i64::try_from(reader.silent_for().as_nanos()).unwrap_or(i64::MAX);
    place.heard(UnixNanos(hub.clock().wall().0.saturating_sub(silence)));
    drop(place);
    drop(out);
    // An agent that no longer reads is not waited for.
    let writing = tokio::time::timeout(CLOSE_TIME_MAX, AbortOnDropHandle::new(writing)).await;
    if let Ok(Ok(Some(writer))) = writing {
        let _lost = farewell(reader, writer, close.map(Frame::Close)).await;
    }
    ended
}

/// Intake and flow together. When the intake ends, the flow still finishes what it was given; when the flow
/// ends first, it failed, and nothing more can be taken in.
async fn both(intake: Intake, reader: &mut FrameReader, flow: Flow, incoming: mpsc::Receiver<Item>) -> Ended {
    let over = intake.stop.clone();
    let flowing = flow.run(incoming);
    tokio::pin!(flowing);
    let taking = intake.run(reader);
    tokio::pin!(taking);
    tokio::select! {
        biased;
        flowed = &mut flowing => match flowed {
            Err(ended) => ended,
            Ok(()) => Ended::internal("the way to the store ended early"),
        },
        ended = &mut taking => {
            // What is still to become durable is acknowledged as far as there is room for it.
            over.cancel();
            match flowing.await {
                Err(failed) => failed,
                Ok(()) => ended,
            }
        }
    }
}

fn last_record(store: &Store, card: &MachineCard) -> Result<Option<LastRecord>, Ended> {
    let last = store.last_of(card.id).map_err(Ended::store)?;
    Ok(last.map(|l| LastRecord { incarnation: l.incarnation, n: l.n, observed: l.observed }))
}

/// Writes frames until nobody can send one any more, and gives the writer back for a last word, if it still
/// works. Frames of calls go when nothing else waits. Flushes when nothing at all does, so that small frames that
/// belong together travel together.
async fn write_frames(
    mut writer: FrameWriter,
    mut frames: mpsc::Receiver<Frame>,
    mut calls: mpsc::Receiver<Frame>,
) -> Option<FrameWriter> {
    loop {
        let frame = match frames.try_recv().or_else(|_| calls.try_recv()) {
            Ok(frame) => frame,
            Err(_) => {
                if let Err(why) = writer.flush().await {
                    tracing::debug!("writing to the agent: {why}");
                    return None;
                }
                tokio::select! {
                    biased;
                    Some(frame) = frames.recv() => frame,
                    Some(frame) = calls.recv() => frame,
                    else => return Some(writer),
                }
            }
        };
        if let Err(why) = writer.send(&frame).await {
            tracing::debug!("writing to the agent: {why}");
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::What;
    use crate::room::Taken;
    use std::sync::atomic::Ordering;
    use vigie_model::bundle::BundleBuilder;
    use vigie_model::{BlockKind, Digest, MachineId, StoredKind};
    use vigie_wire::frame::{BlockHead, Reply};
    use vigie_wire::{Peer, WireBlock, memory_pair};

    #[tokio::test]
    async fn what_is_urgent_overtakes_a_long_reply() {
        let (ours, theirs, _cut) = memory_pair(Peer::Unenrolled, Peer::Hub { hub: MachineId::default() });
        let ((_reader, writer), (mut agent, _writer)) = (ours.split(), theirs.split());
        let (out, frames) = mpsc::channel(OUTGOING_MAX);
        let (call_frames, calls) = mpsc::channel(CALL_FRAMES_MAX);
        let writing = tokio::spawn(write_frames(writer, frames, calls));
        // Each is more than the link holds while nobody reads, so the second one waits for its turn.
        let part = |id| Frame::Reply(Reply { id, more: true, result: Ok(vec![7; 1 << 20].into()) });
        call_frames.send(part(1)).await.unwrap();
        call_frames.send(part(2)).await.unwrap();
        out.send(Frame::Pong { token: 3 }).await.unwrap();
        drop((out, call_frames));
        let mut came = Vec::new();
        while let Ok(Some(frame)) = agent.next().await {
            came.push(match frame {
                Frame::Reply(reply) => reply.id,
                Frame::Pong { token } => token,
                other => panic!("{other:?}"),
            });
            if came.len() == 3 {
                break;
            }
        }
        assert_eq!(came, [1, 3, 2]);
        assert!(writing.await.unwrap().is_some());
    }

    fn in_bundle(raws: &[&[u8]]) -> WireBlock {
        let mut builder = BundleBuilder::default();
        raws.iter().for_each(|raw| builder.push(Digest::of_data(raw), raw));
        let (digest, stored) = builder.finish();
        let (kind, raw_len, stored_len) = (StoredKind::Bundle, stored.len() as u32, stored.len() as u32);
        WireBlock { head: BlockHead { digest, kind, codec: 0, raw_len, stored_len }, stored }
    }

    /// A batch waits for what is expected: a count that never came back to nothing would slow down the session.
    #[tokio::test]
    async fn what_came_in_bundles_is_expected_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let (store, committer) = Store::open(dir.path(), vigie_store::Options::default()).unwrap();
        let committing = tokio::spawn(committer.run());
        let (frames, _written) = mpsc::channel(OUTGOING_MAX);
        let asked = Arc::new(AtomicU64::new(5));
        let flow = Flow {
            store: store.clone(),
            machine: MachineId([1; 16]),
            incarnation: Incarnation(1),
            out: Outgoing { frames, over: CancellationToken::new() },
            credit: Arc::default(),
            expected: Arc::clone(&asked),
            durable: watch::Sender::new((RecordNo(0), Seq(0))),
        };
        let (items, incoming) = mpsc::channel(ITEMS_MAX);
        // The same file twice was asked for twice.
        for blocks in [in_bundle(&[b"one", b"two"]), in_bundle(&[b"three", b"four", b"three"])] {
            let what = What::Blocks(crate::Cpu::Inline.verify(vec![blocks]));
            items.send(Item { what, room: Taken::default() }).await.unwrap();
        }
        drop(items);
        flow.run(incoming).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        assert_eq!(store.has(&[(BlockKind::Data, Digest::of_data(b"four"))]).unwrap(), [true]);
        store.close();
        drop(store);
        committing.await.unwrap();
    }
}
