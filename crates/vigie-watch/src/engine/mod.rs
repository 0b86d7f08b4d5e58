//! The engine: a state machine that turns what the kernel tells and what the file system shows into facts.

use crate::config::{Config, StartError};
use crate::files::Files;
use crate::kernel::{Kernel, Mask};
use crate::read::{ReadJob, ReadOutcome};
use crate::status::Status;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use vigie_model::{Clock, FileEvent, GapCause, KnownEdge, NodeId, UnixNanos};

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
    /// At once: there is more to do. False also when the outbox is full, so step again after [`Engine::take`].
    pub busy: bool,
}

/// See the [crate] documentation for how it is driven.
#[derive(Debug)]
pub struct Engine {
    config: Config,
}

impl Engine {
    /// Checks the configuration against the file system. Watches nothing yet but the directory of cookies.
    pub fn new(
        config: Config,
        _kernel: Box<dyn Kernel>,
        _files: Arc<dyn Files>,
        _clock: Arc<dyn Clock>,
    ) -> Result<Engine, StartError> {
        Ok(Engine { config })
    }

    /// Takes a line of what the hub has recorded of this machine. Parents come before their children. Any
    /// number of calls, all before [`Engine::start`].
    pub fn learn(&mut self, _edge: &KnownEdge) {}

    /// Begins: opens a gap for each root, declares it, and compares it with what was learned. `cause` and
    /// `since` are for roots that were learned; the gap of any other is [`GapCause::FirstScan`].
    pub fn start(&mut self, _cause: GapCause, _since: Option<UnixNanos>) {}

    /// Does a bounded amount of work, some milliseconds of it.
    pub fn step(&mut self) -> Step {
        Step { wake_at: None, busy: self.config.roots.is_empty() }
    }

    /// Hands over up to `max` facts, in the order in which they must be recorded.
    pub fn take(&mut self, _max: usize) -> Vec<Fact> {
        Vec::new()
    }

    /// Hands over what the kernel said since the last call.
    pub fn take_heard(&mut self) -> Vec<Heard> {
        Vec::new()
    }

    /// The next file to read: live changes before the scan's, small before large. Any number may be out at
    /// once; each must come back through [`Engine::read_done`].
    pub fn next_read(&mut self) -> Option<ReadJob> {
        None
    }

    /// Takes back a job. For [`ReadOutcome::Stored`] gives the fact to record, flagged `pending` when a newer
    /// version is known to exist; for a node that is gone meanwhile, nothing.
    pub fn read_done(&mut self, _job: ReadJob, _outcome: ReadOutcome) -> Option<Fact> {
        None
    }

    /// Asks for a node to be read again: what was said of its content did not become durable.
    pub fn requeue(&mut self, _node: NodeId) {}

    /// Sends a cookie through the kernel's queue. It is back ([`Engine::cookies_back`]) when every change
    /// before this call was looked at, its facts are in [`Engine::take`] (or were taken), and every read that
    /// it asked for came through [`Engine::read_done`]. Cuts every wait short.
    pub fn cookie(&mut self) -> io::Result<CookieId> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The cookies that are back since the last call.
    pub fn cookies_back(&mut self) -> Vec<CookieId> {
        Vec::new()
    }

    /// How it does. Walks the index: not for every step.
    pub fn status(&self) -> Status {
        Status {
            backend: "inotify",
            roots: Vec::new(),
            nodes: 0,
            watches: 0,
            dirty: 0,
            reads: 0,
            outbox: 0,
            notices: Vec::new(),
        }
    }
}
