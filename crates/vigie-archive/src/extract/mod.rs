//! From the stream to the disk.

mod report;

pub use report::{Act, Action, Event, Listed, PathList, Problem, Summary};

use std::io::{self, Read};
use std::path::{Path, PathBuf};

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
    /// The stream ended where more should follow, or its closing header is not there.
    #[error("the stream was cut off: {0}")]
    CutOff(&'static str),
    /// The stream's end says something else than what came.
    #[error("the stream holds {came} entries and its end says {said}")]
    Counts {
        /// Entries that came.
        came: u64,
        /// Entries that should have come.
        said: u64,
    },
    /// The bytes are not a tar stream.
    #[error("the stream is damaged at byte {offset}: {why}")]
    Damaged {
        /// Where, from the start of the stream.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// The stream could not be read.
    #[error("cannot read the stream")]
    Read(#[source] io::Error),
    /// The disk takes no more.
    #[error("cannot write {path}")]
    Disk {
        /// Path below the target, readable.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The target does not fit what the stream holds.
    #[error(transparent)]
    Target(TargetError),
}

/// Why an extraction failed.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The target cannot be used; nothing was written.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It stopped on the way.
    #[error("{stop}")]
    Stopped {
        /// Why.
        #[source]
        stop: Stop,
        /// What was done before.
        done: Box<Summary>,
    },
}

/// Says whether [`extract`] would take this target, so that nothing has to be asked of anyone before.
pub fn check_target(target: &Path, force: bool) -> Result<(), TargetError> {
    let _ = (target, force);
    Ok(())
}

/// Writes a stream to disk: `target` becomes the root object of the stream.
///
/// Runs on the calling thread, with [`Options::threads`] more beside it; `reader` is read on the calling one.
pub fn extract<R: Read>(
    reader: R,
    target: &Path,
    options: &Options,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, ExtractError> {
    let _ = (reader, target, options, observe);
    Ok(Summary::default())
}
