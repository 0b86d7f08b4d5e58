//! Capture: turns what happens below some directories into facts ([`vigie_model::FileEvent`]), and hands out
//! the files whose content is to be read.
//!
//! The kernel tells; the file system is the truth. An event only says *look here*: the engine looks, compares
//! with what it knows, and states the difference. So it does not matter that events are merged, come twice or
//! come late; only that one comes, and when one was lost, a gap says so and a scan finds what it was about.
//!
//! What it is not: it keeps nothing on disk, sends nothing, and starts no thread but the one that empties the
//! kernel's queue.
//!
//! # Driving it
//!
//! One owner calls the [`Engine`]; readers may run wherever they like.
//!
//! ```no_run
//! use std::sync::Arc;
//! use vigie_model::{BytePath, Digest, DigestKind, GapCause, MachineId, SystemClock};
//! use vigie_watch::{Config, Engine, Inotify, Piece, ReadEnd, ReadOutcome, Reader, RealFiles};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (clock, files) = (Arc::new(SystemClock::default()), Arc::new(RealFiles::new()));
//! let owner = std::thread::current();
//! let kernel = Inotify::open(Arc::new(move || owner.unpark()))?;
//! let machine = MachineId([1; 16]);
//! let config = Config::new(machine, vec![BytePath::normalise(b"/srv/www")?]);
//! let mut engine = Engine::new(config, Box::new(kernel), files.clone(), clock.clone())?;
//! let reader = Reader::new(machine, files, clock.clone());
//!
//! // for edge in what_the_hub_recorded { engine.learn(&edge) }
//! engine.start(GapCause::Restart, None);
//! loop {
//!     let step = engine.step();
//!     for fact in engine.take(512) {
//!         println!("{} {:?}", fact.event.word(), fact.event);
//!     }
//!     while let Some(job) = engine.next_read() {
//!         let mut digest = None;
//!         let end = reader.read(&job, &mut |piece| {
//!             if let Piece::Whole(bytes) = &piece {
//!                 digest = Some(Digest::of_data(bytes));
//!             } // else chunks: blocks and a list
//!             true
//!         });
//!         let outcome = match (end, digest) {
//!             (ReadEnd::Read(read), Some(digest)) => ReadOutcome::Stored(read.content(digest, DigestKind::Whole)),
//!             (ReadEnd::Read(_) | ReadEnd::Stopped, _) => ReadOutcome::Abandoned,
//!             (ReadEnd::Changed, _) => ReadOutcome::Changed,
//!             (ReadEnd::Gone, _) => ReadOutcome::Gone,
//!             (ReadEnd::Failed(errno), _) => ReadOutcome::Failed(errno),
//!         };
//!         if let Some(fact) = engine.read_done(job, outcome) {
//!             println!("{} {:?}", fact.event.word(), fact.event);
//!         }
//!     }
//!     if !step.busy {
//!         # use vigie_model::Clock;
//!         let wait = step.wake_at.map(|at| at.saturating_sub(clock.monotonic()));
//!         std::thread::park_timeout(wait.unwrap_or(std::time::Duration::from_secs(3600)));
//!     }
//! }
//! # }
//! ```
//!
//! # Modules, in reading order
//! [`limits`] every bound and wait ·
//! [`config`] what an engine is told ·
//! [`kernel`] what the kernel tells ·
//! [`files`] what is there ·
//! [`engine`] the state machine ·
//! [`read`] reading a file whole ·
//! [`status`] what the engine says of itself ·
//! [`front`] the changes of a directory, without a hub ·
//! `fakes` a kernel and a file system in memory.

pub mod config;
pub mod engine;
#[cfg(feature = "fakes")]
pub mod fakes;
pub mod files;
pub mod front;
pub mod kernel;
pub mod limits;
mod node_id;
pub mod read;
mod rules;
pub mod status;

pub use config::{Config, StartError};
pub use engine::{CookieId, Engine, Fact, Heard, SnapshotError, Step};
pub use files::{Files, RealFiles, check_proc};
pub use kernel::{Inotify, Kernel, Wake};
pub use read::{AsRead, Chunker, LastRoot, Piece, ReadEnd, ReadJob, ReadOutcome, Reader};
pub use status::{RootState, RootStatus, Status};
