//! How a command ended, or why it did not start.

use crate::capture::Captured;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How a run ended, with what it printed and used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// From its start until it had ended and its output was read.
    pub duration: Duration,
    /// What it used; none when its end could not be waited for.
    pub usage: Option<Usage>,
    /// Members of its process group may still run: children that were left in the background, or a process that
    /// not even SIGKILL ended.
    pub left_running: bool,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal that did not come from here.
    Signalled {
        /// The signal's number.
        signal: i32,
        /// Whether it left a core dump.
        core_dumped: bool,
    },
    /// Its time was over, and its process group was ended.
    TimedOut {
        /// Whether anything was left for SIGKILL after the grace.
        killed: bool,
    },
    /// The caller asked for its end, and its process group was ended.
    Stopped {
        /// Whether anything was left for SIGKILL after the grace.
        killed: bool,
    },
    /// It ended, but the system handed its exit code to nobody: this process ignores SIGCHLD.
    Unknown,
}

impl Ending {
    /// Whether it did what it was to do: exit code 0.
    pub fn is_success(self) -> bool {
        self == Ending::Exited(0)
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ending::Exited(code) => write!(f, "exit code {code}"),
            Ending::Signalled { signal, core_dumped: false } => write!(f, "signal {signal}"),
            Ending::Signalled { signal, core_dumped: true } => write!(f, "signal {signal} (core dumped)"),
            Ending::TimedOut { .. } => f.write_str("timed out"),
            Ending::Stopped { .. } => f.write_str("stopped"),
            Ending::Unknown => f.write_str("ended, exit code unknown"),
        }
    }
}

/// What a command and those of its children that it waited for used (`getrusage(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in its own code.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// Most memory that one of its processes held, in bytes.
    pub rss_bytes_max: u64,
}

/// Why a command did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such program, or none on the path.
    #[error("cannot run {}: there is no such program", program.display())]
    NotFound {
        /// What was to be run.
        program: OsString,
    },
    /// The file is there, but what its first line names is not.
    #[error("cannot run {}: the interpreter that it names is not there", program.display())]
    NoInterpreter {
        /// What was to be run.
        program: OsString,
    },
    /// The file is there, and may not be run.
    #[error("cannot run {}: it is not executable, or this user may not run it", program.display())]
    NotExecutable {
        /// What was to be run.
        program: OsString,
    },
    /// The directory it was to be run in is not there.
    #[error("cannot run {} in {}: there is no such directory", program.display(), dir.display())]
    NoDirectory {
        /// What was to be run.
        program: OsString,
        /// Where.
        dir: PathBuf,
    },
    /// Anything else: no processes or descriptors left, too long a command line.
    #[error("cannot run {}: {source}", program.display())]
    Io {
        /// What was to be run.
        program: OsString,
        /// What the system said.
        source: io::Error,
    },
}
