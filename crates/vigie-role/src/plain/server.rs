//! The server of plain lines: one group, `fast`, whose members are connections. One task owns the engine; every
//! client has a small task of its own, so none of them can hold up another, or the engine.

mod client;

use super::line::Said;
use super::socket;
use crate::epoch_file::{EpochDir, EpochFileError};
use crate::group::{Action, Ended, Fact, Group};
use crate::limits::{ACCEPT_PAUSE, CLIENT_QUEUE_LINES, EVENT_QUEUE, KEEPALIVE_IDLE};
use crate::message::{FromMember, Join, ToMember};
use crate::words::{BootId, Cause, Conn, Mode, Role, Settings, Stamp};
use client::{Client, FromClient, Gone};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vigie_model::{Clock, Epoch};

/// What a server is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it keeps the epoch. Without it epochs begin at 1 with every start.
    pub state: Option<PathBuf>,
    /// How often clients that said `vigie/1` are asked whether they live, and after what silence TCP asks the
    /// others' machines.
    pub heartbeat: Option<Duration>,
    /// Clients beyond this many are turned away.
    pub clients_max: usize,
}

/// Why a server cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The epoch cannot be kept. Nobody is granted anything any more.
    #[error(transparent)]
    Epoch(#[from] EpochFileError),
    /// The thread that wrote the epoch ended without an answer.
    #[error("the epoch was not written: {0}")]
    Writer(String),
}

/// What a server has to tell its operator.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A client has a role, for the first time or another one.
    Role {
        /// The client.
        client: SocketAddr,
        /// Its role.
        role: Role,
        /// Its epoch as principal, else the highest there is.
        epoch: Epoch,
        /// Why.
        cause: Cause,
        /// How long nobody was principal, if this ends such a span.
        vacant: Option<Duration>,
    },
    /// A client is gone.
    Gone {
        /// The client.
        client: SocketAddr,
        /// Whether it was principal.
        was_principal: bool,
        /// Why, in a few words.
        why: String,
    },
    /// So many notices found no room.
    Missed(u64),
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    config: Config,
    state: Option<EpochDir>,
}

impl Server {
    /// Opens the state and listens.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn bind(config: Config) -> Result<Self, ServeError> {
        let state = config.state.as_deref().map(EpochDir::open).transpose()?;
        let address = config.listen;
        let listener = socket::listen(address).map_err(|source| ServeError::Listen { address, source })?;
        Ok(Server { listener, config, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.config.listen)
    }

    /// Serves until told to stop, then closes every connection.
    ///
    /// # Errors
    /// When the epoch can no longer be made durable: a server that cannot grant safely ends.
    pub async fn run(
        self,
        clock: &dyn Clock,
        notices: mpsc::Sender<Notice>,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        let stop = stop.child_token();
        let tasks = TaskTracker::new();
        let (accepted, incoming) = mpsc::channel(1);
        tasks.spawn(accept(self.listener, accepted, stop.clone()));
        let (inbox, events) = mpsc::channel(EVENT_QUEUE);
        let settings = Settings { mode: Mode::Fast, ..Settings::default() };
        let highest = self.state.as_ref().map_or(Epoch(0), EpochDir::highest);
        let mut desk = Desk {
            group: Group::resumed(settings, highest, Cause::First),
            clock,
            config: self.config,
            state: State::from(self.state),
            seats: HashMap::new(),
            next: 0,
            inbox,
            notices: Notices { to: notices, missed: 0 },
            tasks: tasks.clone(),
            stop: stop.clone(),
            vacant: None,
        };
        let ended = desk.run(incoming, events).await;
        stop.cancel();
        drop(desk);
        tasks.close();
        tasks.wait().await;
        ended
    }
}

