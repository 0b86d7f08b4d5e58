//! The agent's side of the connection: finds the hub, agrees with it where to go on, teaches the capture what
//! the hub has, and does it all again whenever the link breaks.

use crate::capture::Order;
use crate::dial::Dial;
use crate::ledger::Ledger;
use crate::numbers::{Numbers, Resume};
use crate::roles::Roles;
use crate::session::{Ended, Session, Sources};
use crate::window::Window;
use bytes::Bytes;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use vigie_model::status::LinkStatus;
use vigie_model::{Clock, GapCause, Incarnation, KnownEdge, RecordNo, UnixNanos};
use vigie_wire::frame::{Hello, InstanceId, Refuse, Versions, Welcome};
use vigie_wire::limits::HANDSHAKE_TIME_MAX;
use vigie_wire::{
    BUNDLES, Backoff, Caller, Calls, FEATURES, Frame, FrameReader, FrameWriter, Keepalive, Link, TREE,
};

/// How long a hub may take to tell its whole tree. A million nodes take some seconds.
const TREE_WITHIN: Duration = Duration::from_secs(3600);

/// A session that lasted this long was a good one, even when nothing happened in it.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// What the link side of an agent shares with whoever asks about it.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) inner: Arc<SharedInner>,
}

impl std::ops::Deref for Shared {
    type Target = SharedInner;

    fn deref(&self) -> &SharedInner {
        &self.inner
    }
}

pub(crate) struct SharedInner {
    pub(crate) name: String,
    pub(crate) hub: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) ledger: Ledger,
    /// Facts that the capture passed on.
    pub(crate) facts_passed: Arc<AtomicU64>,
    /// Of these, what the session took over.
    pub(crate) facts_taken: AtomicU64,
    pub(crate) written: watch::Sender<Written>,
    pub(crate) link: Mutex<LinkStatus>,
    pub(crate) roles: Roles,
}

/// How far the writing to the link is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// Sessions so far.
    pub(crate) sessions: u64,
    /// The current life.
    pub(crate) incarnation: Incarnation,
    /// Facts written, of those that the capture passed on.
    pub(crate) facts: u64,
    /// Number of the last record written.
    pub(crate) last: RecordNo,
    /// Records written and not known to be durable.
    pub(crate) unacknowledged: u64,
    /// When the oldest of them was observed.
    pub(crate) oldest: Option<UnixNanos>,
}

impl Written {
    /// The last number known to be durable.
    pub(crate) fn durable(&self) -> u64 {
        self.last.0.saturating_sub(self.unacknowledged)
    }
}

impl SharedInner {
    /// Notes how far the writing is, for whoever waits for it.
    pub(crate) fn note_numbers(&self, numbers: &Numbers) {
        self.written.send_modify(|written| {
            written.incarnation = numbers.incarnation();
            written.last = numbers.last();
            written.unacknowledged = numbers.unacknowledged() as u64;
            written.oldest = numbers.oldest();
        });
    }

    /// Notes how the connection does, for `status` and, when it changes, for the log.
    fn note(&self, state: &str, why: Option<String>) {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if link.state == state && link.why == why {
            return;
        }
        match &why {
            Some(why) => tracing::warn!(hub = self.hub, "{why}"),
            None => tracing::info!(hub = self.hub, "{state}"),
        }
        *link = LinkStatus { state: state.into(), since_unix_ns: self.clock.wall().0, why };
    }
}

/// The link side of an agent.
pub(crate) struct LinkSide {
    pub(crate) shared: Shared,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) sources: Sources,
    pub(crate) boot: [u8; 16],
    pub(crate) stop: CancellationToken,
    /// Whether the capture knows all that the hub had.
    pub(crate) taught: Arc<watch::Sender<bool>>,
    /// Why the capture, once taught, has a gap.
    pub(crate) cause: GapCause,
    /// What the last stop left, until the hub was met.
    pub(crate) known: Option<Known>,
}

/// What the capture may know without being told.
pub(crate) struct Known {
    /// The hub's last record when it was left.
    pub(crate) last: (Incarnation, RecordNo),
    /// Whether the capture could read it.
    pub(crate) usable: oneshot::Receiver<bool>,
}

/// What became of one attempt.
enum Attempt {
    /// There was a session.
    Session(Ended),
    /// There was none.
    Failed {
        state: &'static str,
        why: String,
    },
    /// The hub's numbers do not fit ours: connect again under a new incarnation.
    Again,
    Stopped,
}

