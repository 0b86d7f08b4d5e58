//! The agent's directory of its own: a lock, and after a clean stop the number to go on with.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use vigie_model::{Incarnation, RecordNo};

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another agent uses it.
    #[error("another agent uses the state directory {}", .0.display())]
    Locked(PathBuf),
    /// The system refused.
    #[error("cannot {act} {}: {source}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Holds the state directory for this process.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    _lock: File,
}

/// What a clean stop leaves behind: everything up to this number is durable on the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanStop {
    /// The life that goes on.
    pub incarnation: Incarnation,
    /// Its last record.
    pub n: RecordNo,
}

const CLEAN: &str = "clean-stop";
const LOCK: &str = "lock";
/// Where cookies are made; nothing else is, so that watching it costs nothing.
const COOKIES: &str = "cookies";

impl State {
    /// Makes the directory if need be (0700), and takes it.
    ///
    /// # Errors
    /// [`StateError::Locked`] when another agent has it.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        let io = |act, path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { act, path, source }
        };
        let cookies = dir.join(COOKIES);
        for made in [dir, &cookies] {
            let mut builder = fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(made).map_err(io("create", made))?;
        }
        let path = dir.join(LOCK);
        let lock = File::create(&path).map_err(io("create", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(State { dir: dir.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(StateError::Locked(dir.to_owned())),
            Err(fs::TryLockError::Error(source)) => Err(StateError::Io { act: "lock", path, source }),
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where cookies are made.
    pub fn cookies(&self) -> PathBuf {
        self.dir.join(COOKIES)
    }

    /// Takes what a clean stop left behind. It is gone afterwards, durably, so that no life is ever begun
    /// twice: if this process dies, the next one begins a new incarnation.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn take_clean_stop(&self) -> Result<Option<CleanStop>, StateError> {
        let path = self.dir.join(CLEAN);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateError::Io { act: "read", path, source }),
        };
        let removed = fs::remove_file(&path).and_then(|()| self.sync());
        removed.map_err(|source| StateError::Io { act: "remove", path, source })?;
        // A file that makes no sense is worth no more than none.
        Ok(parse(&text))
    }

    /// Leaves the number behind for the next start, durably.
    ///
    /// # Errors
    /// When it cannot be written; the next start then begins a new incarnation.
    pub fn leave_clean_stop(&self, stop: CleanStop) -> Result<(), StateError> {
        let path = self.dir.join(CLEAN);
        let write = || {
            let new = self.dir.join("clean-stop.new");
            let mut file = File::create(&new)?;
            writeln!(file, "{:016x} {}", stop.incarnation.0, stop.n.0)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            self.sync()
        };
        write().map_err(|source| StateError::Io { act: "write", path: path.clone(), source })
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

fn parse(text: &str) -> Option<CleanStop> {
    let (incarnation, n) = text.trim_end().split_once(' ')?;
    let incarnation = Incarnation(u64::from_str_radix(incarnation, 16).ok()?);
    Some(CleanStop { incarnation, n: RecordNo(n.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_stop_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        assert_eq!(state.take_clean_stop().unwrap(), None);
        let stop = CleanStop { incarnation: Incarnation(u64::MAX), n: RecordNo(42) };
        state.leave_clean_stop(stop).unwrap();
        assert_eq!(state.take_clean_stop().unwrap(), Some(stop));
        assert_eq!(state.take_clean_stop().unwrap(), None);
    }

    #[test]
    fn nonsense_counts_for_nothing() {
        for text in ["", "\n", "12", "zz 1", "1 x", "1 2 3", "\0"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn two_agents_never_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = State::open(dir.path()).unwrap();
        assert!(matches!(State::open(dir.path()), Err(StateError::Locked(_))));
        drop(first);
        State::open(dir.path()).unwrap();
    }
}
