//! The two ways in which writing fails: no room, which passes, and everything else, which does not.

use std::io;
use std::path::Path;

/// Why something was not written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// No room; what was written is cut away again.
    Full,
    /// The files are in doubt; the text says which act on which file failed, and how.
    Doubt(String),
}

impl WriteError {
    /// Sorts the error of a write.
    pub(crate) fn new(act: &str, path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WriteError::Full,
            _ => Self::other(act, path, error),
        }
    }

    /// The error of an act after which nothing is sure, whatever the reason.
    pub(crate) fn other(act: &str, path: &Path, error: io::Error) -> Self {
        WriteError::Doubt(format!("cannot {act} {}: {error}", path.display()))
    }
}
