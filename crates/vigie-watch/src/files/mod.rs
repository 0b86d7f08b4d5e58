//! What is really there: the file system, seen through handles of directories, so that nothing depends on a
//! path that someone may rename meanwhile.
//!
//! [`RealFiles`] asks the system; `fakes` keeps files in memory.

mod handle;
mod kinds;
pub mod mounts;
mod proc;
mod real;
mod xattrat;
mod xattrs;

pub use proc::check_proc;
pub use real::RealFiles;

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use vigie_model::{BytePath, FileTime, Xattr};

/// Kind of a file-system object, without what belongs to that kind alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// What `statx` tells of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Kind of object.
    pub kind: Kind,
    /// Low 12 bits of the mode.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes; meaningful for files and symlinks.
    pub size: u64,
    /// Last change of content.
    pub mtime: FileTime,
    /// Last change of anything.
    pub ctime: FileTime,
    /// Birth time, where the file system keeps one.
    pub btime: Option<FileTime>,
    /// Number of the device that the object is on. Only for telling objects apart while they are mounted.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Major and minor number of a device.
    pub rdev: (u32, u32),
}

/// What makes an object itself, as far as its file system can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// File system id and file handle: holds across renames, reboots and reuse of inodes.
    Handle(Vec<u8>),
    /// File system id, inode number and birth time.
    Birth(Vec<u8>),
    /// Nothing better than the path.
    Path,
}

/// What node ids of a file system rest on; worse ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// [`Identity::Handle`].
    Handle,
    /// [`Identity::Birth`].
    Birth,
    /// [`Identity::Path`].
    Path,
}

impl Tier {
    /// The word for `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Handle => "handle",
            Tier::Birth => "birth-time",
            Tier::Path => "path",
        }
    }
}

/// What an identity rests on.
pub(crate) fn tier(identity: &Identity) -> Tier {
    match identity {
        Identity::Handle(_) => Tier::Handle,
        Identity::Birth(_) => Tier::Birth,
        Identity::Path => Tier::Path,
    }
}

/// What kind of file system a directory is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsInfo {
    /// Its name where this program knows it (`ext4`, `nfs`), else its magic number in hexadecimal.
    pub name: String,
    /// What follows from it.
    pub class: FsClass,
}

/// What a kind of file system means to a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsClass {
    /// Files that live here.
    Local,
    /// Files that others may change without this kernel hearing of it.
    Network,
    /// The kernel's own data dressed as files: never recorded.
    Pseudo,
}

/// Where a directory is, for a [`crate::Kernel`] that is to watch it.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// An open descriptor of this process.
    Descriptor(RawFd),
    /// An inode of a file system in memory.
    Memory(u64),
}

/// One name of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: Box<[u8]>,
    /// Its inode number, for an order that is good for the disk.
    pub ino: u64,
}

/// An open directory.
pub trait Dir: Send + fmt::Debug {
    /// For the kernel.
    fn place(&self) -> Place;

    /// The directory itself.
    fn stat(&self) -> io::Result<Stat>;

    /// What makes the directory itself.
    fn identity(&self, stat: &Stat) -> io::Result<Identity>;

    /// Adds some more of its names to `out`, never `.` and `..`. Gives `false` at the end.
    fn list(&mut self, out: &mut Vec<Listed>) -> io::Result<bool>;

    /// An entry, never what a symlink leads to.
    fn stat_entry(&self, name: &[u8]) -> io::Result<Stat>;

    /// What makes the entry with this `stat`.
    fn identify_entry(&self, name: &[u8], stat: &Stat) -> io::Result<Identity>;

    /// Where a symlink leads to.
    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>>;

    /// Extended attributes of an entry, sorted by name; `E2BIG` past [`vigie_model::limits::XATTR_BYTES_MAX`].
    /// Empty where the file system has none.
    fn xattrs(&self, name: &[u8]) -> io::Result<Vec<Xattr>>;

    /// Extended attributes of the directory itself.
    fn xattrs_self(&self) -> io::Result<Vec<Xattr>>;

    /// The bytes of a small regular file; `EFBIG` past `max`.
    fn read_small(&self, name: &[u8], max: usize) -> io::Result<Vec<u8>>;

    /// What kind of file system the directory is on.
    fn file_system(&self) -> io::Result<FsInfo>;
}

/// An open regular file.
pub trait FileHandle: Send + fmt::Debug {
    /// The file as it is now.
    fn stat(&self) -> io::Result<Stat>;

    /// What makes this file.
    fn identity(&self, stat: &Stat) -> io::Result<Identity>;

    /// Reads at an offset; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Where the next bytes that are stored begin, at or after `offset`; `None` when only a hole is left.
    /// A file system that cannot tell answers `offset`.
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>>;

    /// Whether a change after a `stat` always shows as another `ctime`, however soon it comes.
    fn fine_times(&self) -> bool;
}

/// A root whose files are read.
pub trait Root: Send + fmt::Debug {
    /// Opens a regular file below it for reading, by names alone, as it is now; never blocks on a fifo. `EINVAL` when
    /// it is not a regular file.
    fn open_file(&self, below: &[u8]) -> io::Result<(Box<dyn FileHandle>, Stat)>;
}

/// The file system.
pub trait Files: Send + Sync + fmt::Debug {
    /// Opens a directory by its absolute path, following symlinks.
    fn open_root(&self, path: &BytePath) -> io::Result<Box<dyn Dir>>;

    /// Opens a directory below a root, by names alone: no symlink is followed, nothing above is reached.
    fn open_dir(&self, root: &BytePath, below: &[u8]) -> io::Result<Box<dyn Dir>>;

    /// Finds a root whose files are to be read, by its absolute path, following symlinks. It need not be readable.
    fn find_root(&self, path: &BytePath) -> io::Result<Box<dyn Root>>;

    /// Makes an empty file in a directory and removes it again: an event that is seen after all before it.
    fn ripple(&self, dir: &BytePath, name: &[u8]) -> io::Result<()>;

    /// Every mount point with the number of the mount, in no order.
    fn mount_points(&self) -> Vec<(Vec<u8>, u64)>;
}
