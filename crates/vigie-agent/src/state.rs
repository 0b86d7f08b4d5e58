//! The agent's directory of its own: a lock, and after a clean stop the number to go on with and what was known
//! by then.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
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

/// What a stop left in the directory.
#[derive(Debug, Default)]
pub struct Left {
    /// The number to go on with, if the stop was a clean one.
    pub clean_stop: Option<CleanStop>,
    /// What the engine knew by then, not yet looked at. The file has no name any more.
    pub snapshot: Option<File>,
}

const CLEAN: &str = "clean-stop";
const SNAPSHOT: &str = "snapshot";
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
    /// twice: if this process dies, the next one begins a new incarnation, and has the hub tell what it has.
    ///
    /// # Errors
    /// When something is there and cannot be removed.
    pub fn take_clean_stop(&self) -> Result<Left, StateError> {
        let path = self.dir.join(CLEAN);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).ok(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(StateError::Io { act: "read", path, source }),
        };
        let snapshot = File::open(self.dir.join(SNAPSHOT)).ok();
        let mut removed = false;
        for name in [CLEAN, SNAPSHOT, &new(CLEAN), &new(SNAPSHOT)] {
            let path = self.dir.join(name);
            match fs::remove_file(&path) {
                Ok(()) => removed = true,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(StateError::Io { act: "remove", path, source }),
            }
        }
        if removed {
            let path = self.dir.clone();
            self.sync().map_err(|source| StateError::Io { act: "sync", path, source })?;
        }
        // A file that makes no sense is worth no more than none.
        let clean_stop = text.and_then(|text| parse(&text));
        Ok(Left { clean_stop, snapshot: snapshot.filter(|_| clean_stop.is_some()) })
    }

    /// Leaves the number behind for the next start, durably.
    ///
    /// # Errors
    /// When it cannot be written; the next start then begins a new incarnation.
    pub fn leave_clean_stop(&self, stop: CleanStop) -> Result<(), StateError> {
        self.leave(CLEAN, |file| {
            writeln!(file, "{:016x} {}", stop.incarnation.0, stop.n.0)?;
            Ok(true)
        })
    }

    /// Leaves behind what `write` writes; nothing when it gives `false`.
    ///
    /// # Errors
    /// When it cannot be written; the next start then has the hub tell what it has.
    pub fn leave_snapshot(
        &self,
        write: impl FnOnce(&mut File) -> io::Result<bool>,
    ) -> Result<(), StateError> {
        self.leave(SNAPSHOT, write)
    }

    fn leave(&self, name: &str, write: impl FnOnce(&mut File) -> io::Result<bool>) -> Result<(), StateError> {
        let (path, unfinished) = (self.dir.join(name), self.dir.join(new(name)));
        let write = || {
            // It names files that not everyone may know of.
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            if !write(&mut file)? {
                return fs::remove_file(&unfinished);
            }
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            self.sync()
        };
        write().map_err(|source| StateError::Io { act: "write", path: path.clone(), source })
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

/// A file that is not whole yet.
fn new(name: &str) -> String {
    format!("{name}.new")
}

fn parse(text: &str) -> Option<CleanStop> {
    let (incarnation, n) = text.trim_end().split_once(' ')?;
    let incarnation = Incarnation(u64::from_str_radix(incarnation, 16).ok()?);
    Some(CleanStop { incarnation, n: RecordNo(n.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: CleanStop = CleanStop { incarnation: Incarnation(u64::MAX), n: RecordNo(42) };

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn a_clean_stop_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        assert_eq!(state.take_clean_stop().unwrap().clean_stop, None);
        state.leave_clean_stop(STOP).unwrap();
        assert_eq!(state.take_clean_stop().unwrap().clean_stop, Some(STOP));
        assert_eq!(state.take_clean_stop().unwrap().clean_stop, None);
    }

    #[test]
    fn a_snapshot_is_for_its_owner_alone_and_taken_with_the_clean_stop() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        state.leave_snapshot(|file| file.write_all(b"known").map(|()| true)).unwrap();
        let path = dir.path().join(SNAPSHOT);
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o7777, 0o600);
        state.leave_clean_stop(STOP).unwrap();
        let left = state.take_clean_stop().unwrap();
        assert_eq!(io::read_to_string(left.snapshot.unwrap()).unwrap(), "known");
        assert_eq!(names(dir.path()), [COOKIES, LOCK]);
    }

    #[test]
    fn a_snapshot_without_a_clean_stop_is_removed_and_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        state.leave_snapshot(|file| file.write_all(b"known").map(|()| true)).unwrap();
        fs::write(dir.path().join("snapshot.new"), b"half").unwrap();
        assert!(state.take_clean_stop().unwrap().snapshot.is_none());
        assert_eq!(names(dir.path()), [COOKIES, LOCK]);
        state.leave_snapshot(|file| file.write_all(b"half").map(|()| false)).unwrap();
        assert_eq!(names(dir.path()), [COOKIES, LOCK], "what is not to be used is not left");
    }

    #[test]
    fn nonsense_counts_for_nothing() {
        for text in ["", "\n", "12", "zz 1", "1 x", "1 2 3", "\0"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_clean_stop_of_garbage_counts_for_none_and_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        for garbage in [&b"\xff\xfe\0\x80"[..], b"00000000000000\xc3\x28 1\n", b""] {
            state.leave_snapshot(|file| file.write_all(b"known").map(|()| true)).unwrap();
            fs::write(dir.path().join(CLEAN), garbage).unwrap();
            let left = state.take_clean_stop().unwrap();
            assert!(left.clean_stop.is_none() && left.snapshot.is_none(), "{garbage:?}");
            assert_eq!(names(dir.path()), [COOKIES, LOCK]);
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
