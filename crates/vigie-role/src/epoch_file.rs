//! An epoch on disk: one line of text of a fixed length, so that a person can read it and it can be replaced in
//! place.
//!
//! ```text
//! vigie-epoch 1 00000000000000000007 6364811c\n
//! └ what it is  └ 20 digits          └ CRC-32C of everything before, 8 hexadecimal digits
//! ```
//!
//! Anything else is damage. Damage is an error and never an epoch: who took it for a small number would let an old
//! principal in.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use vigie_model::Epoch;

/// What the line begins with.
const HEAD: &str = "vigie-epoch 1 ";
const DIGITS: usize = 20;
/// Length of the whole line, with its newline.
pub const LINE_BYTES: usize = HEAD.len() + DIGITS + 1 + 8 + 1;

/// The line of an epoch.
pub fn encode(epoch: Epoch) -> [u8; LINE_BYTES] {
    let said = format!("{HEAD}{:020}", epoch.0);
    let line = format!("{said} {:08x}\n", crc32c::crc32c(said.as_bytes()));
    let mut bytes = [b' '; LINE_BYTES];
    // Both have this length, whatever the epoch is.
    for (to, from) in bytes.iter_mut().zip(line.bytes()) {
        *to = from;
    }
    bytes
}

/// The epoch of a line; `None` for whatever [`encode`] does not write.
pub fn decode(line: &[u8]) -> Option<Epoch> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.strip_prefix(HEAD)?.get(..DIGITS)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let epoch = Epoch(digits.parse().ok()?);
    (encode(epoch) == line).then_some(epoch)
}

/// What could not be done with the directory of an epoch.
#[derive(Debug, thiserror::Error)]
pub enum EpochFileError {
    /// The system said no.
    #[error("cannot {act} {}: {source}", path.display())]
    Io {
        /// The act, as a verb.
        act: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has the directory.
    #[error("another process uses {}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It is no epoch.
    #[error("{} is damaged: it does not hold an epoch", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

fn io(act: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> EpochFileError {
    let path = path.to_owned();
    move |source| EpochFileError::Io { act, path, source }
}

/// The highest epoch of a server of plain lines, in a directory that belongs to it alone while it runs.
#[derive(Debug)]
pub struct EpochDir {
    dir: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
    highest: Epoch,
}

impl EpochDir {
    /// Opens the directory, or makes it.
    ///
    /// # Errors
    /// When another process uses it, or the epoch in it is damaged.
    pub fn open(dir: &Path) -> Result<Self, EpochFileError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("create", dir))?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
        let path = dir.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(EpochFileError::InUse { path: dir.to_owned() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(io("lock", &path)(source)),
        }
        let highest = read(&dir.join("epoch"))?.unwrap_or(Epoch(0));
        Ok(EpochDir { dir: dir.to_owned(), _lock: lock, highest })
    }

    /// The highest epoch that is durable; zero before the first.
    pub fn highest(&self) -> Epoch {
        self.highest
    }

    /// Makes an epoch durable: written beside, synced, renamed over the old one, and the name synced.
    ///
    /// # Errors
    /// What the system says. The epoch may be durable or not then, and nothing may be granted any more.
    pub fn write(&mut self, epoch: Epoch) -> Result<(), EpochFileError> {
        let new = self.dir.join("epoch.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(io("create", &new))?;
        file.write_all(&encode(epoch)).map_err(io("write", &new))?;
        file.sync_all().map_err(io("sync", &new))?;
        let path = self.dir.join("epoch");
        std::fs::rename(&new, &path).map_err(io("replace", &path))?;
        sync_dir(&self.dir)?;
        self.highest = epoch;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<Epoch>, EpochFileError> {
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io("open", path))?,
    };
    let mut bytes = Vec::with_capacity(LINE_BYTES + 1);
    file.take(LINE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io("read", path))?;
    decode(&bytes).map(Some).ok_or_else(|| EpochFileError::Damaged { path: path.to_owned() })
}

fn sync_dir(dir: &Path) -> Result<(), EpochFileError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(io("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_line_truncation_and_damage() {
        let line = encode(Epoch(7));
        assert_eq!(std::str::from_utf8(&line).unwrap(), "vigie-epoch 1 00000000000000000007 6364811c\n");
        assert_eq!(decode(&encode(Epoch(u64::MAX))), Some(Epoch(u64::MAX)));
        for cut in 0..line.len() {
            assert_eq!(decode(&line[..cut]), None, "{cut}");
        }
        for place in 0..line.len() {
            for bit in 0..8 {
                let mut damaged = line;
                damaged[place] ^= 1 << bit;
                assert_eq!(decode(&damaged), None, "byte {place}, bit {bit}");
            }
        }
        assert_eq!(decode(&[&line[..], b"\n"].concat()), None);
    }

    #[test]
    fn an_epoch_outlives_its_writer_and_has_one_writer() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("roles");
        let mut first = EpochDir::open(&dir).unwrap();
        assert_eq!(first.highest(), Epoch(0));
        first.write(Epoch(41)).unwrap();
        first.write(Epoch(42)).unwrap();
        assert!(matches!(EpochDir::open(&dir), Err(EpochFileError::InUse { .. })));
        drop(first);
        assert_eq!(EpochDir::open(&dir).unwrap().highest(), Epoch(42));
        std::fs::write(dir.join("epoch"), "").unwrap();
        assert!(matches!(EpochDir::open(&dir), Err(EpochFileError::Damaged { .. })));
    }
}
