//! The engine: a state machine that turns what the kernel tells and what the file system shows into facts.
//!
//! In reading order: `index` what is known · `dirty` names to look at · `hear` events become such names ·
//! `look` a look states the difference of names · `compare` and of what they lead to · `scan` listings · `roots` coming and going of roots ·
//! `learn` what the hub recorded · `snapshot` the same, from a clean stop · `meta_hash` its hashes · `unseen` what cannot be seen · `reads` files to read ·
//! `outbox` facts to take · `epochs` what a cookie waits for.

mod compare;
mod dirty;
mod epochs;
mod failures;
mod hear;
mod index;
mod learn;
mod look;
mod meta_hash;
mod outbox;
mod reads;
mod roots;
mod scan;
mod snapshot;
mod tree;
mod unseen;

pub use snapshot::SnapshotError;
#[doc(hidden)]
pub use snapshot::rewrite_snapshot;

use crate::config::{Config, StartError};
use crate::files::{Dir, Files, FsClass};
use crate::kernel::{Kernel, KernelEvent, Mask, WatchId};
use crate::limits::LOOKS_PER_STEP;
use crate::node_id::NodeIds;
use crate::read::{ReadJob, ReadOutcome};
use crate::rules::Rules;
use crate::status::{RootState, RootStatus, Status};
use dirty::{Dirty, Spot, When, Why};
use epochs::{Epoch, Epochs};
use failures::Failures;
use index::{Flags, Index, Key};
use learn::Learned;
use look::Orphan;
use meta_hash::MetaHash;
use outbox::Outbox;
use reads::{Reads, Stored, Want};
use roots::Root;
use scan::Lane;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tree::Below;
use unseen::Hidden;
use vigie_model::files::{ContentStored, Removed};
use vigie_model::{
    BytePath, Clock, Content, EdgeName, ErrorAct, FileEvent, GapCause, KnownEdge, NodeId, UnixNanos,
};

/// A fact that is ready to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What happened.
    pub event: FileEvent,
    /// When it was seen.
    pub observed: UnixNanos,
    /// Absolute path of what it is about, when [`Config::paths`] asks for it.
    pub path: Option<Vec<u8>>,
    /// Where it was before a rename, likewise.
    pub from: Option<Vec<u8>>,
}

/// What the kernel said, when [`Config::heard`] asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When it was taken from the kernel.
    pub observed: UnixNanos,
    /// Absolute path it was said about, as the engine knew it then.
    pub path: Vec<u8>,
    /// What was said.
    pub mask: Mask,
}

/// Names one cookie: a point in the stream of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CookieId(pub u64);

/// When to call [`Engine::step`] again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// At this time of [`Clock::monotonic`] at the latest, even if nothing happens.
    pub wake_at: Option<Duration>,
    /// At once: there is more to do. False also when the outbox or the reads have no room, so step again
    /// after [`Engine::take`] and [`Engine::read_done`].
    pub busy: bool,
}

/// See the [crate] documentation for how it is driven.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    kernel: Box<dyn Kernel>,
    files: Arc<dyn Files>,
    clock: Arc<dyn Clock>,
    ids: NodeIds,
    hashes: MetaHash,

    index: Index,
    learned: Learned,
    roots: Vec<Root>,
    dirty: Dirty,
    /// First halves of renames, by the kernel's cookie.
    moves: HashMap<u32, Spot>,
    orphans: VecDeque<Orphan>,
    live: Lane,
    bulk: Lane,
    /// The root that is being compared, and those that will be.
    bulk_root: Option<usize>,
    bulk_queue: VecDeque<usize>,
    /// Names that the comparison of a root did not see.
    missing: Vec<Spot>,
    reads: Reads,
    /// Files whose pending content is to be announced if it takes long.
    announcements: VecDeque<(Duration, Key)>,
    outbox: Outbox,
    heard: Vec<Heard>,
    epochs: Epochs,
    failures: Failures,
    hidden: Hidden,
    notices: Vec<String>,

    config_rules: Rules,
    rules: HashMap<Key, Rules>,
    /// Device and inode of the places that are left out.
    excluded: Vec<(u64, u64)>,
    cookie_watch: Option<WatchId>,
    /// Mount points, and which mount it is: several may lie on each other.
    mounts: BTreeSet<(Vec<u8>, u64)>,

    /// Time of this step, and the epoch of the work at hand.
    now: Duration,
    epoch: Epoch,
    next_poll: Duration,
    check_roots: bool,
    /// When all events there were had been taken.
    all_heard_at: UnixNanos,
    /// Open directories, for the length of one step: kept longer they would hold a mount.
    handles: Vec<(Key, Box<dyn Dir>)>,
    events: Vec<KernelEvent>,
}