/// Takes connections in the order in which they came.
async fn accept(listener: TcpListener, to: mpsc::Sender<(TcpStream, SocketAddr)>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(connection) => {
                if to.send(connection).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What the engine's task knows of a client.
#[derive(Debug)]
struct Seat {
    address: SocketAddr,
    /// What waits to be written to it; none any more once it let that queue fill up.
    lines: Option<mpsc::Sender<Said>>,
    /// It said `vigie/1`.
    long: bool,
    /// What it is, in the long form.
    is: Option<(Role, Epoch, Cause)>,
}

/// Where the epoch is kept.
#[derive(Debug)]
enum State {
    /// Nowhere.
    Memory,
    /// In a directory that is not being written.
    Idle(EpochDir),
    /// A thread writes it.
    Writing(Epoch, JoinHandle<Result<EpochDir, EpochFileError>>),
}

impl From<Option<EpochDir>> for State {
    fn from(dir: Option<EpochDir>) -> Self {
        dir.map_or(State::Memory, State::Idle)
    }
}

impl State {
    /// The epoch that became durable; never, while none is written.
    async fn written(&mut self) -> Result<Epoch, ServeError> {
        let State::Writing(epoch, writing) = self else { return std::future::pending().await };
        let epoch = *epoch;
        let dir = writing.await.map_err(|e| ServeError::Writer(e.to_string()))??;
        *self = State::Idle(dir);
        Ok(epoch)
    }
}

/// Tells the operator, as far as the operator keeps up: roles do not wait for a terminal.
#[derive(Debug)]
struct Notices {
    to: mpsc::Sender<Notice>,
    missed: u64,
}

impl Notices {
    fn tell(&mut self, notice: Notice) {
        if self.missed > 0 && self.to.try_send(Notice::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        if self.missed > 0 || self.to.try_send(notice).is_err() {
            self.missed += 1;
        }
    }
}

/// The one task that owns the engine.
struct Desk<'a> {
    group: Group<u64>,
    clock: &'a dyn Clock,
    config: Config,
    state: State,
    seats: HashMap<u64, Seat>,
    next: u64,
    inbox: mpsc::Sender<FromClient>,
    notices: Notices,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// The end of the last term, until the next one begins.
    vacant: Option<Ended<u64>>,
}

impl Desk<'_> {
    async fn run(
        &mut self,
        mut incoming: mpsc::Receiver<(TcpStream, SocketAddr)>,
        mut events: mpsc::Receiver<FromClient>,
    ) -> Result<(), ServeError> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                Some((stream, address)) = incoming.recv() => self.welcome(stream, address),
                Some(event) = events.recv() => self.heard(event),
                written = self.state.written() => {
                    let actions = self.group.persisted(self.clock.monotonic(), written?);
                    self.act(actions);
                }
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream, address: SocketAddr) {
        if self.seats.len() >= self.config.clients_max {
            tracing::warn!(client = %address, most = self.config.clients_max, "turned away: there are as many clients as there may be");
            return;
        }
        let idle = self.config.heartbeat.unwrap_or(KEEPALIVE_IDLE);
        if let Err(error) = socket::prepare(&stream, idle) {
            tracing::debug!(client = %address, %error, "went away at once");
            return;
        }
        self.next += 1;
        let id = self.next;
        let (lines, queue) = mpsc::channel(CLIENT_QUEUE_LINES);
        let client =
            Client { id, stream, queue, inbox: self.inbox.clone(), heartbeat: self.config.heartbeat };
        self.tasks.spawn(client.run(self.stop.clone()));
        self.seats.insert(id, Seat { address, lines: Some(lines), long: false, is: None });
        let join = Join {
            boot: BootId(id),
            priority: 0,
            nofailover: false,
            renews: false,
            holding: None,
            stamp: Stamp::default(),
        };
        let now = self.clock.monotonic();
        let actions = self.group.heard(now, &id, Conn(id), FromMember::Join(join));
        self.act(actions);
    }

    fn heard(&mut self, event: FromClient) {
        match event {
            FromClient::WantsMore(id) => {
                if let Some(seat) = self.seats.get_mut(&id) {
                    seat.long = true;
                    seat.say();
                }
            }
            FromClient::Gone(id, why) => self.gone(id, &why),
        }
    }

    fn gone(&mut self, id: u64, why: &Gone) {
        let Some(seat) = self.seats.remove(&id) else { return };
        let was_principal = matches!(seat.is, Some((Role::Principal, ..)));
        let (client, why) = (seat.address, why.to_string());
        self.notices.tell(Notice::Gone { client, was_principal, why });
        let actions = self.group.lost(self.clock.monotonic(), &id, Conn(id));
        self.act(actions);
    }

    /// Does what the engine wants done.
    fn act(&mut self, actions: Vec<Action<u64>>) {
        for action in actions {
            match action {
                Action::Persist(opening) => self.persist(opening.epoch),
                Action::Send { to, message, .. } => self.send(to, message),
                Action::Tell(Fact::Ended(ended)) => self.vacant = Some(ended),
                Action::Tell(fact) => tracing::debug!(?fact),
            }
        }
    }

    /// Begins to make an epoch durable. The engine asks for one at a time.
    fn persist(&mut self, epoch: Epoch) {
        match std::mem::replace(&mut self.state, State::Memory) {
            State::Memory => {
                let actions = self.group.persisted(self.clock.monotonic(), epoch);
                self.act(actions);
            }
            State::Idle(mut dir) => {
                let writing = tokio::task::spawn_blocking(move || dir.write(epoch).map(|()| dir));
                self.state = State::Writing(epoch, writing);
            }
            writing @ State::Writing(..) => self.state = writing,
        }
    }

    fn send(&mut self, to: u64, message: ToMember) {
        let (role, epoch, cause) = match message {
            ToMember::Granted(grant) => (Role::Principal, grant.epoch, grant.cause),
            ToMember::Secondaire { cause, epoch, .. } => (Role::Secondaire, epoch, cause),
            ToMember::Refused(why) => {
                tracing::warn!(%why, "turned a client away");
                self.seats.remove(&to);
                return;
            }
            ToMember::Renewed { .. } | ToMember::StepDown { .. } | ToMember::Cleared => return,
        };
        let before = if role == Role::Principal { self.vacant.take() } else { None };
        let vacant = before.map(|ended| self.clock.monotonic().saturating_sub(ended.at));
        let Some(seat) = self.seats.get_mut(&to) else { return };
        seat.is = Some((role, epoch, cause));
        seat.say();
        self.notices.tell(Notice::Role { client: seat.address, role, epoch, cause, vacant });
    }
}

impl Seat {
    /// Says what the client is, in the form that it wants. A client that misses a line must not live on with what it
    /// believes: without its queue its task ends, and the connection with it.
    fn say(&mut self) {
        let (Some((role, epoch, cause)), Some(lines)) = (self.is, &self.lines) else { return };
        let more = self.long.then_some((epoch, cause));
        if lines.try_send(Said::Role { role, more }).is_err() {
            self.lines = None;
        }
    }
}
