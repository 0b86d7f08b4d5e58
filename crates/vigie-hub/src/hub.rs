//! The hub as a whole: its parts, and how they are started and stopped.

use crate::cpu::Cpu;
use crate::own::Own;
use crate::refusals::Refusals;
use crate::roles::{Change, RoleError, Roles};
use crate::session;
use crate::sessions::Sessions;
use async_trait::async_trait;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vigie_model::machines::{BadMachineName, Enrolled, check_machine_name};
use vigie_model::status::GroupStatus;
use vigie_model::{Clock, MachineId};
use vigie_role::GroupName;
use vigie_role::clock::{Alarm, BootClock};
use vigie_store::{OpenError, Options, Store, StoreError};
use vigie_wire::{AuthorityError, Enroller, HubTls, Invites, InvitesError, Link, Peer, serve_stranger};

/// Wait after a connection could not be accepted, for instance for want of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Where a hub keeps what it has, and where it listens.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its directory. Below it: `store/` journal, packs and index, `pki/` its authority and invitations.
    pub data: PathBuf,
    /// Where agents connect to; nowhere, when absent.
    pub listen: Option<SocketAddr>,
    /// Gives what is whole of a store that may be damaged, and takes nothing: see [`Options::read_only`].
    pub read_only: bool,
}

/// Why a hub cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its directory cannot be made.
    #[error("cannot create {}: {source}", path.display())]
    Data {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The authority cannot be opened.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The invitations cannot be read.
    #[error(transparent)]
    Invites(#[from] InvitesError),
    /// The port cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// There is no timer for leases.
    #[error("cannot make a timer: {0}")]
    Timer(io::Error),
    /// What is recorded of roles cannot be read.
    #[error("cannot read what is recorded of roles: {0}")]
    Roles(StoreError),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// The name cannot be a machine's.
    #[error(transparent)]
    Name(#[from] BadMachineName),
    /// The invitation could not be kept.
    #[error(transparent)]
    Invites(#[from] InvitesError),
    /// The hub gives no certificates.
    #[error("this hub gives no certificates: it takes nothing from agents")]
    NoAuthority,
}

/// Why a machine could not be recorded.
#[derive(Debug, thiserror::Error)]
#[error("the enrolment could not be recorded: {0}")]
pub struct EnrolmentError(pub(crate) String);

/// What a hub is made of; [`Hub::start`] takes the system's, a simulation its own.
pub struct Parts {
    /// An open store, whose committer runs.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where hard work is done.
    pub cpu: Cpu,
    /// The hub, as a machine.
    pub machine: MachineId,
    /// Who gives certificates, and to whom.
    pub authority: Option<(HubTls, Arc<Invites>)>,
    /// The time that leases are measured in, and what wakes up by it.
    pub leases: (Arc<dyn Clock>, Alarm),
}

/// A running hub, for whoever asks it something. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    cpu: Cpu,
    machine: MachineId,
    authority: Option<(HubTls, Arc<Invites>)>,
    own: Own,
    roles: Roles,
    sessions: Sessions,
    refusals: Refusals,
    listening: OnceLock<SocketAddr>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// A running hub, for whoever started it.
pub struct Running {
    hub: Hub,
    committer: Option<std::thread::JoinHandle<()>>,
}

impl Hub {
    /// Opens the store below `config.data`, or makes one, and begins to listen.
    ///
    /// # Errors
    /// Among others [`OpenError::Locked`], when another hub uses the directory.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<(Hub, Running), StartError> {
        make_private_dir(&config.data)?;
        let options =
            Options { clock: Arc::clone(&clock), read_only: config.read_only, ..Options::default() };
        let (store, committer) = Store::open(&config.data.join("store"), options)?;
        let committer = committer.spawn_thread().map_err(StartError::Thread)?;
        let pki = config.data.join("pki");
        let tls = HubTls::open_or_create(&pki, Arc::clone(&clock))?;
        let invites = Arc::new(Invites::open(&pki, tls.authority())?);
        let machine = tls.hub_id();
        // Who takes nothing lets nobody in either.
        let authority = (!config.read_only).then_some((tls, invites));
        let leases: (Arc<dyn Clock>, Alarm) =
            (Arc::new(BootClock::default()), Alarm::boot().map_err(StartError::Timer)?);
        let hub = Self::assemble(Parts { store, clock, cpu: Cpu::Threads, machine, authority, leases })?;
        if let Some(address) = config.listen {
            hub.listen(address).map_err(|source| StartError::Listen { address, source })?;
        }
        let running = Running { hub: hub.clone(), committer: Some(committer) };
        Ok((hub, running))
    }

    /// A hub of these parts, which listens nowhere.
    ///
    /// # Errors
    /// [`StartError::Roles`].
    pub fn assemble(parts: Parts) -> Result<Hub, StartError> {
        let Parts { store, clock, cpu, machine, authority, leases } = parts;
        let own = Own::new(store.clone(), machine);
        let stopping = CancellationToken::new();
        let (leases, alarm) = leases;
        let (roles, task) =
            Roles::start(&store, leases, alarm, stopping.clone()).map_err(StartError::Roles)?;
        let inner = Inner {
            store,
            clock,
            cpu,
            machine,
            authority,
            own,
            roles: roles.clone(),
            sessions: Sessions::default(),
            refusals: Refusals::default(),
            listening: OnceLock::new(),
            tasks: TaskTracker::new(),
            stopping,
        };
        let hub = Hub { inner: Arc::new(inner) };
        hub.inner.tasks.spawn(task.run(hub.clone(), roles));
        Ok(hub)
    }

    /// What it has stored.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The hub, as a machine.
    pub fn machine(&self) -> MachineId {
        self.inner.machine
    }

    /// Where agents reach it, once it listens.
    pub fn listening(&self) -> Option<SocketAddr> {
        self.inner.listening.get().copied()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    pub(crate) fn cpu(&self) -> Cpu {
        self.inner.cpu
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    pub(crate) fn own(&self) -> &Own {
        &self.inner.own
    }

    pub(crate) fn roles(&self) -> &Roles {
        &self.inner.roles
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    pub(crate) fn tls(&self) -> Option<&HubTls> {
        self.inner.authority.as_ref().map(|(tls, _)| tls)
    }

    /// Cancelled when it stops.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// Makes a one-time token with which a machine of this name enrols.
    ///
    /// # Errors
    /// [`InviteError::Name`] for a name that no machine can have.
    pub fn invite(&self, name: &str, valid: Duration) -> Result<String, InviteError> {
        check_machine_name(name)?;
        let (_, invites) = self.inner.authority.as_ref().ok_or(InviteError::NoAuthority)?;
        Ok(invites.invite(name, valid, self.clock().wall())?.to_text())
    }

    /// Gives a machine of this name its id: the one it has, or a new one. Durable when it returns.
    ///
    /// # Errors
    /// When it could not be recorded.
    pub async fn enrol_machine(&self, name: &str) -> Result<MachineId, EnrolmentError> {
        let own = self.inner.own.lock().await;
        let error = |e: &dyn std::fmt::Display| EnrolmentError(e.to_string());
        let known = self.store().machine_named(name).map_err(|e| error(&e))?;
        let machine = match known {
            Some(machine) => machine,
            None => {
                let mut id = [0; 16];
                getrandom::fill(&mut id).map_err(|e| error(&e))?;
                MachineId(id)
            }
        };
        let fact = Enrolled { machine, name: name.to_owned() }.encode(self.clock().wall());
        let committed = own.state(fact).await.map_err(|e| error(&e))?;
        // The next one who asks for this name must find it.
        self.visible(committed.last).await;
        Ok(machine)
    }

    /// A group, or all, as they are at this moment.
    ///
    /// # Errors
    /// [`RoleError::NoSuchGroup`] among others.
    pub async fn groups(&self, group: Option<GroupName>) -> Result<Vec<GroupStatus>, RoleError> {
        self.inner.roles.show(group, self.store().machines()?.into_iter().collect()).await
    }

    /// Asks the principal of a group to give the role back, to this machine or to the next in line. It does so when
    /// its hook of demotion has ended.
    ///
    /// # Errors
    /// [`RoleError`], when nobody has the role or nobody can take it.
    pub async fn step_down(&self, group: GroupName, to: Option<&str>) -> Result<(), RoleError> {
        let to = match to {
            None => None,
            Some(name) => {
                let machine = self.store().machine_named(name)?;
                Some(machine.ok_or_else(|| RoleError::NoSuchMachine(name.to_owned()))?)
            }
        };
        self.inner.roles.step_down(group, to).await
    }

    /// Changes what is set for a group. Durable when it returns.
    ///
    /// # Errors
    /// [`RoleError`], when it cannot be set.
    pub async fn change_group(&self, group: GroupName, change: Change) -> Result<(), RoleError> {
        self.inner.roles.change(group, change).await
    }

    /// Runs a session over a link, in a task of its own: of a machine that proved who it is, or of a
    /// stranger, who may enrol.
    pub fn serve(&self, link: Link) {
        let hub = self.clone();
        self.inner.tasks.spawn(async move {
            match link.peer().clone() {
                Peer::Machine(card) => session::run(hub, link, card).await,
                Peer::Unenrolled => hub.serve_stranger(link).await,
                Peer::Hub { .. } => tracing::warn!("a hub tried to connect to this hub"),
            }
        });
    }

    /// Serves every link that comes out of the receiver: for an agent in the same process.
    pub fn serve_all(&self, mut links: mpsc::UnboundedReceiver<Link>) {
        let hub = self.clone();
        self.inner.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = hub.inner.stopping.cancelled() => return,
                    link = links.recv() => match link {
                        Some(link) => hub.serve(link),
                        None => return,
                    },
                }
            }
        });
    }

    async fn serve_stranger(&self, link: Link) {
        let Some((tls, invites)) = &self.inner.authority else { return };
        let remote = link.remote();
        match serve_stranger(link, tls, invites, self, &self.inner.stopping).await {
            Ok(new) => tracing::info!(machine = new.name, ?remote, "enrolled"),
            Err(why) => self.refused(remote, "no enrolment", &why),
        }
    }

    fn refused(&self, remote: Option<SocketAddr>, what: &str, why: &dyn std::fmt::Display) {
        let Inner { refusals, tasks, stopping, .. } = &*self.inner;
        refusals.note(remote, what, why, tasks, stopping);
    }

    /// Ends every session, once what it brought is durable, and takes no new ones. Returns when all have
    /// ended.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.sessions.stop();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    fn listen(&self, address: SocketAddr) -> io::Result<()> {
        let listener = vigie_wire::listen(address)?;
        let local = listener.local_addr()?;
        // A hub is told once where to listen.
        let _set_once = self.inner.listening.set(local);
        let hub = self.clone();
        self.inner.tasks.spawn(async move { hub.accept(listener).await });
        Ok(())
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.inner.stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (tcp, remote) = match accepted {
                // An IPv4 address that came to an IPv6 socket is shown as people write it.
                Ok((tcp, remote)) => (tcp, SocketAddr::new(remote.ip().to_canonical(), remote.port())),
                Err(why) => {
                    tracing::warn!("cannot accept a connection: {why}");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let Some(tls) = self.tls().cloned() else { return };
            let hub = self.clone();
            self.inner.tasks.spawn(async move {
                let accepted = tokio::select! {
                    // Whoever dawdles over a handshake holds up no stop.
                    () = hub.inner.stopping.cancelled() => return,
                    accepted = tls.accept(tcp) => accepted,
                };
                match accepted {
                    Ok(link) => hub.serve(link),
                    Err(why) => hub.refused(Some(remote), "no session", &why),
                }
            });
        }
    }
}

#[async_trait]
impl Enroller for Hub {
    async fn enrol(&self, name: &str) -> Result<MachineId, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.enrol_machine(name).await?)
    }
}

impl Running {
    /// Stops: no new connections, every session told and its records made durable, then the store closed.
    /// Says whether all of it was done before the deadline.
    pub async fn shutdown(mut self, deadline: Duration) -> bool {
        let sessions_done = tokio::time::timeout(deadline, self.hub.stop()).await.is_ok();
        self.hub.store().close();
        let committer = self.committer.take();
        let closing = tokio::task::spawn_blocking(move || committer.map(std::thread::JoinHandle::join));
        let store_closed = tokio::time::timeout(deadline, closing).await.is_ok();
        match (sessions_done, store_closed) {
            (true, true) => tracing::info!("stopped"),
            _ => tracing::warn!("stopped before everything had ended"),
        }
        sessions_done && store_closed
    }
}

fn make_private_dir(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(path);
    made.map_err(|source| StartError::Data { path: path.to_owned(), source })
}
