//! Where files arrive here: below one directory, and nowhere else. Every directory is held open and every name is one
//! name in it, so that nobody, neither the other side nor a link that is made meanwhile, leads a file elsewhere.

use super::class::{CopyClass, Trouble};
use super::temporary_name;
use crate::ssh::sftp::check_name;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory here, held open.
#[derive(Clone, Debug)]
pub(super) struct Landing {
    dir: Arc<OwnedFd>,
    /// As it is shown.
    pub(super) path: PathBuf,
}

/// A file that is not whole yet. Dropped before it is, it is taken away.
pub(super) struct Arriving {
    landing: Landing,
    temporary: String,
    name: String,
    pub(super) file: tokio::fs::File,
    is_whole: bool,
}

const DIR: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::RDONLY);

impl Landing {
    /// A directory that the user named, wherever links lead on the way to it.
    pub(super) fn open(path: &Path) -> Result<Landing, Trouble> {
        let dir = rustix::fs::open(path, DIR, Mode::empty())
            .map_err(|e| Trouble::here(&format!("open the directory {}", path.display()), &e.into()))?;
        Ok(Landing { dir: Arc::new(dir), path: path.to_owned() })
    }

    /// A directory in it, made if there is none. A link is not followed.
    pub(super) fn enter(&self, name: &str) -> Result<Landing, Trouble> {
        check(name)?;
        let failed = |act, e: rustix::io::Errno| Trouble::here(act, &e.into());
        match rustix::fs::mkdirat(&self.dir, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(failed("make the directory", error)),
        }
        let dir = rustix::fs::openat(&self.dir, name, DIR | OFlags::NOFOLLOW, Mode::empty());
        match dir {
            Ok(dir) => Ok(Landing { dir: Arc::new(dir), path: self.path.join(name) }),
            Err(rustix::io::Errno::LOOP) => Err(link_in_the_way()),
            Err(rustix::io::Errno::NOTDIR) => match self.kind(name) {
                Ok(Some(FileType::Symlink)) => Err(link_in_the_way()),
                _ => Err(Trouble::new(CopyClass::InTheWay, "it is there, and is no directory")),
            },
            Err(error) => Err(failed("open the directory", error)),
        }
    }

    /// What has a name in it.
    fn kind(&self, name: &str) -> io::Result<Option<FileType>> {
        match rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn check_replaced(&self, name: &str) -> Result<Option<FileType>, Trouble> {
        let kind = self.kind(name).map_err(|e| Trouble::here("look at it", &e))?;
        match kind {
            None | Some(FileType::RegularFile | FileType::Symlink) => Ok(kind),
            Some(FileType::Directory) => {
                Err(Trouble::new(CopyClass::InTheWay, "there is a directory of this name here"))
            }
            Some(_) => Err(Trouble::new(
                CopyClass::InTheWay,
                "there is a device, a pipe or a socket of this name here, which is not replaced",
            )),
        }
    }

    /// A new file for a name. It has the mode of the file that it replaces, else this one less the umask.
    pub(super) fn begin(&self, name: &str, mode: u32) -> Result<Arriving, Trouble> {
        check(name)?;
        let replaced = self.check_replaced(name)?;
        let temporary = temporary_name()?;
        let failed = |e: rustix::io::Errno| Trouble::here("make a file", &e.into());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(&self.dir, temporary.as_str(), flags, Mode::from_raw_mode(mode & 0o777))
                .map_err(failed)?;
        let arriving = Arriving {
            landing: self.clone(),
            temporary,
            name: name.to_owned(),
            file: tokio::fs::File::from_std(std::fs::File::from(file)),
            is_whole: false,
        };
        if replaced == Some(FileType::RegularFile) {
            let there = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            let owner = (rustix::fs::Uid::from_raw(there.st_uid), rustix::fs::Gid::from_raw(there.st_gid));
            // Only root can give files away; whoever replaces another's file then owns it, as with any editor.
            let _ = rustix::fs::fchown(&arriving.file, Some(owner.0), Some(owner.1));
            rustix::fs::fchmod(&arriving.file, Mode::from_raw_mode(there.st_mode & 0o777)).map_err(failed)?;
        }
        Ok(arriving)
    }

    /// A symbolic link, in place of what has its name.
    pub(super) fn link(&self, name: &str, target: &str) -> Result<(), Trouble> {
        check(name)?;
        self.check_replaced(name)?;
        let temporary = temporary_name()?;
        let failed = |e: rustix::io::Errno| Trouble::here("make a symbolic link", &e.into());
        rustix::fs::symlinkat(target, &self.dir, temporary.as_str()).map_err(failed)?;
        rustix::fs::renameat(&self.dir, temporary.as_str(), &self.dir, name).map_err(|error| {
            // What cannot be taken away is what could not be renamed; one reason is enough.
            let _ = rustix::fs::unlinkat(&self.dir, temporary.as_str(), AtFlags::empty());
            failed(error)
        })
    }

    /// Gives the directory its mode and times, when all is in it.
    pub(super) fn set(&self, mode: u32, times: (u32, u32)) -> Result<(), Trouble> {
        set(&*self.dir, mode, times)
    }
}

impl Arriving {
    /// Brings it to the disk and gives it its name. It replaces what has that name at one stroke.
    pub(super) async fn finish(mut self, preserved: Option<(u32, (u32, u32))>) -> Result<(), Trouble> {
        if let Some((mode, times)) = preserved {
            set(&self.file, mode, times)?;
        }
        self.file.sync_all().await.map_err(|e| Trouble::here("bring it to the disk", &e))?;
        let dir = &self.landing.dir;
        rustix::fs::renameat(dir, self.temporary.as_str(), dir, self.name.as_str())
            .map_err(|e| Trouble::here("give it its name", &e.into()))?;
        self.is_whole = true;
        // The name must last as the content does.
        rustix::fs::fsync(dir).map_err(|e| Trouble::here("bring its name to the disk", &e.into()))
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if self.is_whole {
            return;
        }
        let gone = rustix::fs::unlinkat(&self.landing.dir, self.temporary.as_str(), AtFlags::empty());
        if let Err(error) = gone {
            let path = self.landing.path.join(&self.temporary);
            tracing::warn!(%error, path = %path.display(), "cannot remove a half-written file");
        }
    }
}

fn set(file: impl AsFd, mode: u32, (atime, mtime): (u32, u32)) -> Result<(), Trouble> {
    let time = |seconds: u32| Timespec { tv_sec: i64::from(seconds), tv_nsec: 0 };
    let times = Timestamps { last_access: time(atime), last_modification: time(mtime) };
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o777))
        .and_then(|()| rustix::fs::futimens(&file, &times))
        .map_err(|e| Trouble::here("set its mode and times", &e.into()))
}

