//! The engine's side: open directories and files. As with the real thing, a handle stays with its object,
//! whatever happens to the name.

use super::FakeFs;
use super::state::{Inode, ROOT, errno};
use crate::files::{Dir, FileHandle, Files, FsClass, FsInfo, Identity, Kind, Listed, Place, Root, Stat};
use std::io;
use vigie_model::limits::NAME_BYTES_MAX;
use vigie_model::{BytePath, NodeType, Xattr};

/// Names of one call of [`Dir::list`].
const LIST: usize = 64;

/// See [`FakeFs::files`].
#[derive(Debug)]
pub struct FakeFiles {
    fs: FakeFs,
}

impl FakeFiles {
    pub(super) fn new(fs: FakeFs) -> Self {
        FakeFiles { fs }
    }

    fn dir(&self, ino: u64) -> io::Result<Box<dyn Dir>> {
        let state = self.fs.lock();
        let inode = state.inode(ino)?;
        if inode.kind() != Kind::Dir {
            return Err(errno(libc::ENOTDIR));
        }
        if inode.mode & 0o400 == 0 {
            return Err(errno(libc::EACCES));
        }
        let dir = FakeDir { fs: self.fs.clone(), ino, generation: inode.generation, last: None };
        Ok(Box::new(dir))
    }
}

impl Files for FakeFiles {
    fn open_root(&self, path: &BytePath) -> io::Result<Box<dyn Dir>> {
        let ino = self.fs.lock().walk(ROOT, path.as_bytes())?;
        self.dir(ino)
    }

    fn open_dir(&self, root: &BytePath, below: &[u8]) -> io::Result<Box<dyn Dir>> {
        let ino = {
            let state = self.fs.lock();
            state.walk(state.walk(ROOT, root.as_bytes())?, below)?
        };
        self.dir(ino)
    }

    fn find_root(&self, path: &BytePath) -> io::Result<Box<dyn Root>> {
        let ino = self.fs.lock().walk(ROOT, path.as_bytes())?;
        Ok(Box::new(FakeRoot { fs: self.fs.clone(), ino }))
    }

    fn ripple(&self, dir: &BytePath, name: &[u8]) -> io::Result<()> {
        let path = [dir.as_bytes(), b"/", name].concat();
        self.fs.write(&path, b"")?;
        self.fs.unlink(&path)
    }

    fn mount_points(&self) -> Vec<(Vec<u8>, u64)> {
        vec![(b"/".to_vec(), 1)]
    }
}

fn identity(ino: u64, generation: u32) -> Identity {
    Identity::Handle([&ino.to_le_bytes()[..], &generation.to_le_bytes()].concat())
}

#[derive(Debug)]
struct FakeDir {
    fs: FakeFs,
    ino: u64,
    generation: u32,
    /// Last name given.
    last: Option<Vec<u8>>,
}

impl FakeDir {
    /// Calls with the directory, unless it is gone and its number used again.
    fn with<T>(&self, call: impl FnOnce(&Inode) -> io::Result<T>) -> io::Result<T> {
        let state = self.fs.lock();
        match state.inode(self.ino) {
            Ok(inode) if inode.generation == self.generation => call(inode),
            _ => Err(errno(libc::ENOENT)),
        }
    }

    fn with_entry<T>(&self, name: &[u8], call: impl FnOnce(&Inode) -> io::Result<T>) -> io::Result<T> {
        let ino = self.with(|dir| dir.entries.get(name).copied().ok_or_else(|| errno(libc::ENOENT)))?;
        call(self.fs.lock().inode(ino)?)
    }
}

impl Dir for FakeDir {
    fn place(&self) -> Place {
        Place::Memory(self.ino)
    }

    fn stat(&self) -> io::Result<Stat> {
        self.with(|dir| Ok(dir.stat()))
    }

    fn identity(&self, _: &Stat) -> io::Result<Identity> {
        Ok(identity(self.ino, self.generation))
    }

