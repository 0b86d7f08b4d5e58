//! Making the objects that a directory holds. A new one is made under its own name, which must be free; with
//! `force`, where the name is taken, under a temporary one, and then put in its place in one step.

use super::apply::{Subject, apply};
use super::place::Dir;
use super::report::Act;
use super::shared::{Absent, Shared};
use crate::limits::HOLE_BYTES;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fstat, ftruncate, linkat, makedev, mknodat, openat, renameat, statat,
    symlinkat, unlinkat,
};
use rustix::io::{Errno, pwrite};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use vigie_model::{Metadata, NodeType};

/// A name in a directory, and where that is below the target.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) dir: Arc<Dir>,
    pub(super) name: Vec<u8>,
    pub(super) path: Vec<u8>,
}

/// What failed, and why.
pub(super) type Failure = (Act, io::Error);

fn failure(act: Act) -> impl Fn(Errno) -> Failure {
    move |errno| (act, errno.into())
}

fn refusal(act: Act, why: &'static str) -> Failure {
    (act, io::Error::other(why))
}

// === names ===

/// A name that something was made under; it is taken away again unless the thing gets to its place.
#[derive(Debug)]
struct Made<'a> {
    spot: &'a Spot,
    temporary: Option<Vec<u8>>,
    placed: bool,
}

impl<'a> Made<'a> {
    /// Has something made under the spot's name, or under a temporary one when that is taken and may be
    /// replaced.
    fn new<T>(
        shared: &Shared,
        spot: &'a Spot,
        mut make: impl FnMut(&[u8]) -> Result<T, Errno>,
    ) -> Result<(Self, T), Failure> {
        match make(&spot.name) {
            Ok(made) => return Ok((Made { spot, temporary: None, placed: false }, made)),
            Err(Errno::EXIST) if shared.force => {}
            Err(Errno::EXIST) => {
                return Err(refusal(Act::Create, "something with that name is there already"));
            }
            Err(errno) => return Err((Act::Create, errno.into())),
        }
        let old = statat(&spot.dir.fd, &spot.name[..], AtFlags::SYMLINK_NOFOLLOW);
        if old.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory) {
            return Err(refusal(Act::Replace, "a directory is in the way"));
        }
        let name = shared.temporary();
        let made = make(&name).map_err(failure(Act::Create))?;
        Ok((Made { spot, temporary: Some(name), placed: false }, made))
    }

    fn name(&self) -> &[u8] {
        self.temporary.as_deref().unwrap_or(&self.spot.name)
    }

    /// Puts what was made in its place.
    fn place(mut self) -> Result<(), Failure> {
        let dir = &self.spot.dir.fd;
        if let Some(temporary) = &self.temporary {
            renameat(dir, &temporary[..], dir, &self.spot.name[..]).map_err(|errno| match errno {
                Errno::ISDIR => refusal(Act::Replace, "a directory is in the way"),
                other => (Act::Replace, other.into()),
            })?;
        }
        self.placed = true;
        Ok(())
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // Nothing more can be done about it, and the failure that led here is reported.
            let _ = unlinkat(&self.spot.dir.fd, self.name(), AtFlags::empty());
        }
    }
}

// === files ===

/// A file being written.
#[derive(Debug)]
pub(super) struct NewFile<'a> {
    shared: &'a Shared,
    made: Made<'a>,
    fd: OwnedFd,
    /// Bytes that came, and the end of those that are not in a hole.
    came: u64,
    written: u64,
}

impl<'a> NewFile<'a> {
    /// Makes an empty file that nobody may read who may not read the finished one.
    pub(super) fn begin(shared: &'a Shared, spot: &'a Spot, meta: &Metadata) -> Result<Self, Failure> {
        let own = meta.uid == shared.uid && meta.gid == shared.gid && meta.xattrs.is_empty();
        let mode = if own { meta.mode & 0o777 } else { 0o600 };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let make = |name: &[u8]| openat(&spot.dir.fd, name, flags, Mode::from_raw_mode(mode));
        let (made, fd) = Made::new(shared, spot, make)?;
        Ok(NewFile { shared, made, fd, came: 0, written: 0 })
    }

