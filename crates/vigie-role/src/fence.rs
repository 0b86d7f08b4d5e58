//! The fence: a file that remembers the highest epoch that ever passed. Whoever writes somewhere as principal
//! passes it first; who comes with an older epoch is stale, whatever it believes.

use crate::epoch_file::{LINE_BYTES, decode, encode};
use crate::limits::{FENCE_LOCK_PAUSE, FENCE_LOCK_WAIT};
use rustix::fs::{OFlags, fstat, stat};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;
use vigie_model::Epoch;

/// How an epoch fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// No higher one has passed before, and from now on no lower one will, also after a crash.
    Passed {
        /// The highest before; zero if this is the first.
        before: Epoch,
    },
    /// A higher one has passed before.
    Stale {
        /// The highest so far.
        highest: Epoch,
    },
}

/// Why it is not known whether an epoch may pass. It may not, then.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// The system said no.
    #[error("cannot {act} the fence {}: {source}", path.display())]
    Io {
        /// The act, as a verb.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not a file that this program wrote, or no longer.
    #[error("the fence {} is damaged: it does not hold an epoch", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Another process held its lock all the time.
    #[error("another process held the fence {} for {} s", path.display(), FENCE_LOCK_WAIT.as_secs())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Zero is before the first epoch; nobody was ever granted it.
    #[error("epoch 0 is never granted")]
    Zero,
}

fn io(act: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FenceError {
    let path = path.to_owned();
    move |source| FenceError::Io { act, path, source }
}

/// Passes an epoch through the fence `path`, which is made if it is not there, for its owner alone.
///
/// The file is compared and written under `flock(2)`, so of two that come at once one is first. It blocks, for the
/// disk and for at most [`FENCE_LOCK_WAIT`].
///
/// # Errors
/// [`FenceError`]: whatever it is, the epoch has not passed.
pub fn fence(path: &Path, epoch: Epoch) -> Result<Fenced, FenceError> {
    if epoch == Epoch(0) {
        return Err(FenceError::Zero);
    }
    let file = open_locked(path)?;
    let mut line = [0; LINE_BYTES + 1];
    let got = read_up_to(&file, &mut line).map_err(io("read", path))?;
    let before = decode(&line[..got]).ok_or_else(|| FenceError::Damaged { path: path.to_owned() })?;
    if epoch < before {
        return Ok(Fenced::Stale { highest: before });
    }
    if epoch > before {
        // In place, because the lock is on this very file. The line has one length, and a torn one is damage.
        file.write_all_at(&encode(epoch), 0).map_err(io("write", path))?;
    }
    // Also when nothing was written: whoever wrote this may have died before its sync.
    file.sync_all().map_err(io("sync", path))?;
    Ok(Fenced::Passed { before })
}

/// The file of this name, locked.
fn open_locked(path: &Path) -> Result<File, FenceError> {
    let started = Instant::now();
    loop {
        let file = match open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                create(path)?;
                continue;
            }
            other => other.map_err(io("open", path))?,
        };
        if !file.metadata().map_err(io("look at", path))?.is_file() {
            return Err(FenceError::Damaged { path: path.to_owned() });
        }
        match file.try_lock() {
            // Had somebody put another file in its place meanwhile, the lock would be on nothing.
            Ok(()) if is_still(&file, path).map_err(io("look at", path))? => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(io("lock", path)(source)),
        }
        if started.elapsed() >= FENCE_LOCK_WAIT {
            return Err(FenceError::Busy { path: path.to_owned() });
        }
        std::thread::sleep(FENCE_LOCK_PAUSE);
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    // A fifo must not hold this up, and a link may lead anywhere.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().read(true).write(true).custom_flags(flags.bits() as i32).open(path)
}

fn is_still(file: &File, path: &Path) -> std::io::Result<bool> {
    let (held, named) = (fstat(file)?, stat(path));
    Ok(named.is_ok_and(|named| (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)))
}