    fn list(&mut self, out: &mut Vec<Listed>) -> io::Result<bool> {
        let last = self.last.clone().unwrap_or_default();
        let names = self.with(|dir| {
            let rest = dir.entries.range(last..).filter(|(name, _)| Some(*name) != self.last.as_ref());
            Ok(rest.take(LIST).map(|(name, ino)| (name.clone(), *ino)).collect::<Vec<_>>())
        })?;
        self.last = names.last().map(|(name, _)| name.clone()).or(self.last.take());
        let more = names.len() == LIST;
        out.extend(names.into_iter().map(|(name, ino)| Listed { name: name.into(), ino }));
        Ok(more)
    }

    fn stat_entry(&self, name: &[u8]) -> io::Result<Stat> {
        if name.len() > NAME_BYTES_MAX {
            return Err(errno(libc::ENAMETOOLONG));
        }
        self.with_entry(name, |inode| Ok(inode.stat()))
    }

    fn identify_entry(&self, name: &[u8], _: &Stat) -> io::Result<Identity> {
        let found = self.with_entry(name, |inode| Ok(identity(inode.ino, inode.generation)));
        self.fs.looked_at(name);
        found
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        self.with_entry(name, |inode| match &inode.node_type {
            NodeType::Symlink { target } => Ok(target.clone()),
            _ => Err(errno(libc::EINVAL)),
        })
    }

    fn xattrs(&self, name: &[u8]) -> io::Result<Vec<Xattr>> {
        self.with_entry(name, |inode| Ok(inode.xattrs()))
    }

    fn xattrs_self(&self) -> io::Result<Vec<Xattr>> {
        self.with(|dir| Ok(dir.xattrs()))
    }

    fn read_small(&self, name: &[u8], max: usize) -> io::Result<Vec<u8>> {
        self.with_entry(name, |inode| match (inode.kind(), inode.bytes.len() <= max) {
            (Kind::File, true) => Ok(inode.bytes.to_vec()),
            (Kind::File, false) => Err(errno(libc::EFBIG)),
            _ => Err(errno(libc::EINVAL)),
        })
    }

    fn file_system(&self) -> io::Result<FsInfo> {
        Ok(FsInfo { name: "fake".into(), class: FsClass::Local })
    }
}

/// An open file. One that lost its last name is kept as it was then.
#[derive(Debug)]
struct FakeFile {
    fs: FakeFs,
    opened: Inode,
}

impl FakeFile {
    fn now(&self) -> Inode {
        let state = self.fs.lock();
        match state.inode(self.opened.ino) {
            Ok(inode) if inode.generation == self.opened.generation => inode.clone(),
            _ => self.opened.clone(),
        }
    }
}

#[derive(Debug)]
struct FakeRoot {
    fs: FakeFs,
    ino: u64,
}

impl Root for FakeRoot {
    fn open_file(&self, below: &[u8]) -> io::Result<(Box<dyn FileHandle>, Stat)> {
        let state = self.fs.lock();
        let inode = state.inode(state.walk(self.ino, below)?)?;
        match (inode.kind(), inode.mode & 0o400) {
            (Kind::File, 0) => Err(errno(libc::EACCES)),
            (Kind::File, _) => {
                let file = FakeFile { fs: self.fs.clone(), opened: inode.clone() };
                Ok((Box::new(file), inode.stat()))
            }
            _ => Err(errno(libc::EINVAL)),
        }
    }
}

impl FileHandle for FakeFile {
    fn stat(&self) -> io::Result<Stat> {
        Ok(self.now().stat())
    }

    fn identity(&self, _: &Stat) -> io::Result<Identity> {
        Ok(identity(self.opened.ino, self.opened.generation))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.now().bytes;
        let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        Ok((offset < self.now().size()).then_some(offset))
    }

    fn fine_times(&self) -> bool {
        true
    }
}
