//! All file I/O of journal and packs. A trait from the first day, so that a simulated disk can lose, tear
//! and reorder whatever was not synced; see `SimDisk` (feature `fakes`).
//!
//! Every sync names its [`SyncSite`]: the simulation can leave out one site at a time, and each of them
//! must be missed by a test.

mod real;
#[cfg(feature = "fakes")]
mod sim;

pub use real::RealDisk;
#[cfg(feature = "fakes")]
pub use sim::{SimDisk, SimFault};

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Every place in this crate that makes something durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncSite {
    /// The format marker's bytes, before it gets its name.
    MarkerData,
    /// The entry of the store's directory in its parent.
    OpenParent,
    /// The entries of marker, journal and packs directories.
    OpenRoot,
    /// Frames that a process which died may have written, before they are believed.
    OpenSegment,
    /// Blocks of a commit.
    PackData,
    /// The entry of a pack that the commit began.
    PackDir,
    /// The head of a new segment, before its first frame.
    SegmentHead,
    /// The entry of a new segment, before its first frame.
    SegmentDir,
    /// The frame of a commit.
    SegmentData,
    /// The mark that the index is being written, before its first row is.
    IndexMark,
}

impl SyncSite {
    /// Every site.
    pub const ALL: [SyncSite; 10] = [
        SyncSite::MarkerData,
        SyncSite::OpenParent,
        SyncSite::OpenRoot,
        SyncSite::OpenSegment,
        SyncSite::PackData,
        SyncSite::PackDir,
        SyncSite::SegmentHead,
        SyncSite::SegmentDir,
        SyncSite::SegmentData,
        SyncSite::IndexMark,
    ];
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist.
    Read,
    /// It must exist; it will be written.
    Write,
    /// It must not exist; it will be written.
    CreateNew,
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this process may still use.
    pub available: u64,
    /// All there is.
    pub total: u64,
}

/// A file system, as far as the store needs one.
pub trait Disk: Send + Sync + Debug {
    /// Makes a directory; one that exists is left as it is.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Names of the entries of a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Opens or creates a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, atomically replacing what bore it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes away a file's name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a directory durable (`fsync` of the directory).
    fn sync_dir(&self, dir: &Path, site: SyncSite) -> io::Result<()>;
    /// Takes the exclusive lock of a file, which is created when missing. `WouldBlock` when another
    /// holder has it. The lock ends with the value, or with the process.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// Room on the file system of this directory.
    fn space(&self, dir: &Path) -> io::Result<Space>;
    /// A random number.
    fn random(&self) -> u64;
    /// Names this start of the machine: another one after every loss of what is only in memory.
    fn boot_id(&self) -> String;
}

/// An open file.
pub trait DiskFile: Send + Sync + Debug {
    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all bytes, or fails having written any part of them.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file to this length.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes data and length durable (`fdatasync`).
    fn sync_data(&self, site: SyncSite) -> io::Result<()>;
    /// Forgets what is in memory of this file and is not waiting to be written, so that the next read
    /// tells what the medium holds. After a failed sync the two may differ.
    fn drop_cache(&self) -> io::Result<()>;

    /// Reads exactly `buffer.len()` bytes, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.read_at(buffer, offset)? {
            got if got == buffer.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
