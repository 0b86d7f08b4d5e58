//! What users of the file system do to it, each with the events that the kernel makes of it.

use super::state::{ROOT, State, errno};
use super::{FakeFs, SnapshotNode};
use crate::files::Kind;
use crate::kernel::Mask;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use vigie_model::NodeType;

/// A path as its directory and its last name.
fn split(path: &[u8]) -> io::Result<(&[u8], &[u8])> {
    let at = path.iter().rposition(|b| *b == b'/').ok_or_else(|| errno(libc::EINVAL))?;
    let (dir, name) = (&path[..at], &path[at + 1..]);
    if name.is_empty() { Err(errno(libc::EINVAL)) } else { Ok((dir, name)) }
}

/// `IN_ISDIR`, if it is one.
fn dir_bit(kind: Kind) -> Mask {
    if kind == Kind::Dir { Mask::ISDIR } else { Mask::default() }
}

impl State {
    fn parent<'p>(&self, path: &'p [u8]) -> io::Result<(u64, &'p [u8])> {
        let (dir, name) = split(path)?;
        let dir = self.walk(ROOT, dir)?;
        if self.inode(dir)?.kind() == Kind::Dir { Ok((dir, name)) } else { Err(errno(libc::ENOTDIR)) }
    }

    /// Changes the entries of a directory, and with them its times.
    fn set_entry(&mut self, dir: u64, name: &[u8], to: Option<u64>) -> io::Result<()> {
        let now = self.tick();
        let dir = self.inode_mut(dir)?;
        (dir.mtime, dir.ctime) = (now, now);
        match to {
            Some(ino) => dir.entries.insert(name.to_vec(), ino),
            None => dir.entries.remove(name),
        };
        Ok(())
    }

    fn create(&mut self, path: &[u8], node_type: NodeType) -> io::Result<u64> {
        let (dir, name) = self.parent(path)?;
        if self.child(dir, name).is_ok() {
            return Err(errno(libc::EEXIST));
        }
        let ino = self.new_inode(node_type);
        self.inode_mut(ino)?.links = 1;
        self.set_entry(dir, name, Some(ino))?;
        let kind = self.inode(ino)?.kind();
        self.tell(dir, Mask::CREATE | dir_bit(kind), 0, name);
        Ok(ino)
    }

    fn store(&mut self, ino: u64, bytes: Vec<u8>) -> io::Result<()> {
        let now = self.tick();
        let inode = self.inode_mut(ino)?;
        inode.bytes = Arc::new(bytes);
        (inode.mtime, inode.ctime) = (now, now);
        Ok(())
    }

    fn remove(&mut self, path: &[u8], dirs: bool) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        let ino = self.child(dir, name)?;
        let inode = self.inode(ino)?;
        match (inode.kind() == Kind::Dir, dirs) {
            (true, false) => return Err(errno(libc::EISDIR)),
            (false, true) => return Err(errno(libc::ENOTDIR)),
            (true, true) if !inode.entries.is_empty() => return Err(errno(libc::ENOTEMPTY)),
            _ => {}
        }
        let kind = inode.kind();
        self.set_entry(dir, name, None)?;
        let now = self.tick();
        self.drop_link(ino, now);
        self.tell(dir, Mask::DELETE | dir_bit(kind), 0, name);
        Ok(())
    }

    /// Whether `ino` is `top` or lies below it.
    fn is_below(&self, ino: u64, top: u64) -> bool {
        let mut stack = vec![top];
        while let Some(at) = stack.pop() {
            if at == ino {
                return true;
            }
            stack.extend(self.inodes.get(&at).into_iter().flat_map(|i| i.entries.values()));
        }
        false
    }

    fn moved(&mut self, from: (u64, &[u8]), to: (u64, &[u8]), ino: u64) -> io::Result<()> {
        let bit = dir_bit(self.inode(ino)?.kind());
        let cookie = self.next_cookie;
        self.next_cookie += 1;
        self.tell(from.0, Mask::MOVED_FROM | bit, cookie, from.1);
        self.tell(to.0, Mask::MOVED_TO | bit, cookie, to.1);
        self.tell_self(ino, Mask::MOVE_SELF);
        let now = self.tick();
        self.inode_mut(ino)?.ctime = now;
        Ok(())
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> io::Result<()> {
        let (from, to) = (self.parent(from)?, self.parent(to)?);
        let ino = self.child(from.0, from.1)?;
        let victim = self.child(to.0, to.1).ok();
        if victim == Some(ino) {
            return Ok(());
        }
        let is_dir = self.inode(ino)?.kind() == Kind::Dir;
        if is_dir && self.is_below(to.0, ino) {
            return Err(errno(libc::EINVAL));
        }
        if let Some(victim) = victim {
            let victim = self.inode(victim)?;
            match (is_dir, victim.kind() == Kind::Dir) {
                (false, true) => return Err(errno(libc::EISDIR)),
                (true, false) => return Err(errno(libc::ENOTDIR)),
                _ if !victim.entries.is_empty() => return Err(errno(libc::ENOTEMPTY)),
                _ => {}
            }
        }
        self.set_entry(from.0, from.1, None)?;
        self.set_entry(to.0, to.1, Some(ino))?;
        self.moved(from, to, ino)?;
        if let Some(victim) = victim {
            let now = self.tick();
            self.drop_link(victim, now);
        }
        Ok(())
    }

    fn exchange(&mut self, a: &[u8], b: &[u8]) -> io::Result<()> {
        let (a, b) = (self.parent(a)?, self.parent(b)?);
        let (first, second) = (self.child(a.0, a.1)?, self.child(b.0, b.1)?);
        if first == second || self.is_below(b.0, first) || self.is_below(a.0, second) {
            return Err(errno(libc::EINVAL));
        }
        self.set_entry(a.0, a.1, Some(second))?;
        self.set_entry(b.0, b.1, Some(first))?;
        self.moved(a, b, first)?;
        self.moved(b, a, second)
    }

    /// Changes what an object is besides its bytes.
    fn attrib(&mut self, path: &[u8], change: impl FnOnce(&mut super::state::Inode)) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        let (ino, now) = (self.child(dir, name)?, self.tick());
        let inode = self.inode_mut(ino)?;
        change(inode);
        inode.ctime = now;
        let bit = dir_bit(inode.kind());
        self.tell(dir, Mask::ATTRIB | bit, 0, name);
        self.tell_self(ino, Mask::ATTRIB | bit);
        Ok(())
    }

    fn file(&self, path: &[u8]) -> io::Result<u64> {
        let ino = self.walk(ROOT, path)?;
        if self.inode(ino)?.kind() == Kind::File { Ok(ino) } else { Err(errno(libc::EISDIR)) }
    }
}