impl LinkSide {
    /// Connects and reconnects until told to stop. Gives back what a clean stop has to look at and remember.
    pub(crate) async fn run(mut self) -> Sources {
        let instance = InstanceId(random_bytes());
        let mut backoff = Backoff::new();
        let stop = self.stop.clone();
        loop {
            match self.attempt(instance, &mut backoff).await {
                Attempt::Stopped | Attempt::Session(Ended::Stopped) => return self.sources,
                Attempt::Again => continue,
                Attempt::Session(ended) => {
                    self.shared.note("connecting", Some(format!("lost the hub: {ended}")));
                }
                Attempt::Failed { state, why } => self.shared.note(state, Some(why)),
            }
            let lost = self.sources.lanes.reset();
            self.shared.give_up(lost);
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.sources,
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }

    async fn attempt(&mut self, instance: InstanceId, backoff: &mut Backoff) -> Attempt {
        let hello = Hello {
            versions: Versions::OURS,
            features: FEATURES.map(String::from).into(),
            instance,
            incarnation: self.sources.numbers.incarnation(),
            software: concat!("vigie ", env!("CARGO_PKG_VERSION")).into(),
            boot: self.boot,
        };
        let met = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Attempt::Stopped,
            met = meet(&*self.dial, hello) => met,
        };
        let (reader, writer, welcome) = match met {
            Ok(met) => met,
            Err(failed) => return failed,
        };
        if !self.resume(&welcome) {
            return Attempt::Again;
        }
        self.shared.note("connected", None);
        let began = self.shared.clock.monotonic();
        let durable = self.sources.numbers.durable();
        self.sources.lanes.bundle(welcome.features.iter().any(|name| name == BUNDLES));
        let ended = self.session(reader, writer, &welcome).await;
        // A hub that lets us in and can take nothing, for want of room, is not to be asked ten times a second.
        let lasted = self.shared.clock.monotonic().saturating_sub(began);
        if self.sources.numbers.durable() > durable || lasted > LONG_ENOUGH {
            backoff.reset();
        }
        Attempt::Session(ended)
    }

    /// Agrees on where to go on; `false` when a new incarnation has to begin.
    fn resume(&mut self, welcome: &Welcome) -> bool {
        let last = welcome.last.map(|last| (last.incarnation, last.n));
        match self.sources.numbers.resume(last) {
            Resume::Continue { facts, contents } => {
                for fact in facts.into_iter().rev() {
                    self.sources.first.push_front(fact);
                }
                if !contents.is_empty() {
                    self.shared.read_again(contents);
                }
                true
            }
            Resume::Mismatch => {
                tracing::warn!("the hub lacks records that it had acknowledged: comparing everything anew");
                self.new_incarnation();
                false
            }
        }
    }

    fn new_incarnation(&mut self) {
        let sources = &mut self.sources;
        sources.generation += 1;
        sources.numbers = Numbers::new(Incarnation(random_u64()), RecordNo(0));
        sources.first.clear();
        sources.held.clear();
        let lost = sources.lanes.clear();
        self.shared.give_up(lost);
        self.shared.ledger.owe_nothing();
        let _ending = self.shared.orders.send(Order::Restart { generation: sources.generation });
        self.taught.send_replace(false);
        (self.cause, self.known) = (GapCause::NumbersDiffer, None);
    }

