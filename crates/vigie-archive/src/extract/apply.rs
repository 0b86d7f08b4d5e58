//! Giving an object its recorded metadata, in the order that keeps it: owner, extended attributes, mode, times.
//! A change of owner drops set-user-id bits and capabilities, so it comes first; a list of access rewrites the
//! group's bits, so the mode comes after it; a read-only mode would forbid attributes; times come last because
//! nothing after them may touch the object.

use super::place::by_descriptor;
use super::report::Act;
use super::shared::Shared;
use crate::acl;
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmodat, chownat,
    fchmod, flistxattr, fremovexattr, fsetxattr, fstat, futimens, listxattr, removexattr, setxattr,
    utimensat,
};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use vigie_model::{FileTime, Metadata, NodeType};

const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;

/// The number that nobody can have: to `chown(2)` it means that nothing is to change, and that succeeds.
const NO_ID: u32 = u32::MAX;

/// Attribute names of a node altogether, at most (`XATTR_LIST_MAX`, `limits.h`).
const LIST_BYTES: usize = 64 * 1024;

/// An open object and where it is in the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) fd: BorrowedFd<'a>,
    /// The descriptor only stands for the object (`O_PATH`): some calls then want a name.
    pub(super) by_name: bool,
    /// Path below the target, for reports.
    pub(super) path: &'a [u8],
    /// The object may have attributes that are not recorded: it was there before, or inherited them.
    pub(super) unclean: bool,
}

/// Gives an object its metadata. What fails is reported, and the rest goes on.
pub(super) fn apply(shared: &Shared, subject: Subject<'_>, meta: &Metadata) {
    let stat = match fstat(subject.fd) {
        Ok(stat) => stat,
        Err(errno) => return shared.failed(subject.path, Act::Mode, errno.into()),
    };
    let owned = own(shared, subject, meta, &stat);
    let touched = xattrs(shared, subject, meta) || owned.changed;
    let mode = owned.allowed_mode(meta);
    let has_mode = !matches!(meta.node_type, NodeType::Symlink { .. });
    if has_mode && (touched || stat.st_mode & 0o7777 != mode) {
        let done = if subject.by_name {
            chmodat(CWD, by_descriptor(subject.fd), Mode::from_raw_mode(mode), AtFlags::empty())
        } else {
            fchmod(subject.fd, Mode::from_raw_mode(mode))
        };
        report(shared, subject, Act::Mode, done);
    }
    report(shared, subject, Act::Times, set_mtime(subject, meta.mtime));
}

fn report(shared: &Shared, subject: Subject<'_>, act: Act, done: Result<(), Errno>) {
    if let Err(errno) = done {
        shared.failed(subject.path, act, errno.into());
    }
}

// === owner ===

/// How the giving of an owner went.
struct Owned {
    changed: bool,
    user: bool,
    group: bool,
}

impl Owned {
    /// The recorded mode without the bits that would lend the rights of somebody it was not recorded for.
    fn allowed_mode(&self, meta: &Metadata) -> u32 {
        let user = if self.user { 0 } else { SET_USER_ID };
        let group = if self.group || meta.node_type == NodeType::Directory { 0 } else { SET_GROUP_ID };
        meta.mode & 0o7777 & !user & !group
    }
}

/// Gives owner and group. Where that is not allowed, the group alone is tried: a user may give a file to any
/// group of his own.
fn own(shared: &Shared, subject: Subject<'_>, meta: &Metadata, stat: &Stat) -> Owned {
    let (user, group) = (stat.st_uid == meta.uid, stat.st_gid == meta.gid);
    if user && group {
        return Owned { changed: false, user, group };
    }
    let chown = |uid: Option<u32>, gid: Option<u32>| match (uid, gid) {
        (Some(NO_ID), _) | (_, Some(NO_ID)) => Err(Errno::INVAL),
        (uid, gid) => {
            let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
            chownat(subject.fd, c"", uid, gid, AtFlags::EMPTY_PATH)
        }
    };
    let Err(errno) = chown(Some(meta.uid), Some(meta.gid)) else {
        return Owned { changed: true, user: true, group: true };
    };
    let group = group || chown(None, Some(meta.gid)).is_ok();
    let why = format_args!("cannot give it to {}:{}: {}", meta.uid, meta.gid, std::io::Error::from(errno));
    shared.problem(subject.path, Act::Owner, why);
    Owned { changed: true, user, group }
}

// === extended attributes ===

/// Sets what is recorded and removes what is not. Gives whether anything was changed.
fn xattrs(shared: &Shared, subject: Subject<'_>, meta: &Metadata) -> bool {
    let mut touched = false;
    if subject.unclean {
        match excess(subject, meta) {
            Ok(names) => {
                for name in names {
                    touched = true;
                    report(shared, subject, Act::Xattr, remove(subject, &name));
                }
            }
            Err(Errno::OPNOTSUPP) => {}
            Err(errno) => shared.failed(subject.path, Act::Xattr, errno.into()),
        }
    }
    for xattr in &meta.xattrs {
        touched = true;
        let set = if subject.by_name {
            setxattr(by_descriptor(subject.fd), &xattr.name[..], &xattr.value, XattrFlags::empty())
        } else {
            fsetxattr(subject.fd, &xattr.name[..], &xattr.value, XattrFlags::empty())
        };
        if let Err(errno) = set {
            let why = format_args!("{}: {}", xattr.name.escape_ascii(), std::io::Error::from(errno));
            shared.problem(subject.path, Act::Xattr, why);
        }
    }
    touched
}

/// Attributes that the object has and that are not recorded. Those that the system keeps for itself (labels of
/// security modules, file-system internals) are not ours to remove.
fn excess(subject: Subject<'_>, meta: &Metadata) -> Result<Vec<Vec<u8>>, Errno> {
    let mut list = vec![0; LIST_BYTES];
    let length = if subject.by_name {
        listxattr(by_descriptor(subject.fd), &mut list[..])?
    } else {
        flistxattr(subject.fd, &mut list[..])?
    };
    let ours = |name: &&[u8]| {
        name.starts_with(b"user.")
            || name.starts_with(b"trusted.")
            || [acl::ACCESS, acl::DEFAULT, b"security.capability"].contains(name)
    };
    let recorded = |name: &&[u8]| meta.xattrs.iter().any(|x| x.name == *name);
    let names = list[..length].split(|b| *b == 0).filter(ours).filter(|name| !recorded(name));
    Ok(names.map(<[u8]>::to_vec).collect())
}

fn remove(subject: Subject<'_>, name: &[u8]) -> Result<(), Errno> {
    if subject.by_name {
        removexattr(by_descriptor(subject.fd), name)
    } else {
        fremovexattr(subject.fd, name)
    }
}

// === times ===

fn set_mtime(subject: Subject<'_>, mtime: FileTime) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: i64::from(mtime.nanos) },
    };
    if subject.by_name {
        utimensat(subject.fd, c"", &times, AtFlags::EMPTY_PATH)
    } else {
        futimens(subject.fd, &times)
    }
}
