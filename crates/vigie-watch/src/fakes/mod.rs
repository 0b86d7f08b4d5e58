//! A file system in memory with the kernel's habits, for simulations: one thread, no real time, the same
//! result every time.
//!
//! The habits that matter are those that hurt (inotify(7), and what was seen on Linux 6.18): a new directory
//! inside one that is not yet watched makes no event; a change through one name says nothing of the others,
//! wherever they are; a rename over a file does not tell of the file that it replaced; identical events in a
//! row are one; the queue has an end; inode numbers are used again at once.
//!
//! ```
//! use std::sync::Arc;
//! use vigie_model::{BytePath, GapCause, MachineId, SystemClock};
//! use vigie_watch::fakes::FakeFs;
//! use vigie_watch::{Config, Engine};
//!
//! let clock = Arc::new(SystemClock::default());
//! let fs = FakeFs::new(clock.clone());
//! fs.mkdir_all(b"/data/a").unwrap();
//! let kernel = fs.kernel(16_384, Arc::new(|| {}));
//! let config = Config::new(MachineId([1; 16]), vec![BytePath::normalise(b"/data").unwrap()]);
//! let mut engine = Engine::new(config, Box::new(kernel), fs.files(), clock).unwrap();
//! engine.start(GapCause::FirstScan, None);
//! while engine.step().busy {}
//! let words: Vec<_> = engine.take(10).iter().map(|fact| fact.event.word()).collect();
//! assert_eq!(words, ["gap-opened", "created", "created", "gap-closed"]);
//! ```

mod files;
mod kernel;
mod ops;
mod state;

pub use files::FakeFiles;
pub use kernel::FakeKernel;

use crate::kernel::Wake;
use state::State;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vigie_model::{Clock, Metadata};

/// A file system in memory. Paths are absolute, as bytes. Cheap to clone: all clones are the same one.
#[derive(Clone)]
pub struct FakeFs {
    state: Arc<Mutex<State>>,
    raced: Arc<Mutex<Vec<Race>>>,
}

/// A name, and what others do right after it was looked at.
type Race = (Vec<u8>, Box<dyn FnOnce(&FakeFs) + Send>);

impl fmt::Debug for FakeFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeFs").finish_non_exhaustive()
    }
}

/// One object of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotNode {
    /// Inode number: the same for all names of one object.
    pub ino: u64,
    /// As a scan would find it.
    pub meta: Metadata,
    /// The bytes of a regular file.
    pub content: Option<Arc<Vec<u8>>>,
}

impl FakeFs {
    /// An empty `/`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        FakeFs { state: Arc::new(Mutex::new(State::new(clock))), raced: Arc::default() }
    }

    /// Has others change something right after the engine has found out what is under this name, the next time that it
    /// does.
    pub fn race(&self, name: &[u8], change: impl FnOnce(&FakeFs) + Send + 'static) {
        self.races().push((name.to_vec(), Box::new(change)));
    }

    fn looked_at(&self, name: &[u8]) {
        let position = self.races().iter().position(|(raced, _)| raced == name);
        let race = position.map(|at| self.races().swap_remove(at));
        if let Some((_, change)) = race {
            change(self);
        }
    }

    fn races(&self) -> MutexGuard<'_, Vec<Race>> {
        self.raced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new watcher with a queue of this many events; `wake` is called at each event. Dropping it ends its
    /// watches.
    pub fn kernel(&self, queue_max: usize, wake: Wake) -> FakeKernel {
        FakeKernel::new(self.clone(), queue_max, wake)
    }

    /// The file system as the engine and its readers see it.
    pub fn files(&self) -> Arc<FakeFiles> {
        Arc::new(FakeFiles::new(self.clone()))
    }

    /// Lets the kernel grant at most this many watches to each watcher.
    pub fn set_watches_max(&self, max: usize) {
        self.lock().watches_max = max;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