/// Open directories kept during a step.
const HANDLES_MAX: usize = 16;

/// Why the directory of a node could not be opened.
#[derive(Debug)]
enum OpenError {
    /// Its path leads to nothing, or to something else.
    NotThere,
    /// The kernel refuses.
    Refused(io::Error),
}

/// Whether an error means that the name is gone.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ELOOP))
}

impl Engine {
    /// Checks the configuration against the file system. Watches nothing yet but the directory of cookies.
    pub fn new(
        config: Config,
        mut kernel: Box<dyn Kernel>,
        files: Arc<dyn Files>,
        clock: Arc<dyn Clock>,
    ) -> Result<Engine, StartError> {
        let config_rules = Rules::of_config(&config.ignore)?;
        let roots = check_roots(&config, &*files)?;
        let cookie_watch = match &config.cookies {
            Some(path) => Some(
                files
                    .open_root(path)
                    .and_then(|dir| kernel.watch(&*dir))
                    .map_err(|source| StartError::Cookies { path: path.clone(), source })?,
            ),
            None => None,
        };
        let places = config.exclude.iter().chain(&config.cookies);
        let excluded = places.filter_map(|p| files.open_root(p).ok()?.stat().ok()).map(|s| (s.dev, s.ino));
        Ok(Engine {
            ids: NodeIds::new(config.machine),
            hashes: MetaHash::new(),
            index: Index::default(),
            learned: Learned::default(),
            roots,
            dirty: Dirty::default(),
            moves: HashMap::new(),
            orphans: VecDeque::new(),
            live: Lane::default(),
            bulk: Lane::default(),
            bulk_root: None,
            bulk_queue: VecDeque::new(),
            missing: Vec::new(),
            reads: Reads::default(),
            announcements: VecDeque::new(),
            outbox: Outbox::default(),
            heard: Vec::new(),
            epochs: Epochs::default(),
            failures: Failures::default(),
            hidden: Hidden::default(),
            notices: Vec::new(),
            config_rules,
            rules: HashMap::new(),
            excluded: excluded.collect(),
            cookie_watch,
            mounts: files.mount_points().into_iter().collect(),
            now: clock.monotonic(),
            epoch: Epoch::default(),
            next_poll: Duration::ZERO,
            check_roots: false,
            all_heard_at: clock.wall(),
            handles: Vec::new(),
            events: Vec::new(),
            config,
            kernel,
            files,
            clock,
        })
    }

    /// Takes a line of what the hub has recorded of this machine. Parents come before their children. Any
    /// number of calls, all before [`Engine::start`].
    pub fn learn(&mut self, edge: &KnownEdge) {
        self.learn_edge(edge);
    }

    /// Forgets all that was learned or read from a snapshot. Only before [`Engine::start`].
    pub fn unlearn(&mut self) {
        (self.index, self.learned) = (Index::default(), Learned::default());
    }

    /// Begins: opens a gap for each root, declares it, and compares it with what was learned. `cause` and
    /// `since` are for roots that were learned; the gap of any other is [`GapCause::FirstScan`].
    pub fn start(&mut self, cause: GapCause, since: Option<UnixNanos>) {
        self.now = self.clock.monotonic();
        self.next_poll = self.now + crate::limits::ROOT_POLL;
        let Learned { labels, strays } = std::mem::take(&mut self.learned);
        for (parent, name, node) in strays {
            self.emit(FileEvent::Removed(Removed { parent, name, node }));
        }
        for at in 0..self.roots.len() {
            let label = labels.iter().find(|(path, _)| *path == self.roots[at].path);
            self.roots[at].node = label.map(|(_, node)| *node);
            match label {
                Some(_) => self.open_gap(at, cause, since),
                None => self.open_gap(at, GapCause::FirstScan, None),
            }
        }
        for (path, node) in &labels {
            if !self.roots.iter().any(|root| root.path == *path) {
                self.drop_label(path, *node);
            }
        }
        for at in 0..self.roots.len() {
            if !self.roots[at].nested {
                self.begin_with_root(at);
            }
        }
    }