    /// Appends bytes. Aligned pieces of zeros are passed over, and become holes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let zeros = rest.len() - after_zeros(self.came, rest).len();
            self.came += zeros as u64;
            rest = &rest[zeros..];
            let data = before_zeros(self.came, rest);
            self.put(data)?;
            rest = &rest[data.len()..];
        }
        Ok(())
    }

    fn put(&mut self, mut data: &[u8]) -> Result<(), Failure> {
        while !data.is_empty() {
            match pwrite(&self.fd, data, self.came) {
                Ok(0) => return Err((Act::Write, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    self.came += count as u64;
                    data = &data[count..];
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err((Act::Write, errno.into())),
            }
            self.written = self.came;
        }
        Ok(())
    }

    /// Gives the file its metadata and its place.
    pub(super) fn finish(self, meta: &Metadata) -> Result<(), Failure> {
        if self.written < self.came {
            ftruncate(&self.fd, self.came).map_err(failure(Act::Write))?;
        }
        let Spot { dir, path, .. } = self.made.spot;
        let subject = Subject { fd: self.fd.as_fd(), by_name: false, path, unclean: dir.inherits };
        apply(self.shared, subject, meta);
        self.made.place()
    }
}

/// Splits at the next border between aligned pieces of a file.
fn aligned(at: u64, bytes: &[u8]) -> &[u8] {
    let border = HOLE_BYTES - (at % HOLE_BYTES as u64) as usize;
    &bytes[..border.min(bytes.len())]
}

fn is_hole(piece: &[u8]) -> bool {
    piece.len() == HOLE_BYTES && piece.chunks(256).all(|part| part.iter().fold(0, |all, b| all | b) == 0)
}

/// What is left behind the holes that begin here, the file being `at` bytes long.
fn after_zeros(mut at: u64, mut bytes: &[u8]) -> &[u8] {
    while is_hole(aligned(at, bytes)) {
        at += HOLE_BYTES as u64;
        bytes = &bytes[HOLE_BYTES..];
    }
    bytes
}

/// What comes before the next hole.
fn before_zeros(at: u64, bytes: &[u8]) -> &[u8] {
    let mut length = 0;
    while length < bytes.len() {
        let piece = aligned(at + length as u64, &bytes[length..]);
        if is_hole(piece) {
            break;
        }
        length += piece.len();
    }
    &bytes[..length]
}

// === everything else ===

/// Makes a symbolic link, fifo, socket or device.
fn special(shared: &Shared, spot: &Spot, meta: &Metadata) -> Result<(), Failure> {
    let dir = &spot.dir.fd;
    let node = |name: &[u8], kind, device| mknodat(dir, name, kind, Mode::empty(), device);
    let (made, kind) = Made::new(shared, spot, |name| match &meta.node_type {
        NodeType::Symlink { target } => symlinkat(&target[..], dir, name).map(|()| FileType::Symlink),
        NodeType::Fifo => node(name, FileType::Fifo, 0).map(|()| FileType::Fifo),
        NodeType::Socket => node(name, FileType::Socket, 0).map(|()| FileType::Socket),
        NodeType::CharDevice { major, minor } => {
            let kind = FileType::CharacterDevice;
            node(name, kind, makedev(*major, *minor)).map(|()| kind)
        }
        NodeType::BlockDevice { major, minor } => {
            let kind = FileType::BlockDevice;
            node(name, kind, makedev(*major, *minor)).map(|()| kind)
        }
        NodeType::File | NodeType::Directory => Err(Errno::INVAL),
    })?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(dir, made.name(), flags, Mode::empty()).map_err(failure(Act::Create))?;
    let found = fstat(&fd).map_err(failure(Act::Create))?;
    if FileType::from_raw_mode(found.st_mode) != kind {
        return Err(refusal(Act::Create, "something else took its name meanwhile"));
    }
    let subject = Subject { fd: fd.as_fd(), by_name: true, path: &spot.path, unclean: spot.dir.inherits };
    apply(shared, subject, meta);
    made.place()
}

/// Gives the object at `first` one more name.
pub(super) fn link(shared: &Shared, first: &Spot, spot: &Spot) -> Result<(), Failure> {
    let make = |name: &[u8]| linkat(&first.dir.fd, &first.name[..], &spot.dir.fd, name, AtFlags::empty());
    let (made, ()) = Made::new(shared, spot, make).map_err(|(act, error)| match act {
        Act::Create => (Act::Link, error),
        other => (other, error),
    })?;
    let temporary = made.temporary.clone();
    made.place()?;
    if let Some(temporary) = temporary {
        // A rename onto another name of the same object does nothing at all, and leaves both.
        match unlinkat(&spot.dir.fd, &temporary[..], AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err((Act::Link, errno.into())),
        }
    }
    Ok(())
}

/// An object with all that belongs to it, in memory.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) spot: Spot,
    pub(super) meta: Metadata,
    /// Bytes of a regular file; empty for anything else.
    pub(super) data: Vec<u8>,
}

/// Makes it. What fails is reported.
pub(super) fn put(shared: &Shared, leaf: &Leaf) {
    let Leaf { spot, meta, data } = leaf;
    let done = if meta.node_type == NodeType::File {
        NewFile::begin(shared, spot, meta).and_then(|mut file| {
            file.write(data)?;
            file.finish(meta)
        })
    } else {
        special(shared, spot, meta)
    };
    match done {
        Ok(()) => shared.wrote(data.len() as u64),
        Err(failure) => give_up(shared, spot, failure),
    }
}

/// Reports an object that could not be made.
pub(super) fn give_up(shared: &Shared, spot: &Spot, (act, error): Failure) {
    shared.set_absent(&spot.path, Absent::Failed);
    shared.failed(&spot.path, act, error);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_whole_aligned_pieces() {
        let mut bytes = vec![0; 4 * HOLE_BYTES];
        assert!(after_zeros(0, &bytes).is_empty());
        assert_eq!(after_zeros(5, &bytes).len(), bytes.len(), "the first piece is not whole");
        assert_eq!(before_zeros(5, &bytes).len(), HOLE_BYTES - 5);
        bytes[HOLE_BYTES + 3] = 1;
        assert_eq!(after_zeros(0, &bytes).len(), 3 * HOLE_BYTES);
        assert_eq!(before_zeros(HOLE_BYTES as u64, &bytes[HOLE_BYTES..]).len(), HOLE_BYTES);
        assert_eq!(before_zeros(0, &bytes).len(), 0);
        assert_eq!(before_zeros(0, b"short").len(), 5);
    }
}