impl FakeFs {
    /// `mkdir`, parents included.
    pub fn mkdir_all(&self, path: &[u8]) -> io::Result<()> {
        for at in (1..path.len()).filter(|at| path[*at] == b'/').chain([path.len()]) {
            match self.mkdir(&path[..at]) {
                Err(error) if error.raw_os_error() != Some(libc::EEXIST) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// `mkdir`.
    pub fn mkdir(&self, path: &[u8]) -> io::Result<()> {
        self.lock().create(path, NodeType::Directory).map(drop)
    }

    /// Opens (creating or truncating), writes and closes.
    pub fn write(&self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let (dir, name) = state.parent(path)?;
        let ino = match state.child(dir, name) {
            Ok(_) => state.file(path)?,
            Err(_) => state.create(path, NodeType::File)?,
        };
        if state.inode(ino)?.size() > 0 {
            state.store(ino, Vec::new())?;
            state.tell(dir, Mask::MODIFY, 0, name);
        }
        if !bytes.is_empty() {
            state.store(ino, bytes.to_vec())?;
            state.tell(dir, Mask::MODIFY, 0, name);
        }
        state.tell(dir, Mask::CLOSE_WRITE, 0, name);
        Ok(())
    }

    /// Makes an empty file and keeps it open.
    pub fn create_open(&self, path: &[u8]) -> io::Result<()> {
        self.lock().create(path, NodeType::File).map(drop)
    }

    /// Opens for appending, writes and closes.
    pub fn append(&self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        self.append_open(path, bytes)?;
        let mut state = self.lock();
        let (dir, name) = state.parent(path)?;
        state.tell(dir, Mask::CLOSE_WRITE, 0, name);
        Ok(())
    }

    /// Writes at the end of a file that stays open, as a log does.
    pub fn append_open(&self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let ((dir, name), ino) = (state.parent(path)?, state.file(path)?);
        let all = [&state.inode(ino)?.bytes[..], bytes].concat();
        state.store(ino, all)?;
        state.tell(dir, Mask::MODIFY, 0, name);
        Ok(())
    }

    /// `truncate(2)`: by path, without opening.
    pub fn truncate(&self, path: &[u8], len: u64) -> io::Result<()> {
        let mut state = self.lock();
        let ((dir, name), ino) = (state.parent(path)?, state.file(path)?);
        let mut bytes = state.inode(ino)?.bytes.to_vec();
        bytes.resize(usize::try_from(len).map_err(|_| errno(libc::EFBIG))?, 0);
        state.store(ino, bytes)?;
        state.tell(dir, Mask::MODIFY, 0, name);
        Ok(())
    }

    /// A store through a mapping: changes bytes and times, and nobody is told.
    pub fn write_mapped(&self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let ino = state.file(path)?;
        state.store(ino, bytes.to_vec())
    }

    /// An unnamed file that gets its name when it is complete (`O_TMPFILE` and `linkat`).
    pub fn write_unnamed(&self, path: &[u8], bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let (dir, name) = state.parent(path)?;
        if state.child(dir, name).is_ok() {
            return Err(errno(libc::EEXIST));
        }
        let ino = state.new_inode(NodeType::File);
        state.store(ino, bytes.to_vec())?;
        state.inode_mut(ino)?.links = 1;
        state.set_entry(dir, name, Some(ino))?;
        state.tell(dir, Mask::CREATE, 0, name);
        Ok(())
    }

    /// `unlink`.
    pub fn unlink(&self, path: &[u8]) -> io::Result<()> {
        self.lock().remove(path, false)
    }

    /// `rmdir`.
    pub fn rmdir(&self, path: &[u8]) -> io::Result<()> {
        self.lock().remove(path, true)
    }

    /// `rm -r`.
    pub fn remove_all(&self, path: &[u8]) -> io::Result<()> {
        let names: Option<Vec<Vec<u8>>> = {
            let state = self.lock();
            let inode = state.inode(state.walk(ROOT, path)?)?;
            (inode.kind() == Kind::Dir).then(|| inode.entries.keys().cloned().collect())
        };
        let Some(names) = names else { return self.unlink(path) };
        for name in names {
            self.remove_all(&[path, b"/", &name].concat())?;
        }
        self.rmdir(path)
    }

    /// `rename`.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        self.lock().rename(from, to)
    }

    /// `renameat2` with `RENAME_EXCHANGE`.
    pub fn exchange(&self, a: &[u8], b: &[u8]) -> io::Result<()> {
        self.lock().exchange(a, b)
    }

    /// `link`.
    pub fn link(&self, old: &[u8], new: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let (ino, (dir, name)) = (state.walk(ROOT, old)?, state.parent(new)?);
        if state.inode(ino)?.kind() == Kind::Dir {
            return Err(errno(libc::EPERM));
        }
        if state.child(dir, name).is_ok() {
            return Err(errno(libc::EEXIST));
        }
        let now = state.tick();
        let inode = state.inode_mut(ino)?;
        inode.links += 1;
        inode.ctime = now;
        state.set_entry(dir, name, Some(ino))?;
        state.tell(dir, Mask::CREATE, 0, name);
        Ok(())
    }

    /// `symlink`.
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> io::Result<()> {
        self.lock().create(path, NodeType::Symlink { target: target.to_vec() }).map(drop)
    }

    /// `mkfifo`.
    pub fn mkfifo(&self, path: &[u8]) -> io::Result<()> {
        self.lock().create(path, NodeType::Fifo).map(drop)
    }

    /// `chmod`. Without the owner's read bit the engine is refused, too.
    pub fn chmod(&self, path: &[u8], mode: u32) -> io::Result<()> {
        self.lock().attrib(path, |inode| inode.mode = mode & 0o7777)
    }

    /// A change of mode that no event tells of, as when rights come from elsewhere.
    pub fn chmod_unheard(&self, path: &[u8], mode: u32) -> io::Result<()> {
        let mut state = self.lock();
        let ino = state.walk(ROOT, path)?;
        state.inode_mut(ino)?.mode = mode & 0o7777;
        Ok(())
    }

    /// `lchown`.
    pub fn chown(&self, path: &[u8], uid: u32, gid: u32) -> io::Result<()> {
        self.lock().attrib(path, |inode| (inode.uid, inode.gid) = (uid, gid))
    }

    /// `lsetxattr`.
    pub fn setxattr(&self, path: &[u8], name: &[u8], value: &[u8]) -> io::Result<()> {
        let (name, value) = (name.to_vec(), value.to_vec());
        self.lock().attrib(path, |inode| {
            inode.xattrs.insert(name, value);
        })
    }

    /// Everything at and below a path, by path relative to it (empty for the path itself). Empty when there is
    /// nothing.
    pub fn snapshot(&self, path: &[u8]) -> BTreeMap<Vec<u8>, SnapshotNode> {
        let state = self.lock();
        let mut out = BTreeMap::new();
        let mut stack: Vec<(Vec<u8>, u64)> =
            state.walk(ROOT, path).map(|ino| (Vec::new(), ino)).into_iter().collect();
        while let Some((below, ino)) = stack.pop() {
            let Ok(inode) = state.inode(ino) else { continue };
            for (name, ino) in &inode.entries {
                let slash: &[u8] = if below.is_empty() { b"" } else { b"/" };
                stack.push(([&below[..], slash, name].concat(), *ino));
            }
            let content = (inode.kind() == Kind::File).then(|| inode.bytes.clone());
            out.insert(below, SnapshotNode { ino, meta: inode.metadata(), content });
        }
        out
    }
}