    /// Does a bounded amount of work, some milliseconds of it.
    pub fn step(&mut self) -> Step {
        self.now = self.clock.monotonic();
        let mut busy = self.hear();
        busy |= self.looks();
        self.expire_orphans(self.epochs.hurried());
        self.announce();
        busy |= self.scan();
        self.watch_over_roots();
        self.reads.ripen(self.now);
        self.handles.clear();
        Step { wake_at: self.wake_at(), busy: busy && self.outbox.has_room() }
    }

    fn looks(&mut self) -> bool {
        for _ in 0..LOOKS_PER_STEP {
            if !self.outbox.has_room() {
                return false;
            }
            let Some(due) = self.dirty.pop(self.now) else { return false };
            self.epoch = due.epoch;
            let epoch = due.epoch;
            self.look(due);
            self.epochs.end(epoch);
        }
        true
    }

    /// When the next wait ends. Never a time that is past: what this step could not do for want of room waits for
    /// [`Engine::take`], not for the clock, and so does all that comes after overdue looks.
    fn wake_at(&self) -> Option<Duration> {
        let dirty = self.dirty.next_due();
        let after_looks = |due: &Duration| dirty.is_none_or(|looks| looks > self.now) || *due > self.now;
        let orphan = self.orphans.front().map(|o| o.due).filter(|_| !self.is_scanning()).filter(after_looks);
        let poll = Some(self.next_poll).filter(after_looks);
        let dirty = dirty.filter(|_| self.outbox.has_room());
        let announce = self.announcements.front().map(|(due, _)| *due);
        [dirty, orphan, announce, self.reads.next_due(), poll].into_iter().flatten().min()
    }

    /// Hands over up to `max` facts, in the order in which they must be recorded.
    pub fn take(&mut self, max: usize) -> Vec<Fact> {
        self.outbox.take(max)
    }

    /// Hands over what the kernel said since the last call.
    pub fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    /// The next file to read: live changes before the scan's, small before large. Any number may be out at
    /// once; each must come back through [`Engine::read_done`]. A file is handed out only when the fact that
    /// it exists was taken.
    pub fn next_read(&mut self) -> Option<ReadJob> {
        self.read_next(None)
    }

    /// As [`Engine::next_read`], but only a live change of a file of about `size_max` bytes at the most: for
    /// readers that keep themselves free for those.
    pub fn next_live_read(&mut self, size_max: u64) -> Option<ReadJob> {
        self.read_next(Some(size_max))
    }

    fn read_next(&mut self, live_up_to: Option<u64>) -> Option<ReadJob> {
        self.now = self.clock.monotonic();
        while let Some(taken) = self.reads.next(self.now, self.outbox.taken(), live_up_to) {
            let Some(node) = self.index.get(taken.key).map(|n| n.id) else {
                self.reads.forget(taken.key, &mut self.epochs);
                continue;
            };
            match self.place_to_read(taken.key, taken.tries) {
                Some((at, below)) if !self.is_lost(at) => {
                    let root = self.roots[at].path.clone();
                    let reads::Taken { live, size, torn, .. } = taken;
                    return Some(ReadJob { node, root, below, size, live, torn });
                }
                // A directory above it lost its name to another: it comes back with that, or goes with it.
                None => self.reads.homeless(taken.key),
                // The comparison that finds the root again asks again.
                Some(_) => {
                    self.reads.gone(taken.key);
                }
            }
        }
        None
    }

    /// Takes back a job. For [`ReadOutcome::Stored`] gives the fact to record, after all that were taken so
    /// far; it is flagged `pending` when a newer version is known to exist. For a node that is gone
    /// meanwhile, gives nothing.
    pub fn read_done(&mut self, job: ReadJob, outcome: ReadOutcome) -> Option<Fact> {
        self.now = self.clock.monotonic();
        let node = self.index.find(&job.node).filter(|key| self.reads.is_running(*key))?;
        self.epoch = self.epochs.now();
        match outcome {
            ReadOutcome::Stored(content) => return Some(self.stored(node, job, content)),
            ReadOutcome::Changed => self.reads.changed(node, self.now, self.epochs.hurried()),
            ReadOutcome::Gone => self.not_at_its_path(node, &job),
            ReadOutcome::Failed(errno) => self.unreadable(node, &job, errno),
            ReadOutcome::Abandoned => self.reads.abandoned(node, self.now),
        }
        None
    }

