//! Files that nobody else may read: keys, certificates, invites. Written whole or not at all, and durable
//! when the call returns.

use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Longest file read: the longest that this crate writes is a list of a few thousand invites.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What could not be done to a private file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
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
    /// Others may read it: what it holds may no longer be a secret.
    #[error("{} has mode {mode:03o}, so that others can read it: chmod 600 it, and replace what it holds", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Too long to be a file of this program.
    #[error("{} is longer than any file of this kind can be", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

fn io(act: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { act, path, source }
}

/// Makes a directory of mode 0700 unless there is one.
pub(crate) fn make_dir(dir: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("create", dir))?;
    if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        sync_dir(parent)?;
    }
    Ok(())
}

/// Replaces the file `dir/name` by one of mode 0600 with these bytes.
pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    let new = dir.join(format!("{name}.new"));
    // What a crash left under this name was never in use.
    remove_path(&new)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(&new)
        .map_err(io("create", &new))?;
    file.write_all(bytes).map_err(io("write", &new))?;
    file.sync_all().map_err(io("sync", &new))?;
    let path = dir.join(name);
    std::fs::rename(&new, &path).map_err(io("replace", &path))?;
    sync_dir(dir)
}

/// The bytes of the file `dir/name`, or `None` when there is none.
pub(crate) fn read(dir: &Path, name: &str) -> Result<Option<Vec<u8>>, FileError> {
    let path = dir.join(name);
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(&path);
    let file = match file {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io("open", &path))?,
    };
    let mode = file.metadata().map_err(io("look at", &path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed { path, mode });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io("read", &path))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLong { path });
    }
    Ok(Some(bytes))
}

/// Removes `dir/name`, if it is there.
pub(crate) fn remove(dir: &Path, name: &str) -> Result<(), FileError> {
    remove_path(&dir.join(name))?;
    sync_dir(dir)
}

fn remove_path(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io("remove", path)(e)),
        _ => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(io("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_files_are_private_and_replace_each_other_whole() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("pki");
        make_dir(&dir).unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(read(&dir, "a").unwrap(), None);
        std::fs::write(dir.join("a.new"), b"left by a crash").unwrap();
        write(&dir, "a", b"one").unwrap();
        write(&dir, "a", b"two").unwrap();
        assert_eq!(read(&dir, "a").unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(std::fs::metadata(dir.join("a")).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!dir.join("a.new").exists());
        remove(&dir, "a").unwrap();
        remove(&dir, "a").unwrap();
        assert_eq!(read(&dir, "a").unwrap(), None);
    }

    #[test]
    fn files_that_others_can_read_and_links_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path();
        write(dir, "a", b"secret").unwrap();
        std::os::unix::fs::symlink(dir.join("a"), dir.join("link")).unwrap();
        assert!(matches!(read(dir, "link"), Err(FileError::Io { act: "open", .. })));
        std::fs::set_permissions(dir.join("a"), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(dir, "a"), Err(FileError::Exposed { mode: 0o640, .. })));
    }
}
