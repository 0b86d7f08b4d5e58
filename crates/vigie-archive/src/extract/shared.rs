//! What the reading thread and the writer threads have in common.

use super::report::{Act, Listed, Problem, Summary};
use super::{Options, Stop};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A path, as 64 bits that nobody outside can foresee: a million paths fit in a few megabytes. That any two of
/// them meet by chance has odds of one in 2^25, and costs one refused entry, which is told.
pub(super) type PathKey = u64;

/// Why an entry of the stream is not on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// Its content was never stored.
    Missing,
    /// Its content could not be read.
    Damaged,
    /// It could not be written; a problem says why.
    Failed,
}

/// Common state of one extraction.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) force: bool,
    /// Who this process is, and so what belongs to whom when nothing is done about it.
    pub(super) uid: u32,
    pub(super) gid: u32,
    hasher: RandomState,
    temporaries: AtomicU64,
    written: AtomicU64,
    written_bytes: AtomicU64,
    stopped: AtomicBool,
    state: Mutex<State>,
}

/// One lock: it is taken only when something goes wrong, and for second names.
#[derive(Debug, Default)]
struct State {
    problems: Listed<Problem>,
    stop: Option<Stop>,
    absent: HashMap<PathKey, Absent>,
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        Shared {
            force: options.force,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            hasher: RandomState::new(),
            temporaries: AtomicU64::new(0),
            written: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn key(&self, path: &[u8]) -> PathKey {
        self.hasher.hash_one(path)
    }

    /// A name for an object until it takes its place; no stream can know it before.
    pub(super) fn temporary(&self) -> Vec<u8> {
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        format!(".vigie-{:016x}", self.hasher.hash_one(number)).into_bytes()
    }

    /// Reports what could not be done for one path.
    pub(super) fn problem(&self, path: &[u8], act: Act, why: impl Display) {
        self.state().problems.push(|| Problem { path: path.to_vec(), act, why: why.to_string() });
    }

    /// Reports what the kernel refused for one path. A disk that takes no more ends the extraction: every
    /// further path would fail alike.
    pub(super) fn failed(&self, path: &[u8], act: Act, error: io::Error) {
        const FULL: [Errno; 6] =
            [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::IO, Errno::MFILE, Errno::NFILE];
        if !Errno::from_io_error(&error).is_some_and(|errno| FULL.contains(&errno)) {
            self.problem(path, act, &error);
            return;
        }
        let path = Problem { path: path.to_vec(), act, why: String::new() }.shown_path();
        self.state().stop.get_or_insert(Stop::Disk { path, source: error });
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the disk takes no more.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Notes that an entry is on disk, with its content of that many bytes.
    pub(super) fn wrote(&self, bytes: u64) {
        self.written.fetch_add(1, Ordering::Relaxed);
        self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that an entry is not on disk, for the sake of its second names.
    pub(super) fn set_absent(&self, path: &[u8], why: Absent) {
        let key = self.key(path);
        self.state().absent.insert(key, why);
    }

    pub(super) fn absent(&self, path: &[u8]) -> Option<Absent> {
        let key = self.key(path);
        self.state().absent.get(&key).copied()
    }

    /// What was done and what went wrong, at the end: the first into the summary.
    pub(super) fn into_outcome(self, summary: &mut Summary) -> Option<Stop> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        summary.problems = state.problems;
        summary.written = self.written.into_inner();
        summary.written_bytes = self.written_bytes.into_inner();
        state.stop
    }
}
