//! Directories below the target, found so that no name in a stream and no symbolic link on disk leads out.

use crate::acl;
use crate::limits::KERNEL_PATH_BYTES_MAX;
use rustix::fs::{Mode, OFlags, ResolveFlags, getxattr, openat2, removexattr};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// How directories are held open: enough to reach what they hold, even where they may not be listed.
pub(super) const PATH_FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A directory that things are made in.
#[derive(Debug)]
pub(super) struct Dir {
    pub(super) fd: OwnedFd,
    /// New entries get a list of access from this directory, which has to be taken from them again.
    pub(super) inherits: bool,
}

impl Dir {
    pub(super) fn new(fd: OwnedFd) -> Self {
        let mut none: [u8; 0] = [];
        let inherits = !matches!(
            getxattr(by_descriptor(fd.as_fd()), acl::DEFAULT, &mut none[..]),
            Err(Errno::NODATA | Errno::OPNOTSUPP)
        );
        Dir { fd, inherits }
    }
}

/// A name for what a descriptor stands for, for system calls that do not take descriptors of this sort. It leads
/// to the object itself, also when that is a symbolic link.
pub(super) fn by_descriptor(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Takes from a new directory what it inherited, so that its own entries do not inherit it.
pub(super) fn disinherit(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    for name in [acl::DEFAULT, acl::ACCESS] {
        match removexattr(by_descriptor(fd), name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Opens what a path below `root` leads to. The kernel refuses any step through a symbolic link or out of
/// `root`. A path that is too long for one call is walked in several.
pub(super) fn open_beneath(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut from: Option<OwnedFd> = None;
    let mut rest = path;
    loop {
        let at = from.as_ref().map_or(root, AsFd::as_fd);
        if rest.len() <= KERNEL_PATH_BYTES_MAX {
            return open_step(at, if rest.is_empty() { b"." } else { rest }, flags);
        }
        let slash =
            rest[..KERNEL_PATH_BYTES_MAX].iter().rposition(|b| *b == b'/').ok_or(Errno::NAMETOOLONG)?;
        let next = open_step(at, &rest[..slash], PATH_FLAGS)?;
        from = Some(next);
        rest = &rest[slash + 1..];
    }
}

fn open_step(at: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
    /// The kernel gives up when something is renamed meanwhile; that cannot go on for ever.
    const TRIES: usize = 100;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    for _ in 0..TRIES {
        match openat2(at, path, flags, Mode::empty(), BENEATH) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// The directories below a target, with the one last used at hand: a stream brings the entries of a directory
/// together.
#[derive(Debug)]
pub(super) struct Tree {
    root: Arc<Dir>,
    last: (Vec<u8>, Arc<Dir>),
}

impl Tree {
    pub(super) fn new(root: OwnedFd) -> Self {
        let root = Arc::new(Dir::new(root));
        Tree { last: (Vec::new(), root.clone()), root }
    }

    /// The directory at `path`; empty is the root.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<Arc<Dir>, Errno> {
        if self.last.0 != path {
            let fd = open_beneath(self.root.fd.as_fd(), path, PATH_FLAGS)?;
            self.last = (path.to_vec(), Arc::new(Dir::new(fd)));
        }
        Ok(self.last.1.clone())
    }

    /// Opens a directory so that its metadata can be changed.
    pub(super) fn open(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        open_beneath(self.root.fd.as_fd(), path, OFlags::RDONLY | OFlags::DIRECTORY)
    }
}
