//! A file system in memory with the kernel's habits: what a simulation runs on. Deterministic.

use crate::files::{Dir, FileHandle, Files};
use crate::kernel::{Kernel, KernelEvent, Wake, WatchId};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use vigie_model::{BytePath, Clock, Metadata};

/// A file system in memory. Paths are absolute, as bytes. Cheap to clone: all clones are the same one.
#[derive(Clone, Debug)]
pub struct FakeFs {
    _clock: Arc<dyn Clock>,
}

/// One object of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotNode {
    /// Inode number: the same for all names of one object.
    pub ino: u64,
    /// As a scan would find it.
    pub meta: Metadata,
    /// The bytes of a regular file.
    pub content: Option<Arc<Vec<u8>>>,
}

impl FakeFs {
    /// An empty `/`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        FakeFs { _clock: clock }
    }
    /// A new watcher with a queue of this many events; `wake` is called at each event.
    pub fn kernel(&self, _queue_max: usize, _wake: Wake) -> FakeKernel {
        FakeKernel {}
    }
    /// The file system as the engine and its readers see it.
    pub fn files(&self) -> Arc<FakeFiles> {
        Arc::new(FakeFiles {})
    }
    /// `mkdir`, parents included.
    pub fn mkdir_all(&self, _path: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `mkdir`.
    pub fn mkdir(&self, _path: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// Opens (creating or truncating), writes and closes.
    pub fn write(&self, _path: &[u8], _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// Opens for appending, writes and closes.
    pub fn append(&self, _path: &[u8], _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `truncate(2)`: by path, without opening.
    pub fn truncate(&self, _path: &[u8], _len: u64) -> io::Result<()> {
        Ok(())
    }
    /// `unlink`.
    pub fn unlink(&self, _path: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `rmdir`.
    pub fn rmdir(&self, _path: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `rm -r`.
    pub fn remove_all(&self, _path: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `rename`.
    pub fn rename(&self, _from: &[u8], _to: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `renameat2` with `RENAME_EXCHANGE`.
    pub fn exchange(&self, _a: &[u8], _b: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `link`.
    pub fn link(&self, _old: &[u8], _new: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `symlink`.
    pub fn symlink(&self, _target: &[u8], _path: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `mkfifo`.
    pub fn mkfifo(&self, _path: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// `chmod`.
    pub fn chmod(&self, _path: &[u8], _mode: u32) -> io::Result<()> {
        Ok(())
    }
    /// `lchown`.
    pub fn chown(&self, _path: &[u8], _uid: u32, _gid: u32) -> io::Result<()> {
        Ok(())
    }
    /// `lsetxattr`.
    pub fn setxattr(&self, _path: &[u8], _name: &[u8], _value: &[u8]) -> io::Result<()> {
        Ok(())
    }
    /// Everything at and below a path, by path relative to it (empty for the path itself).
    pub fn snapshot(&self, _path: &[u8]) -> BTreeMap<Vec<u8>, SnapshotNode> {
        BTreeMap::new()
    }
}

/// See [`FakeFs::kernel`].
#[derive(Debug)]
pub struct FakeKernel {}

impl Kernel for FakeKernel {
    fn backend(&self) -> &'static str {
        "fake"
    }
    fn watch(&mut self, _dir: &dyn Dir) -> io::Result<WatchId> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn unwatch(&mut self, _watch: WatchId) {}
    fn drain(&mut self, _max: usize, _out: &mut Vec<KernelEvent>) -> bool {
        false
    }
    fn mounts_changed(&mut self) -> bool {
        false
    }
}

/// See [`FakeFs::files`].
#[derive(Debug)]
pub struct FakeFiles {}

impl Files for FakeFiles {
    fn open_root(&self, _path: &BytePath) -> io::Result<Box<dyn Dir>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn open_dir(&self, _root: &BytePath, _below: &[u8]) -> io::Result<Box<dyn Dir>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn open_file(&self, _root: &BytePath, _below: &[u8]) -> io::Result<Box<dyn FileHandle>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn ripple(&self, _dir: &BytePath, _name: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn mount_points(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}
