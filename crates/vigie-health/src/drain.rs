//! Taken out of service by hand, and remembered: a load balancer that was told `drain` stays at that until it is
//! told otherwise, so whoever restarts must still know.
//!
//! The file `drain.json` in the state directory is there while drained. That it is there is what counts; what it
//! holds is only why and since when, so a damaged one is a drain, too.

use crate::checks::one_line;
use crate::limits::{DRAIN_FILE_BYTES_MAX, REASON_BYTES_MAX};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;
use vigie_model::UnixNanos;

/// The file's name.
const FILE: &str = "drain.json";

/// Why a drain could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {}: {source}", path.display())]
pub struct DrainError {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A drain that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Why, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    #[serde(default)]
    pub since_unix_ns: i64,
}

/// Whether this machine is drained: on disk first, then here.
#[derive(Debug)]
pub struct Drain {
    dir: PathBuf,
    state: watch::Sender<Option<Drained>>,
    /// One change at a time, or disk and memory could end up differently.
    writing: Mutex<()>,
}

impl Drain {
    /// Reads what the last life left; makes the directory where there is none.
    ///
    /// # Errors
    /// What cannot be made or read. It cannot be said then whether this machine is drained.
    pub fn open(dir: &Path) -> Result<Self, DrainError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create", dir))?;
        let drained = read(&dir.join(FILE))?;
        Ok(Drain { dir: dir.to_owned(), state: watch::Sender::new(drained), writing: Mutex::new(()) })
    }

    /// What holds now.
    pub fn now(&self) -> Option<Drained> {
        self.state.borrow().clone()
    }

    /// Drains, durably. One that is drained already stays so since then, with the new reason if there is one.
    /// Waits for the disk.
    ///
    /// # Errors
    /// What could not be written; nothing has changed then.
    pub fn drain(&self, reason: Option<&str>, now: UnixNanos) -> Result<Drained, DrainError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = reason.map(|text| one_line(text, REASON_BYTES_MAX)).filter(|text| !text.is_empty());
        let drained = match self.now() {
            Some(old) => Drained { reason: reason.or(old.reason), since_unix_ns: old.since_unix_ns },
            None => Drained { reason, since_unix_ns: now.0 },
        };
        write(&self.dir, &drained)?;
        self.state.send_replace(Some(drained.clone()));
        Ok(drained)
    }

    /// Ends a drain, durably; true when there was one. Waits for the disk.
    ///
    /// # Errors
    /// What could not be removed; the drain holds then.
    pub fn undrain(&self) -> Result<bool, DrainError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.dir.join(FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("remove", &path)(error)),
            _ => {}
        }
        sync_dir(&self.dir)?;
        Ok(self.state.send_replace(None).is_some())
    }
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DrainError {
    let path = path.to_owned();
    move |source| DrainError { act, path, source }
}

fn read(path: &Path) -> Result<Option<Drained>, DrainError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed("open", path))?,
    };
    let mut bytes = Vec::new();
    file.take(DRAIN_FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some(decode(&bytes).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "damaged; this machine is drained until it is undrained");
        Drained { reason: Some("the file of the drain is damaged".to_owned()), since_unix_ns: 0 }
    })))
}

/// Reads the file of a drain. Public for the fuzzer.
#[doc(hidden)]
pub fn decode(bytes: &[u8]) -> Result<Drained, serde_json::Error> {
    let mut drained: Drained = serde_json::from_slice(bytes)?;
    drained.reason =
        drained.reason.map(|reason| one_line(&reason, REASON_BYTES_MAX)).filter(|r| !r.is_empty());
    Ok(drained)
}

/// Whole or not at all, and durable when it returns.
fn write(dir: &Path, drained: &Drained) -> Result<(), DrainError> {
    let (new, path) = (dir.join("drain.json.new"), dir.join(FILE));
    let mut bytes = serde_json::to_vec(drained).map_err(|e| failed("write", &new)(e.into()))?;
    bytes.push(b'\n');
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(&new)
        .map_err(failed("create", &new))?;
    file.write_all(&bytes).map_err(failed("write", &new))?;
    file.sync_all().map_err(failed("sync", &new))?;
    std::fs::rename(&new, &path).map_err(failed("replace", &path))?;
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<(), DrainError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_survives_and_ends() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("state");
        let drain = Drain::open(&dir).unwrap();
        assert_eq!(drain.now(), None);
        assert!(!drain.undrain().unwrap());
        let drained = drain.drain(Some("new\nkernel "), UnixNanos(7)).unwrap();
        assert_eq!(drained, Drained { reason: Some("new kernel".into()), since_unix_ns: 7 });
        let next = Drain::open(&dir).unwrap();
        assert_eq!(next.now(), Some(drained));
        // Said again: since then, and for the reason that was given last.
        let again = next.drain(None, UnixNanos(9)).unwrap();
        assert_eq!(again, Drained { reason: Some("new kernel".into()), since_unix_ns: 7 });
        assert!(next.undrain().unwrap());
        assert_eq!(Drain::open(&dir).unwrap().now(), None);
    }

    #[test]
    fn a_damaged_file_is_still_a_drain() {
        let dir = tempfile::tempdir().unwrap();
        Drain::open(dir.path()).unwrap().drain(Some("x"), UnixNanos(7)).unwrap();
        let whole = std::fs::read(dir.path().join(FILE)).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(dir.path().join(FILE), &whole[..cut]).unwrap();
            let drain = Drain::open(dir.path()).unwrap();
            assert!(drain.now().is_some(), "cut at {cut}");
        }
        for bytes in [&b"null"[..], b"{\"reason\":5}", &[0xff; 100], &vec![b'['; 1 << 20]] {
            std::fs::write(dir.path().join(FILE), bytes).unwrap();
            let reason = Drain::open(dir.path()).unwrap().now().unwrap().reason;
            assert_eq!(reason.as_deref(), Some("the file of the drain is damaged"));
        }
        assert!(Drain::open(dir.path()).unwrap().undrain().unwrap());
    }

    #[test]
    fn what_a_crash_left_half_written_is_no_drain() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("drain.json.new"), b"{\"rea").unwrap();
        let drain = Drain::open(dir.path()).unwrap();
        assert_eq!(drain.now(), None);
        drain.drain(None, UnixNanos(1)).unwrap();
        assert!(!dir.path().join("drain.json.new").exists());
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let drain = Drain::open(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join("drain.json.new")).unwrap();
        let error = drain.drain(None, UnixNanos(1)).unwrap_err();
        assert!(error.to_string().starts_with("cannot create "), "{error}");
        assert_eq!(drain.now(), None);
    }
}
