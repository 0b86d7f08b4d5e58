//! The changes of some directories as they happen, without a hub: what `vigie watch` prints. Files are not
//! read, so a change of content is told by its size alone.

use crate::config::{Config, StartError};
use crate::engine::{Engine, Fact, Heard};
use crate::files::{Files, RealFiles, check_proc};
use crate::kernel::Inotify;
use crate::read::{AsRead, ReadJob, ReadOutcome};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;
use vigie_model::{Clock, Digest, DigestKind, FileEvent, FileTime, GapCause, SystemClock, UnixNanos};

/// Something to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A change, with its paths. Never a [`FileEvent::Content`].
    Change(Fact),
    /// The content of a file changed.
    Content {
        /// Absolute path.
        path: Vec<u8>,
        /// When it was looked at.
        observed: UnixNanos,
        /// Bytes it has now.
        size: u64,
    },
    /// What the kernel said; only with [`Config::heard`].
    Kernel(Heard),
    /// The first comparison is done: from now on, what is shown is happening.
    Ready,
}

/// Ends a [`watch`] from another thread.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<(AtomicBool, Mutex<Option<Thread>>)>,
}

impl Stop {
    /// Ends the watch soon.
    pub fn stop(&self) {
        self.shared.0.store(true, Ordering::Release);
        if let Some(thread) = &*self.shared.1.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.unpark();
        }
    }

    fn is_asked(&self) -> bool {
        self.shared.0.load(Ordering::Acquire)
    }

    fn will_wake(&self, thread: Thread) {
        *self.shared.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    }
}

/// Why a watch ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Wrong usage.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The kernel gives no inotify instance.
    #[error("cannot open an inotify instance: {0}")]
    Kernel(#[source] io::Error),
}

/// Watches until told to stop, and shows what it sees. What is there at the beginning is not shown.
/// `show` answers `false` to end it (the reader of a pipe went away).
pub fn watch(mut config: Config, stop: &Stop, show: &mut dyn FnMut(Seen) -> bool) -> Result<(), WatchError> {
    config.paths = true;
    let (clock, files) = (Arc::new(SystemClock::default()), Arc::new(RealFiles::new()));
    let owner = std::thread::current();
    stop.will_wake(owner.clone());
    check_proc().map_err(StartError::Proc)?;
    let kernel = Inotify::open(Arc::new(move || owner.unpark())).map_err(WatchError::Kernel)?;
    let mut scans = config.roots.len();
    let mut engine = Engine::new(config, Box::new(kernel), files.clone(), clock.clone())?;
    engine.start(GapCause::FirstScan, None);
    while !stop.is_asked() {
        let step = engine.step();
        for heard in engine.take_heard() {
            if !show(Seen::Kernel(heard)) {
                return Ok(());
            }
        }
        let facts = engine.take(usize::MAX);
        let busy = step.busy || !facts.is_empty();
        for fact in facts {
            let closed = scans > 0 && matches!(fact.event, FileEvent::GapClosed(_));
            scans -= usize::from(closed);
            let seen = match (scans, closed, &fact.event) {
                (0, true, _) => Seen::Ready,
                (0, ..) | (_, _, FileEvent::Error(_)) => Seen::Change(fact),
                _ => continue,
            };
            if !show(seen) {
                return Ok(());
            }
        }
        while let Some(job) = engine.next_read() {
            if let Some(seen) = look_at_content(&mut engine, &*files, job)
                && !show(seen)
            {
                return Ok(());
            }
        }
        if !busy {
            let wait = step.wake_at.map(|at| at.saturating_sub(clock.monotonic()));
            std::thread::park_timeout(wait.unwrap_or(Duration::from_secs(1)));
        }
    }
    Ok(())
}

/// Answers a job without reading: the size is all that is shown.
fn look_at_content(engine: &mut Engine, files: &dyn Files, job: ReadJob) -> Option<Seen> {
    let (path, live) = (job.path(), job.live);
    let none = FileTime::default();
    let look = || files.find_root(&job.root)?.open_file(&job.below).map(|(_, stat)| stat);
    let stat = if live { look().ok() } else { None };
    let (size, mtime, ctime) = stat.map_or((job.size, none, none), |s| (s.size, s.mtime, s.ctime));
    let mode = stat.map_or(0, |s| s.mode);
    let read = AsRead { size, mtime, ctime, mode, torn: false, racy: false };
    let content = read.content(Digest::default(), DigestKind::Whole);
    let fact = engine.read_done(job, ReadOutcome::Stored(content))?;
    live.then_some(Seen::Content { path, observed: fact.observed, size })
}
