//! The agent as a whole: its parts, and how they are started and stopped.

use crate::budget::Budget;
use crate::capture::{BATCHES_WAITING, Capture, MakeEngine, READS_WAITING, Saved, Ways};
use crate::cpu::{Cpu, Haste};
use crate::dial::Dial;
use crate::lanes::Lanes;
use crate::ledger::Ledger;
use crate::link::{Known, LinkSide, Shared, SharedInner, Written, random_bytes, random_u64};
use crate::numbers::Numbers;
use crate::packers::Packers;
use crate::readers::FileReader;
use crate::roles::{Leases, RoleConfig, RoleNow, Roles, RolesNow, boot_leases};
use crate::session::Sources;
use crate::state::{CleanStop, Left, State, StateError};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vigie_model::status::{AgentStatus, LinkStatus};
use vigie_model::{BytePath, Clock, GapCause, Incarnation, MachineId, Origin, PathError, RecordNo};
use vigie_role::GroupName;
use vigie_watch::{
    Config as WatchConfig, Engine, Files, Inotify, Kernel, RealFiles, StartError, Wake, check_proc,
};

/// Contents of live changes that may be in memory: room for several of the largest that count as small.
const LIVE_BYTES: usize = 4 * 1024 * 1024;
/// Contents of everything else that may be in memory: what is read while an offer is answered.
const BULK_BYTES: usize = 8 * 1024 * 1024;
/// Readers of everything but small live changes: one waits for the disk while one hashes.
const BULK_READERS: usize = 2;

/// What an agent watches, and as whom.
#[derive(Clone, Debug)]
pub struct Config {
    /// The machine, as its certificate says.
    pub machine: MachineId,
    /// Its name.
    pub name: String,
    /// Directories to watch.
    pub roots: Vec<BytePath>,
    /// Patterns in the syntax of `.gitignore`, relative to each root.
    pub ignore: Vec<String>,
    /// Places that are never looked into. The state directory is one without being named.
    pub exclude: Vec<BytePath>,
    /// Groups that it is a member of, each at most once.
    pub roles: Vec<RoleConfig>,
}