    fn stored(&mut self, node: Key, job: ReadJob, mut content: Content) -> Fact {
        let epoch = self.reads.epoch_of(node).unwrap_or(self.epoch);
        let next = self.reads.stored(node, content.ctime, self.now, &mut self.epochs);
        // What was recorded of owner and attributes may be older than these bytes, and their `ctime` would
        // hide it from a scan: until a look has settled it, the record says that there is more to come.
        content.pending = next != Stored::Done;
        if next == Stored::LookAgain {
            self.epoch = epoch;
            self.mark_self(node, Why::SETTLE, When::Now);
        }
        if let Some(known) = self.index.get_mut(node) {
            for (flag, on) in [
                (Flags::CONTENT, true),
                (Flags::PENDING, content.pending),
                (Flags::STALE, content.pending),
                (Flags::RACY, content.racy),
                (Flags::TORN, content.torn),
                (Flags::UNREADABLE, false),
            ] {
                known.flags.set(flag, on);
            }
            if content.ctime >= known.ctime() {
                known.set_times(content.mtime, content.ctime);
                known.size = content.size;
                known.mode = content.mode as u16;
            }
        }
        if self.failures.any() {
            self.failures.clear(&job.path(), ErrorAct::Read);
        }
        self.outbox.overtaken_by(job.node, &content);
        let path = self.config.paths.then(|| job.path());
        let event = FileEvent::Content(ContentStored { node: job.node, content });
        Fact { event, observed: self.clock.wall(), path, from: None }
    }

    /// The path given for a file did not lead to it: looks at all its names.
    fn not_at_its_path(&mut self, node: Key, job: &ReadJob) {
        if self.is_out_of_sight(node) {
            // It is compared again with all that is out of sight with it.
            return self.reads.forget(node, &mut self.epochs);
        }
        if !self.reads.gone(node) {
            return self.unreadable(node, job, libc::ESTALE);
        }
        for (dir, name) in self.index.names(node) {
            self.mark_spot(Spot { dir, name }, Why::NAME, When::Now);
        }
    }

    fn unreadable(&mut self, node: Key, job: &ReadJob, errno: i32) {
        self.index_flag(node, Flags::UNREADABLE, true);
        self.reads.forget(node, &mut self.epochs);
        self.fail(job.path(), ErrorAct::Read, errno);
        // If it was readable before, the record of now must say that there is newer content.
        if self.index.get(node).is_some_and(|n| !n.flags.has(Flags::PENDING)) {
            self.mark_self(node, Why::REFUSED, When::Now);
        }
    }

    /// Asks for a node to be read again: what was said of its content did not become durable.
    pub fn requeue(&mut self, node: NodeId) {
        self.now = self.clock.monotonic();
        let Some(key) = self.index.find(&node).filter(|key| !self.reads.is_wanted(*key)) else { return };
        let Some(known) = self.index.get_mut(key).filter(|n| n.is_file) else { return };
        known.flags.set(Flags::STALE, true);
        known.flags.set(Flags::CONTENT, false);
        let want = Want {
            epoch: self.epochs.now(),
            live: true,
            size: known.size,
            ctime: known.ctime(),
            ready_at: self.now,
            after: self.outbox.pushed(),
        };
        self.reads.want(key, want, self.now, &mut self.epochs);
    }

    /// Sends a cookie through the kernel's queue. It is back ([`Engine::cookies_back`]) when every change
    /// before this call was looked at, its facts are in [`Engine::take`] (or were taken), and every read that
    /// it asked for came through [`Engine::read_done`]. Cuts every wait short.
    pub fn cookie(&mut self) -> io::Result<CookieId> {
        let Some(dir) = self.config.cookies.clone() else { return Err(io::ErrorKind::Unsupported.into()) };
        let id = self.epochs.send();
        let sent = self.files.ripple(&dir, &hear::cookie_name(id));
        sent.inspect_err(|_| self.epochs.unsend(id)).map(|()| id)
    }

    /// The cookies that are back since the last call.
    pub fn cookies_back(&mut self) -> Vec<CookieId> {
        self.epochs.back()
    }