/// Makes the file whole before it gets its name, so that nobody ever meets an empty one: an empty file is damage.
fn create(path: &Path) -> Result<(), FenceError> {
    let dir = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::metadata(dir).map_err(io("create", path))?;
    // Of mode 0600, and gone again if it does not get its name. Its own name is nobody's business, though in the error.
    let mut new =
        tempfile::NamedTempFile::new_in(dir).map_err(|error| io("create", path)(error.kind().into()))?;
    new.write_all(&encode(Epoch(0))).map_err(io("write", path))?;
    new.as_file().sync_all().map_err(io("sync", path))?;
    match new.persist_noclobber(path) {
        Ok(_) => {}
        Err(e) if e.error.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(io("create", path)(e.error)),
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("sync the directory of", path))
}

fn read_up_to(file: &File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_what_is_not_older_passes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("fence");
        assert!(matches!(fence(&path, Epoch(3)), Ok(Fenced::Passed { before: Epoch(0) })));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(fence(&path, Epoch(3)), Ok(Fenced::Passed { before: Epoch(3) })));
        assert!(matches!(fence(&path, Epoch(2)), Ok(Fenced::Stale { highest: Epoch(3) })));
        assert!(matches!(fence(&path, Epoch(u64::MAX)), Ok(Fenced::Passed { before: Epoch(3) })));
        assert!(matches!(fence(&path, Epoch(u64::MAX - 1)), Ok(Fenced::Stale { .. })));
        assert!(matches!(fence(&path, Epoch(0)), Err(FenceError::Zero)));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn an_error_names_the_file_that_was_asked_for() {
        let path = Path::new("/dev/null/fence");
        let told = fence(path, Epoch(3)).unwrap_err().to_string();
        assert!(told.contains("/dev/null/fence") && !told.contains(".tmp"), "{told}");
    }

    #[test]
    fn damage_never_passes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("fence");
        let whole = encode(Epoch(3));
        for damaged in [&b""[..], b"3\n", &whole[..whole.len() - 1], &[&whole[..], b"x"].concat()] {
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(fence(&path, Epoch(9)), Err(FenceError::Damaged { .. })), "{damaged:?}");
            assert_eq!(std::fs::read(&path).unwrap(), damaged);
        }
        std::fs::write(&path, whole).unwrap();
        assert!(matches!(fence(&path, Epoch(9)), Ok(Fenced::Passed { before: Epoch(3) })));
    }

    #[test]
    fn links_fifos_and_directories_are_no_fences() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fence(&at("real"), Epoch(1)).unwrap();
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        assert!(matches!(fence(&at("link"), Epoch(2)), Err(FenceError::Io { act: "open", .. })));
        let fifo = rustix::fs::CWD;
        rustix::fs::mknodat(fifo, at("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(matches!(fence(&at("fifo"), Epoch(2)), Err(FenceError::Damaged { .. })));
        assert!(matches!(fence(place.path(), Epoch(2)), Err(FenceError::Io { act: "open", .. })));
        assert!(matches!(fence(&at("none/fence"), Epoch(2)), Err(FenceError::Io { act: "create", .. })));
    }

    #[test]
    fn of_many_at_once_none_passes_behind_a_higher_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("fence");
        let passed = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for writer in 0..8_u64 {
                let (path, passed) = (&path, &passed);
                scope.spawn(move || {
                    for round in 0..10 {
                        let epoch = Epoch(1 + (writer * 7 + round * 11) % 80);
                        if let Fenced::Passed { before } = fence(path, epoch).unwrap() {
                            passed.lock().unwrap().push((before, epoch));
                        }
                    }
                });
            }
        });
        let mut passed = passed.into_inner().unwrap();
        assert!(passed.iter().all(|(before, epoch)| before <= epoch));
        // Each that raised the fence met exactly what another one had left: a chain without a fork.
        passed.retain(|(before, epoch)| before < epoch);
        passed.sort();
        assert_eq!(passed[0].0, Epoch(0));
        assert!(passed.windows(2).all(|pair| pair[0].1 == pair[1].0), "{passed:?}");
    }
}