    async fn session(&mut self, reader: FrameReader, writer: FrameWriter, welcome: &Welcome) -> Ended {
        let calls = Calls::new();
        let stop = self.stop.clone();
        // From here on nothing but the session itself may end the session: a hub that was met is told why.
        let _teaching = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            teaching = self.teach(calls.caller(), welcome) => teaching,
        };
        let attending = Arc::clone(&self.dial);
        let caller = calls.caller();
        let _attending = AbortOnDropHandle::new(tokio::spawn(async move { attending.attend(caller).await }));
        self.shared.roles.connected(&calls.caller()).await;
        self.shared.written.send_modify(|written| written.sessions += 1);
        // What became durable without our hearing of it counts from here on.
        self.shared.note_numbers(&self.sources.numbers);
        let session = Session {
            shared: &self.shared,
            from: &mut self.sources,
            writer,
            calls,
            block_credit: welcome.block_credit,
            record_credit: welcome.record_credit,
            window: Window::new(),
            block: None,
            contents: Vec::new(),
            pulse: Keepalive::new(self.shared.clock.monotonic()),
            unflushed: false,
            stop,
        };
        let ended = session.run(reader).await;
        self.shared.roles.disconnected().await;
        ended
    }

    /// Has the hub tell what it has of this machine, unless that is known.
    async fn teach(&mut self, caller: Caller, welcome: &Welcome) -> Option<AbortOnDropHandle<()>> {
        if *self.taught.borrow() {
            return None;
        }
        let start = Order::Start { cause: self.cause, since: welcome.last.map(|last| last.observed) };
        if self.is_known(welcome).await {
            self.taught.send_replace(true);
            let _ending = self.shared.orders.send(start);
            return None;
        }
        let (shared, taught, generation) =
            (self.shared.clone(), Arc::clone(&self.taught), self.sources.generation);
        Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut waits = Backoff::new();
            loop {
                // Whatever an earlier, broken telling left behind is forgotten.
                let _ending = shared.orders.send(Order::Restart { generation });
                match learn(&shared, &caller).await {
                    Ok(()) => break,
                    // It may be building its index anew. Nothing is recorded until it tells, and the link may hold for
                    // months.
                    Err(why) => tracing::warn!("the hub did not tell what it has; it is asked again: {why}"),
                }
                tokio::time::sleep(waits.next_wait()).await;
            }
            taught.send_replace(true);
            let _ending = shared.orders.send(start);
        })))
    }

    /// Whether the capture knows already what the hub has: the last stop left it, and nothing came since.
    async fn is_known(&mut self, welcome: &Welcome) -> bool {
        let Some(known) = self.known.take() else { return false };
        if welcome.last.map(|last| (last.incarnation, last.n)) != Some(known.last) {
            tracing::warn!("the hub's last record is not that of the last stop: asking for what it has");
            return false;
        }
        known.usable.await == Ok(true)
    }
}

/// Finds the hub, and is let in.
async fn meet(dial: &dyn Dial, hello: Hello) -> Result<(FrameReader, FrameWriter, Welcome), Attempt> {
    match dial.dial().await {
        Ok(link) => greet(link, hello).await,
        Err(why) => Err(Attempt::Failed { state: "connecting", why: why.to_string() }),
    }
}

async fn greet(link: Link, hello: Hello) -> Result<(FrameReader, FrameWriter, Welcome), Attempt> {
    let failed = |why: String| Attempt::Failed { state: "connecting", why };
    let (mut reader, mut writer) = link.split();
    let answer = async {
        writer.queue(&Frame::Hello(hello))?;
        writer.flush().await?;
        reader.next_within(HANDSHAKE_TIME_MAX).await
    };
    match answer.await {
        Ok(Some(Frame::Welcome(welcome))) => Ok((reader, writer, welcome)),
        Ok(Some(Frame::Refuse(Refuse { reason, .. }))) => {
            let why = format!("the hub refused this machine: {reason}");
            Err(Attempt::Failed { state: "refused", why })
        }
        Ok(Some(other)) => {
            Err(failed(format!("the hub answered with {} instead of a welcome", other.kind().name())))
        }
        Ok(None) => Err(failed("the hub hung up instead of a welcome".into())),
        Err(why) => Err(failed(format!("no welcome from the hub: {why}"))),
    }
}

async fn learn(shared: &Shared, caller: &Caller) -> Result<(), String> {
    let mut parts = caller.request(TREE, Bytes::new(), TREE_WITHIN).map_err(|e| e.to_string())?;
    let mut before: Option<oneshot::Receiver<()>> = None;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|e| e.to_string())?;
        let mut decoder = minicbor::Decoder::new(&part);
        let mut edges = Vec::new();
        while decoder.position() < part.len() {
            edges.push(decoder.decode::<KnownEdge>().map_err(|e| e.to_string())?);
        }
        // One part is taken in while the next is decoded: a tree has no end of them.
        if let Some(before) = before.take() {
            before.await.map_err(|_| "the agent stops")?;
        }
        let (taken, is_taken) = oneshot::channel();
        shared.orders.send(Order::Learn { edges, taken }).map_err(|_| "the agent stops")?;
        before = Some(is_taken);
    }
    Ok(())
}

/// Random bytes. Without them two lives could be taken for one, so a system that has none is not served.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

pub(crate) fn random_u64() -> u64 {
    u64::from_le_bytes(random_bytes())
}