    /// How it does. Walks the index: not for every step.
    pub fn status(&self) -> Status {
        let roots = (0..self.roots.len()).map(|at| self.root_status(at)).collect();
        Status {
            backend: self.kernel.backend(),
            roots,
            nodes: self.index.len() as u64,
            watches: self.index.watches() as u64,
            dirty: self.dirty.len() as u64,
            reads: self.reads.len() as u64,
            outbox: self.outbox.len() as u64,
            notices: self.notices.iter().cloned().chain(self.unseen_notices()).collect(),
        }
    }

    fn root_status(&self, at: usize) -> RootStatus {
        let root = &self.roots[at];
        let Below { nodes, watches, unreadable, unseen } =
            root.node.map_or(Below::default(), |node| self.count_below(node));
        let warning = match root.state {
            RootState::Lost => root.why_lost.clone().map(|why| format!("the root is lost: {why}")),
            _ if root.unwatched > 0 => Some(unwatched_warning(root.unwatched, self.next_sweep(root))),
            _ if root.remote => {
                Some("a network file system: changes made by other machines go unseen".to_string())
            }
            _ => None,
        };
        RootStatus {
            path: root.path.clone(),
            state: root.state,
            tier: root.tier,
            file_system: root.file_system.clone(),
            nodes,
            watches,
            unreadable,
            unseen,
            gaps: root.gaps.clone(),
            warning,
        }
    }

    /// Time until unwatched directories are compared again; none while that is being done.
    fn next_sweep(&self, root: &Root) -> Option<Duration> {
        root.sweep_at.map(|due| due.saturating_sub(self.now))
    }

    fn is_lost(&self, root: usize) -> bool {
        self.roots[root].state == RootState::Lost
    }
}

/// What can be said of the roots before anything starts.
fn check_roots(config: &Config, files: &dyn Files) -> Result<Vec<Root>, StartError> {
    let mut roots: Vec<Root> = Vec::new();
    for path in &config.roots {
        let refused = |source| StartError::Root { path: path.clone(), source };
        let system = files.open_root(path).and_then(|dir| dir.file_system()).map_err(refused)?;
        if system.class == FsClass::Pseudo {
            return Err(StartError::Pseudo { path: path.clone(), fs: system.name });
        }
        if roots.iter().any(|root| root.path == *path) {
            return Err(StartError::Roots(format!("{path} is given twice")));
        }
        let inside = |outer: &BytePath| outer != path && path.below(outer).is_some();
        roots.push(Root::new(path.clone(), config.roots.iter().any(inside)));
    }
    Ok(roots)
}

impl Engine {
    /// Puts a fact into the outbox.
    fn emit(&mut self, event: FileEvent) {
        let (path, from) = if self.config.paths { self.paths_of(&event) } else { (None, None) };
        self.outbox.push(Fact { event, observed: self.clock.wall(), path, from });
    }

    fn emit_removed(&mut self, parent: Key, name: &[u8], node: NodeId) {
        let Some(parent) = self.index.get(parent).map(|n| n.id) else { return };
        if let Ok(name) = EdgeName::from_bytes(name) {
            self.emit(FileEvent::Removed(Removed { parent, name, node }));
        }
    }

    /// Reports what could not be looked at, once.
    fn fail(&mut self, path: Vec<u8>, act: ErrorAct, errno: i32) {
        if self.failures.is_news(&path, act, errno) {
            self.emit(FileEvent::Error(vigie_model::files::Failure { path, act, errno }));
        }
    }

    /// Remembers something for `status`, once.
    fn notice(&mut self, text: String) {
        if !self.notices.contains(&text) && self.notices.len() < crate::limits::NOTICES_MAX {
            tracing::warn!("{text}");
            self.notices.push(text);
        }
    }
}

/// What is said of directories that the kernel grants no watch for. `next` is until they are compared again.
fn unwatched_warning(directories: u64, next: Option<Duration>) -> String {
    let which = if directories == 1 { "1 directory" } else { &format!("{directories} directories") };
    let next = match next {
        Some(next) => format!("next in {} s", next.as_secs()),
        None => "under way now".to_owned(),
    };
    format!(
        "the kernel grants no watch for {which}: until fs.inotify.max_user_watches allows more, they are only \
         compared, and a watch is asked for again, every minute or so, more rarely where comparing takes long \
         ({next})"
    )
}
