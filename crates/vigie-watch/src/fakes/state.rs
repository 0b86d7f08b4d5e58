//! Inodes, and the watchers that hear of them.

use super::kernel::Watcher;
use crate::files::{Kind, Stat};
use crate::kernel::Mask;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use vigie_model::{Clock, FileTime, Metadata, NodeType, Xattr};

pub(super) const ROOT: u64 = 2;

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Inode {
    pub(super) ino: u64,
    /// How often the number was used before.
    pub(super) generation: u32,
    pub(super) node_type: NodeType,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: FileTime,
    pub(super) ctime: FileTime,
    pub(super) btime: FileTime,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) entries: BTreeMap<Vec<u8>, u64>,
    pub(super) links: u32,
}

impl Inode {
    pub(super) fn kind(&self) -> Kind {
        match self.node_type {
            NodeType::File => Kind::File,
            NodeType::Directory => Kind::Dir,
            NodeType::Symlink { .. } => Kind::Symlink,
            NodeType::Fifo => Kind::Fifo,
            NodeType::Socket => Kind::Socket,
            NodeType::CharDevice { .. } => Kind::CharDevice,
            NodeType::BlockDevice { .. } => Kind::BlockDevice,
        }
    }

    pub(super) fn size(&self) -> u64 {
        match &self.node_type {
            NodeType::File => self.bytes.len() as u64,
            NodeType::Symlink { target } => target.len() as u64,
            _ => 0,
        }
    }

    pub(super) fn stat(&self) -> Stat {
        Stat {
            kind: self.kind(),
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            size: self.size(),
            mtime: self.mtime,
            ctime: self.ctime,
            btime: Some(self.btime),
            dev: 1,
            ino: self.ino,
            rdev: (0, 0),
        }
    }

    pub(super) fn xattrs(&self) -> Vec<Xattr> {
        let pairs = self.xattrs.iter();
        pairs.map(|(name, value)| Xattr { name: name.clone(), value: value.clone() }).collect()
    }

    pub(super) fn metadata(&self) -> Metadata {
        Metadata {
            node_type: self.node_type.clone(),
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            ctime: self.ctime,
            size: self.size(),
            xattrs: self.xattrs(),
        }
    }
}

/// Everything behind the lock.
pub(super) struct State {
    clock: Arc<dyn Clock>,
    /// Time of the last change: no two have the same, as on Linux since 6.13.
    last: i64,
    pub(super) inodes: BTreeMap<u64, Inode>,
    generations: BTreeMap<u64, u32>,
    pub(super) watchers: BTreeMap<u64, Watcher>,
    pub(super) watches_max: usize,
    pub(super) next_cookie: u32,
}

pub(super) fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

impl State {
    pub(super) fn new(clock: Arc<dyn Clock>) -> State {
        let mut state = State {
            clock,
            last: 0,
            inodes: BTreeMap::new(),
            generations: BTreeMap::new(),
            watchers: BTreeMap::new(),
            watches_max: usize::MAX,
            next_cookie: 1,
        };
        state.make(ROOT, NodeType::Directory);
        state
    }

    /// The time of the change at hand.
    pub(super) fn tick(&mut self) -> FileTime {
        self.last = self.clock.wall().0.max(self.last + 1);
        FileTime {
            secs: self.last.div_euclid(1_000_000_000),
            nanos: self.last.rem_euclid(1_000_000_000) as u32,
        }
    }

    fn make(&mut self, ino: u64, node_type: NodeType) {
        let now = self.tick();
        let generation = self.generations.entry(ino).and_modify(|g| *g += 1).or_default();
        let inode = Inode {
            ino,
            generation: *generation,
            mode: if node_type == NodeType::Directory { 0o755 } else { 0o644 },
            node_type,
            uid: 0,
            gid: 0,
            mtime: now,
            ctime: now,
            btime: now,
            xattrs: BTreeMap::new(),
            bytes: Arc::default(),
            entries: BTreeMap::new(),
            links: 0,
        };
        self.inodes.insert(ino, inode);
    }

    /// A new object under the lowest number that is free, as ext4 would.
    pub(super) fn new_inode(&mut self, node_type: NodeType) -> u64 {
        let mut ino = ROOT;
        for used in self.inodes.keys() {
            if *used > ino {
                break;
            }
            ino = used + 1;
        }
        self.make(ino, node_type);
        ino
    }

    pub(super) fn inode(&self, ino: u64) -> io::Result<&Inode> {
        self.inodes.get(&ino).ok_or_else(|| errno(libc::ESTALE))
    }

    pub(super) fn inode_mut(&mut self, ino: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&ino).ok_or_else(|| errno(libc::ESTALE))
    }

    pub(super) fn child(&self, dir: u64, name: &[u8]) -> io::Result<u64> {
        let dir = self.inode(dir)?;
        if dir.kind() != Kind::Dir {
            return Err(errno(libc::ENOTDIR));
        }
        dir.entries.get(name).copied().ok_or_else(|| errno(libc::ENOENT))
    }

    /// Walks names, never a symlink.
    pub(super) fn walk(&self, from: u64, path: &[u8]) -> io::Result<u64> {
        let names = path.split(|b| *b == b'/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(from, |dir, name| self.child(dir, name))
    }

    /// Says something of an entry to whoever watches its directory.
    pub(super) fn tell(&mut self, dir: u64, mask: Mask, cookie: u32, name: &[u8]) {
        for watcher in self.watchers.values_mut() {
            watcher.hear(dir, mask, cookie, Some(name));
        }
    }

    /// Says something of an object itself.
    pub(super) fn tell_self(&mut self, ino: u64, mask: Mask) {
        for watcher in self.watchers.values_mut() {
            watcher.hear(ino, mask, 0, None);
        }
    }

    /// One name less; the last one takes the object with it.
    pub(super) fn drop_link(&mut self, ino: u64, now: FileTime) {
        let Some(inode) = self.inodes.get_mut(&ino) else { return };
        inode.links -= 1;
        inode.ctime = now;
        if inode.links > 0 {
            return;
        }
        self.inodes.remove(&ino);
        for watcher in self.watchers.values_mut() {
            watcher.hear(ino, Mask::DELETE_SELF, 0, None);
            watcher.forget(ino);
        }
    }
}
