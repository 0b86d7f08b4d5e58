//! From the stream to the disk: the target becomes exactly what was recorded, or the summary says where not.
//!
//! Names in a stream are hostile. Whatever is made is made below the target's own descriptor, in a directory
//! that the kernel was asked to find without following a symbolic link or leaving the target, and by a single
//! name; nothing on disk is ever opened for writing, only made anew.
//!
//! In reading order: [`report`] what is told · `target` what is there before · `admit` which entries may be
//! written · `run` one extraction · `place` directories · `object` what they hold · `apply` metadata · `pool`
//! writer threads · `shared` what threads have in common · `plan` a dry run.

mod admit;
mod apply;
mod object;
mod place;
mod plan;
mod pool;
pub mod report;
mod run;
mod shared;
mod target;

pub use report::{Act, Action, Event, Listed, PathList, Problem, Summary};

use crate::limits::THREADS_MAX;
use crate::read::{ReadError, TreeReader};
use pool::Pool;
use run::Run;
use shared::Shared;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use target::Target;

/// How to extract.
#[derive(Clone, Debug)]
pub struct Options {
    /// Replace what has the same name as something in the stream; nothing else is deleted, and a
    /// directory is never replaced by something else.
    pub force: bool,
    /// Only tell what would be done, through [`Event::Planned`]; the disk is not changed.
    pub dry_run: bool,
    /// Threads that write small files beside the calling one; 0 writes everything on the calling one.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { force: false, dry_run: false, threads: 2 }
    }
}

/// Why a target cannot be used; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Something is there already, and `force` was not given.
    #[error("{} exists and is not an empty directory", .0.display())]
    Exists(PathBuf),
    /// A directory is where a file or another single object should go.
    #[error("{} is a directory, and what is restored is not", .0.display())]
    Directory(PathBuf),
    /// The directory that should hold the target is not there, or cannot be used.
    #[error("the directory that should hold {} cannot be opened", path.display())]
    Parent {
        /// The target.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The target cannot be looked at or made.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The target.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Why an extraction ended before its time. What was written stays.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The stream was cut off, damaged or could not be read.
    #[error(transparent)]
    Stream(#[from] ReadError),
    /// The disk takes no more.
    #[error("cannot write {path}")]
    Disk {
        /// Path below the target, readable.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Why an extraction failed.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The target cannot be used; nothing was written.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It stopped on the way.
    #[error("the extraction stopped on the way")]
    Stopped {
        /// Why.
        #[source]
        stop: Stop,
        /// What was done before.
        done: Box<Summary>,
    },
}

/// Why the reading of entries ended early.
#[derive(Debug)]
enum Halt {
    Target(TargetError),
    Stream(ReadError),
    /// The disk takes no more; [`Shared`] knows why.
    Disk,
}

impl From<TargetError> for Halt {
    fn from(error: TargetError) -> Self {
        Halt::Target(error)
    }
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Halt::Stream(error)
    }
}

/// Says whether [`extract`] would take this target, so that nothing has to be asked of anyone before.
/// What only the stream tells, that its root is a file where the target is an empty directory, is not known yet.
pub fn check_target(target: &Path, force: bool) -> Result<(), TargetError> {
    Target::look(target, force).map(drop)
}

/// Writes a stream to disk: `target` becomes the root object of the stream, its metadata included.
///
/// An existing target is refused before anything is written or read, unless it is an empty directory and the
/// root is a directory, or `force` is given. What cannot be done for one path (an owner, when not root) is listed
/// in the summary, and the rest goes on. Files of which the stream has no whole content are listed and not
/// written. Files are not synced one by one; who needs the result to outlive a power cut calls `syncfs` after.
///
/// `reader` is read on the calling thread and `observe` is called on it.
///
/// # Errors
/// [`ExtractError::Target`] when nothing was written. [`ExtractError::Stopped`] when the stream is cut off, lacks
/// its closing header ([`ReadError::Unmarked`], as every tar of another program does) or is damaged, or the disk
/// is full; what came before is on disk, and no file is there in part.
pub fn extract<R: Read>(
    reader: R,
    target: &Path,
    options: &Options,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, ExtractError> {
    let target = Target::look(target, options.force)?;
    let shared = Shared::new(options);
    let mut reader = TreeReader::new(reader);
    let (mut summary, done) = if options.dry_run {
        plan::plan(&shared, &target, &mut reader, observe)
    } else {
        let pool = Pool::default();
        std::thread::scope(|scope| {
            let _closer = pool.closer();
            pool.start(scope, &shared, options.threads.min(THREADS_MAX));
            Run::new(&shared, &pool, &target, observe).run(&mut reader)
        })
    };
    let full = shared.into_outcome(&mut summary);
    let stop = match (full, done) {
        (_, Err(Halt::Target(error))) => return Err(error.into()),
        (Some(full), _) => full,
        (None, Err(Halt::Stream(error))) => Stop::Stream(error),
        (None, Ok(()) | Err(Halt::Disk)) => return Ok(summary),
    };
    Err(ExtractError::Stopped { stop, done: Box::new(summary) })
}