/// Why an agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// What it is to watch cannot be watched.
    #[error(transparent)]
    Watch(#[from] StartError),
    /// Its state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The path of its state directory is too long.
    #[error("the state directory cannot be used: {0}")]
    StatePath(PathError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// There is no timer for leases.
    #[error("cannot make a timer: {0}")]
    Timer(std::io::Error),
}

/// What an agent is made of; [`Agent::start`] takes the system's, a simulation its own.
pub struct Parts {
    /// The machine.
    pub machine: MachineId,
    /// Its name.
    pub name: String,
    /// Makes an engine, now and whenever a new incarnation begins. Gets what rings the capture's bell.
    pub make_engine: Box<dyn Fn(Wake) -> Result<Engine, StartError> + Send + Sync>,
    /// The file system, for readers.
    pub files: Arc<dyn Files>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where hard work is done.
    pub cpu: Cpu,
    /// What the last stop left behind, if it was clean.
    pub clean_stop: Option<CleanStop>,
    /// And what it wrote down of what was known ([`crate::Stopped::write_snapshot`]).
    pub snapshot: Option<Box<dyn io::Read + Send>>,
    /// Groups that it is a member of, each at most once.
    pub roles: Vec<RoleConfig>,
    /// The time in which leases are measured.
    pub leases: Leases,
}

/// A running agent, for whoever asks it something. Cheap to clone.
#[derive(Clone)]
pub struct Agent {
    pub(crate) shared: Shared,
    taught: Arc<watch::Sender<bool>>,
}

/// A running agent, for whoever started it. Dropping it stops the agent at once.
pub struct Running {
    pub(crate) machine: MachineId,
    pub(crate) agent: Agent,
    pub(crate) capture: oneshot::Receiver<Capture>,
    pub(crate) link: JoinHandle<Sources>,
    pub(crate) capture_stop: CancellationToken,
    pub(crate) link_stop: CancellationToken,
    budgets: [Budget; 2],
    pub(crate) state: Option<State>,
}

impl Agent {
    /// Starts an agent on this system, with its state in the directory that `state` holds.
    ///
    /// # Errors
    /// Before anything is watched.
    pub fn start(
        config: Config,
        state: State,
        dial: Arc<dyn Dial>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Agent, Running), AgentError> {
        let files: Arc<dyn Files> = Arc::new(RealFiles::new());
        let mut watch = WatchConfig::new(config.machine, config.roots);
        watch.ignore = config.ignore;
        watch.exclude = config.exclude;
        watch.exclude.push(place(state.dir())?);
        watch.cookies = Some(place(&state.cookies())?);
        let make_engine = {
            let (files, clock) = (Arc::clone(&files), Arc::clone(&clock));
            move |wake: Wake| {
                check_proc().map_err(StartError::Proc)?;
                let kernel: Box<dyn Kernel> = Box::new(Inotify::open(wake).map_err(StartError::Kernel)?);
                Engine::new(watch.clone(), kernel, Arc::clone(&files), Arc::clone(&clock))
            }
        };
        let Left { clean_stop, snapshot } = state.take_clean_stop()?;
        let parts = Parts {
            machine: config.machine,
            name: config.name,
            make_engine: Box::new(make_engine),
            files,
            clock,
            cpu: Cpu::Threads,
            clean_stop,
            snapshot: snapshot.map(|file| Box::new(file) as Box<dyn io::Read + Send>),
            roles: config.roles,
            leases: boot_leases(),
        };
        let (agent, mut running) = Self::assemble(parts, dial)?;
        running.state = Some(state);
        Ok((agent, running))
    }

    /// Starts an agent of these parts.
    ///
    /// # Errors
    /// Before anything is watched.
    pub fn assemble(parts: Parts, dial: Arc<dyn Dial>) -> Result<(Agent, Running), AgentError> {
        let Parts { machine, name, make_engine, files, clock, cpu, clean_stop, snapshot, roles, leases } =
            parts;
        let roles = Roles::start(roles, leases).map_err(AgentError::Timer)?;
        let bell = Arc::new(Notify::new());
        let ring: Wake = {
            let bell = Arc::clone(&bell);
            Arc::new(move || bell.notify_one())
        };
        let mut make: MakeEngine = Box::new(move || make_engine(Arc::clone(&ring)));
        let engine = make()?;

        let (orders, orders_in) = mpsc::unbounded_channel();
        let (facts_in, facts) = mpsc::channel(BATCHES_WAITING);
        let (live, live_reads) = mpsc::channel(READS_WAITING);
        let (bulk, bulk_reads) = mpsc::channel(READS_WAITING);
        let ledger = Ledger::default();
        let facts_passed = Arc::new(AtomicU64::new(0));
        let (capture_stop, link_stop) = (CancellationToken::new(), CancellationToken::new());
        let ways = Ways {
            orders: orders_in,
            bell,
            facts: facts_in,
            live,
            bulk,
            ledger: ledger.clone(),
            facts_passed: Arc::clone(&facts_passed),
            stop: capture_stop.clone(),
        };
        let (saved, known) =
            clean_stop.zip(snapshot).map(|(stop, input)| saved(machine, stop, input)).unzip();
        let capture = Capture::new(make, engine, Arc::clone(&clock), ways, saved);
        let (stopped, capture_stopped) = oneshot::channel();
        cpu.drive("vigie-capture", Haste::Usual, capture.run(stopped)).map_err(AgentError::Thread)?;

        let reader = Arc::new(vigie_watch::Reader::new(machine, files, Arc::clone(&clock)));
        let budgets = [Budget::new(LIVE_BYTES, cpu), Budget::new(BULK_BYTES, cpu)];
        let mut parcels_out = Vec::new();
        for (way, readings, haste, count) in
            [(0, live_reads, Haste::Usual, 1), (1, bulk_reads, Haste::Patient, BULK_READERS)]
        {
            let readings = Arc::new(tokio::sync::Mutex::new(readings));
            let (parcels, out) = mpsc::unbounded_channel();
            parcels_out.push(out);
            for _ in 0..count {
                let file_reader = FileReader {
                    reader: Arc::clone(&reader),
                    readings: Arc::clone(&readings),
                    parcels: parcels.clone(),
                    budget: budgets[way].clone(),
                    orders: orders.downgrade(),
                };
                cpu.drive("vigie-reader", haste, file_reader.run()).map_err(AgentError::Thread)?;
            }
        }
        let (bulk, live) = (parcels_out.remove(1), parcels_out.remove(0));

        let numbers = match clean_stop {
            Some(CleanStop { incarnation, n }) => Numbers::new(incarnation, n),
            None => Numbers::new(Incarnation(random_u64()), RecordNo(0)),
        };
        let link = LinkStatus { state: "connecting".into(), since_unix_ns: clock.wall().0, why: None };
        let inner = SharedInner {
            name,
            hub: dial.hub(),
            clock,
            orders,
            ledger,
            facts_passed,
            facts_taken: AtomicU64::new(0),
            written: watch::Sender::new(Written::default()),
            link: Mutex::new(link),
            roles,
        };
        let agent =
            Agent { shared: Shared { inner: Arc::new(inner) }, taught: Arc::new(watch::Sender::new(false)) };
        let sources = Sources {
            facts,
            live,
            bulk,
            lanes: Lanes::new(Packers::start(cpu).map_err(AgentError::Thread)?),
            numbers,
            first: VecDeque::new(),
            held: Vec::new(),
            generation: 0,
        };
        let side = LinkSide {
            shared: agent.shared.clone(),
            dial,
            sources,
            boot: boot_id(),
            stop: link_stop.clone(),
            taught: Arc::clone(&agent.taught),
            cause: GapCause::Restart,
            known,
        };
        let link = tokio::spawn(side.run());
        let running = Running {
            machine,
            agent: agent.clone(),
            capture: capture_stopped,
            link,
            capture_stop,
            link_stop,
            budgets,
            state: None,
        };
        Ok((agent, running))
    }

    /// Whether the hub is there.
    pub(crate) fn is_connected(&self) -> bool {
        self.shared.link.lock().unwrap_or_else(PoisonError::into_inner).state == "connected"
    }

    /// How it does.
    pub async fn status(&self) -> AgentStatus {
        self.shared.status().await
    }

    /// The role of this machine in a group; none where it is no member.
    pub fn role(&self, group: &GroupName) -> Option<RoleNow> {
        self.shared.roles.role(group)
    }

    /// The role in every group, and every change. A lease may be over before the news of it: ask
    /// [`Self::lease_clock`].
    pub fn roles(&self) -> watch::Receiver<RolesNow> {
        self.shared.roles.watch()
    }

    /// The clock on which leases are measured.
    pub fn lease_clock(&self) -> Arc<dyn Clock> {
        self.shared.roles.clock()
    }

    /// Waits until everything before now is durable on the hub: the number of the last record that this is
    /// about. Waits for the hub, too, if it is away.
    ///
    /// # Errors
    /// In words, why it cannot be done.
    pub async fn flush(&self) -> Result<RecordNo, String> {
        self.taught.subscribe().wait_for(|taught| *taught).await.map_err(|_| "the agent stops")?;
        Ok(self.shared.flush_durably().await?.n)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.capture_stop.cancel();
        self.link_stop.cancel();
        self.link.abort();
        self.budgets.iter().for_each(Budget::close);
    }
}

/// For the capture, what to read; for the link side, when it may be used.
fn saved(machine: MachineId, stop: CleanStop, input: Box<dyn io::Read + Send>) -> (Saved, Known) {
    let (usable, is_usable) = oneshot::channel();
    let CleanStop { incarnation, n } = stop;
    let last = Origin { machine, incarnation, n };
    (Saved { last, input, usable }, Known { last: (incarnation, n), usable: is_usable })
}

fn place(path: &Path) -> Result<BytePath, AgentError> {
    let absolute =
        std::path::absolute(path).and_then(|p| p.canonicalize()).unwrap_or_else(|_| path.to_owned());
    BytePath::normalise(std::os::unix::ffi::OsStrExt::as_bytes(absolute.as_os_str()))
        .map_err(AgentError::StatePath)
}

/// The kernel's id of this boot; random where it cannot be read, as after a boot that nobody knows.
fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    vigie_model::NodeId::from_hex(&hex).map_or_else(random_bytes, |id| id.0)
}
