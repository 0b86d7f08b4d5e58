//! The target: what is there already, and whether it may be used.

use super::TargetError;
use super::place::{Dir, PATH_FLAGS};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What has the target's name before anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    EmptyDirectory,
    FullDirectory,
    /// Anything but a directory.
    Other,
}

/// A target that may be used.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    /// The directory that holds it and its name there; `None` for `.`, `..`, `/` and what ends with a slash
    /// and is there: a directory that can only be used as it is.
    spot: Option<(Arc<Dir>, Vec<u8>)>,
    pub(super) found: Found,
}

impl Target {
    /// Looks at a target, without changing anything.
    pub(super) fn look(path: &Path, force: bool) -> Result<Self, TargetError> {
        let unusable = |source: Errno| TargetError::Unusable { path: path.into(), source: source.into() };
        let (parent, name) = part(path);
        let ends_open = path.as_os_str().as_bytes().ends_with(b"/");
        let is_directory = || statat(CWD, path, AtFlags::empty()).is_ok_and(|s| is_dir(s.st_mode));
        let (spot, found) = match name {
            Some(name) if !(ends_open && is_directory()) => {
                let parent_error = |e: Errno| TargetError::Parent { path: path.into(), source: e.into() };
                let fd = openat(CWD, parent, PATH_FLAGS, Mode::empty()).map_err(parent_error)?;
                let found = look_at(fd.as_fd(), name).map_err(unusable)?;
                (Some((Arc::new(Dir::new(fd)), name.to_vec())), found)
            }
            _ => (None, fullness(CWD, path.as_os_str().as_bytes()).map_err(unusable)?),
        };
        if !force && matches!(found, Found::FullDirectory | Found::Other) {
            return Err(TargetError::Exists(path.into()));
        }
        Ok(Target { path: path.into(), spot, found })
    }

    /// Where a tree goes that is one single object.
    pub(super) fn for_object(&self) -> Result<(Arc<Dir>, Vec<u8>), TargetError> {
        match (&self.spot, self.found) {
            (Some(spot), Found::Nothing | Found::Other) => Ok(spot.clone()),
            _ => Err(TargetError::Directory(self.path.clone())),
        }
    }

    /// Makes the target a directory, or takes the one that is there, and opens it.
    pub(super) fn open_directory(&self) -> Result<OwnedFd, TargetError> {
        self.try_open().map_err(|source| match source {
            Errno::EXIST => TargetError::Exists(self.path.clone()),
            other => self.unusable(other),
        })
    }

    /// Whether a directory just made for the target inherited a list of access.
    pub(super) fn inherits(&self) -> bool {
        let made = matches!(self.found, Found::Nothing | Found::Other);
        made && self.spot.as_ref().is_some_and(|(dir, _)| dir.inherits)
    }

    pub(super) fn unusable(&self, source: Errno) -> TargetError {
        TargetError::Unusable { path: self.path.clone(), source: source.into() }
    }

    fn try_open(&self) -> Result<OwnedFd, Errno> {
        let Some((dir, name)) = &self.spot else {
            return openat(CWD, &self.path, PATH_FLAGS, Mode::empty());
        };
        if self.found == Found::Other {
            unlinkat(&dir.fd, &name[..], AtFlags::empty())?;
        }
        if matches!(self.found, Found::Nothing | Found::Other) {
            mkdirat(&dir.fd, &name[..], Mode::RWXU)?;
        }
        openat(&dir.fd, &name[..], PATH_FLAGS | OFlags::NOFOLLOW, Mode::empty())
    }
}

/// Parts a path into the directory that holds it and the last name; no name when it is `/`, or ends in `.` or
/// `..`.
fn part(path: &Path) -> (&Path, Option<&[u8]>) {
    let bytes = path.as_os_str().as_bytes();
    let end = bytes.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    let start = bytes[..end].iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    let parent = if start == 0 { Path::new(".") } else { Path::new(OsStr::from_bytes(&bytes[..start])) };
    match &bytes[start..end] {
        b"" | b"." | b".." => (parent, None),
        name => (parent, Some(name)),
    }
}

fn is_dir(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Directory
}

/// What has this name; symbolic links are not followed.
fn look_at(dir: impl AsFd, name: &[u8]) -> Result<Found, Errno> {
    match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(Found::Nothing),
        Err(other) => Err(other),
        Ok(stat) if is_dir(stat.st_mode) => fullness(dir, name),
        Ok(_) => Ok(Found::Other),
    }
}

fn fullness(dir: impl AsFd, path: &[u8]) -> Result<Found, Errno> {
    let fd = openat(dir, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for entry in rustix::fs::Dir::new(fd)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(Found::FullDirectory);
        }
    }
    Ok(Found::EmptyDirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_parted_like_the_kernel_does() {
        let cases = [
            ("a", ".", Some("a")),
            ("a/", ".", Some("a")),
            ("/a", "/", Some("a")),
            ("x/y//z//", "x/y//", Some("z")),
            ("/", ".", None),
            (".", ".", None),
            ("a/..", "a/", None),
            ("", ".", None),
        ];
        for (path, parent, name) in cases {
            let (p, n) = part(Path::new(path));
            assert_eq!((p, n), (Path::new(parent), name.map(str::as_bytes)), "{path:?}");
        }
    }
}