fn check(name: &str) -> Result<(), Trouble> {
    check_name(name).map_err(|why| {
        Trouble::new(CopyClass::LeadsOut, format!("the server names it {name:?}, which is refused: {why}"))
    })
}

fn link_in_the_way() -> Trouble {
    Trouble::new(
        CopyClass::LeadsOut,
        "it is a symbolic link here, which is not followed: it may lead anywhere",
    )
}

/// Whether a link's target stays below where its tree begins, `depth` directories above it. Only a target that climbs
/// first and then descends is taken: behind the name of another link, `..` leads from where that one leads to.
pub(super) fn stays_inside(target: &str, depth: usize) -> bool {
    if target.is_empty() || target.starts_with('/') || target.contains(['\0', char::REPLACEMENT_CHARACTER]) {
        return false;
    }
    let mut names = target.split('/').filter(|name| !matches!(*name, "" | ".")).peekable();
    let mut climbed = 0;
    while names.next_if_eq(&"..").is_some() {
        climbed += 1;
    }
    climbed <= depth && names.all(|name| name != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_climbs_out_is_told_from_one_that_does_not() {
        for (target, depth) in [("a", 0), ("../a", 1), (".", 0), ("./a//b", 0), ("../../a", 2)] {
            assert!(stays_inside(target, depth), "{target} from {depth}");
        }
        for (target, depth) in [("/etc", 9), ("..", 0), ("../a", 0), ("x/y/../z", 9), ("", 3), ("a\0", 0)] {
            assert!(!stays_inside(target, depth), "{target} from {depth}");
        }
    }

    #[tokio::test]
    async fn a_link_is_not_entered_and_half_a_file_is_gone() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let landing = Landing::open(dir.path()).unwrap();
        assert_eq!(landing.enter("sub").unwrap_err().class, CopyClass::LeadsOut);
        assert_eq!(landing.enter("file").unwrap_err().class, CopyClass::InTheWay);
        assert_eq!(landing.enter("..").unwrap_err().class, CopyClass::LeadsOut);
        assert_eq!(landing.begin("a/b", 0o644).err().unwrap().class, CopyClass::LeadsOut);
        drop(landing.begin("new", 0o644).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        landing.begin("sub", 0o644).unwrap().finish(None).await.unwrap();
        assert!(dir.path().join("sub").symlink_metadata().unwrap().is_file());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
