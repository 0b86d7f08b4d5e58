//! The index and the file system together: paths, handles, what is left out, and taking nodes away.

use super::dirty::{Spot, When, Why};
use super::index::{Flags, Key};
use super::{Engine, HANDLES_MAX, OpenError, is_gone};
use crate::files::{Dir, FsClass, Kind, Stat};
use crate::limits::RULES_BYTES_MAX;
use crate::rules::{RULES_FILE, Rules};
use std::io;
use vigie_model::{BytePath, ErrorAct, FileEvent, Metadata, NodeType, Xattr};

impl Engine {
    // === paths ===

    /// The root that a node is below, and its path there. `None` for a node that has no name now.
    pub(super) fn place_of(&self, node: Key) -> Option<(usize, Vec<u8>)> {
        let mut names: Vec<&[u8]> = Vec::new();
        let mut at = node;
        while let Some((parent, name)) = self.index.a_name(at) {
            names.push(name);
            at = parent;
        }
        let root = self.roots.iter().position(|r| r.is_at(at))?;
        names.reverse();
        Some((root, names.join(&b'/')))
    }

    /// Where to read a file: under a name in a directory that is seen, if it has one, and under another with every try.
    /// What is recorded of a directory that is not seen may be long gone.
    pub(super) fn place_to_read(&self, node: Key, tries: u32) -> Option<(usize, Vec<u8>)> {
        let mut names = self.index.names(node);
        if names.len() < 2 {
            return self.place_of(node);
        }
        names.sort_by_key(|(dir, _)| self.is_unlisted(*dir) || self.is_hidden(*dir));
        let (dir, name) = &names[tries as usize % names.len()];
        let (root, mut below) = self.place_of(*dir)?;
        if !below.is_empty() {
            below.push(b'/');
        }
        below.extend_from_slice(name);
        Some((root, below))
    }

    pub(super) fn root_of(&self, node: Key) -> Option<usize> {
        let mut at = node;
        while let Some((parent, _)) = self.index.a_name(at) {
            at = parent;
        }
        self.roots.iter().position(|r| r.is_at(at))
    }

    pub(super) fn root_epoch(&self, at: usize) -> super::Epoch {
        self.roots[at].epoch()
    }

    /// Whether a node is a root that does not lie within another.
    pub(super) fn is_root_node(&self, node: Key) -> bool {
        self.roots.iter().any(|r| !r.nested && r.node == Some(node))
    }

    /// Absolute path of a node.
    pub(super) fn path_of(&self, node: Key) -> Option<Vec<u8>> {
        let (at, below) = self.place_of(node)?;
        Some(join(self.roots[at].path.as_bytes(), &below))
    }

    /// As [`Self::path_of`], empty when there is none.
    pub(super) fn index_path(&self, node: Key) -> Vec<u8> {
        self.path_of(node).unwrap_or_default()
    }

    pub(super) fn path_of_entry(&self, dir: Key, name: &[u8]) -> Vec<u8> {
        join(&self.index_path(dir), name)
    }

    /// The node at an absolute path, by the names of the index.
    pub(super) fn node_at(&self, path: &BytePath) -> Option<Key> {
        let root = self.roots.iter().find(|r| !r.nested && path.below(&r.path).is_some())?;
        let names = path.below(&root.path)?.split(|b| *b == b'/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(root.node?, |dir, name| self.index.child(dir, name))
    }

    /// Paths that a fact is about: where it is, and where it was.
    pub(super) fn paths_of(&self, event: &FileEvent) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let entry = |parent: &vigie_model::NodeId, name: &[u8]| {
            if *parent == vigie_model::NodeId::ROOTS {
                return Some(name.to_vec());
            }
            Some(join(&self.path_of(self.index.find(parent)?)?, name))
        };
        let of_node = |node| self.index.find(node).and_then(|key| self.path_of(key));
        match event {
            FileEvent::Created(e) => (entry(&e.parent, e.name.as_bytes()), None),
            FileEvent::Removed(e) => (entry(&e.parent, e.name.as_bytes()), None),
            FileEvent::Linked(e) => (entry(&e.parent, e.name.as_bytes()), None),
            FileEvent::Renamed(e) => {
                (entry(&e.to_parent, e.to_name.as_bytes()), entry(&e.from_parent, e.from_name.as_bytes()))
            }
            FileEvent::Metadata(e) => (of_node(&e.node), None),
            FileEvent::Unseen(e) => (of_node(&e.node), None),
            FileEvent::Seen(e) => (of_node(&e.node), None),
            FileEvent::GapOpened(e) => (Some(e.root.as_bytes().to_vec()), None),
            FileEvent::GapClosed(e) => (Some(e.root.as_bytes().to_vec()), None),
            FileEvent::Error(e) => (Some(e.path.clone()), None),
            FileEvent::Content(_) | FileEvent::Superseded(_) => (None, None),
        }
    }

    // === handles ===

    /// Opens the directory of a node, and makes sure that it is this one.
    pub(super) fn open(&mut self, dir: Key) -> Result<Box<dyn Dir>, OpenError> {
        if let Some(at) = self.handles.iter().position(|(key, _)| *key == dir) {
            return Ok(self.handles.swap_remove(at).1);
        }
        let (at, below) = self.place_of(dir).ok_or(OpenError::NotThere)?;
        if self.is_lost(at) {
            return Err(OpenError::NotThere);
        }
        let opened = self.files.open_dir(&self.roots[at].path, &below).and_then(|handle| {
            let stat = handle.stat()?;
            let identity = handle.identity(&stat)?;
            Ok((handle, identity))
        });
        let (handle, identity) = opened.map_err(|error| match is_gone(&error) {
            true => OpenError::NotThere,
            false => OpenError::Refused(error),
        })?;
        let id = self.ids.of(&identity, || join(self.roots[at].path.as_bytes(), &below));
        match self.index.get(dir) {
            Some(node) if node.id == id => Ok(handle),
            _ => Err(OpenError::NotThere),
        }
    }

    /// Keeps an open directory for the rest of the step.
    pub(super) fn keep(&mut self, dir: Key, handle: Box<dyn Dir>) {
        if self.handles.len() >= HANDLES_MAX {
            self.handles.remove(0);
        }
        self.handles.push((dir, handle));
    }

    // === metadata ===

    /// Puts a `stat` and what belongs to it together. Attributes that cannot be had are left out and reported.
    pub(super) fn metadata_of(
        &mut self,
        stat: &Stat,
        path: &[u8],
        read_link: impl FnOnce() -> io::Result<Vec<u8>>,
        xattrs: impl FnOnce() -> io::Result<Vec<Xattr>>,
    ) -> io::Result<Metadata> {
        let (major, minor) = stat.rdev;
        let node_type = match stat.kind {
            Kind::File => NodeType::File,
            Kind::Dir => NodeType::Directory,
            Kind::Symlink => NodeType::Symlink { target: read_link()? },
            Kind::Fifo => NodeType::Fifo,
            Kind::Socket => NodeType::Socket,
            Kind::CharDevice => NodeType::CharDevice { major, minor },
            Kind::BlockDevice => NodeType::BlockDevice { major, minor },
        };
        let xattrs = match xattrs() {
            Ok(xattrs) => xattrs,
            Err(error) if is_gone(&error) => return Err(error),
            Err(error) => {
                self.fail(path.to_vec(), ErrorAct::Xattrs, error.raw_os_error().unwrap_or(libc::EIO));
                Vec::new()
            }
        };
        let sized = matches!(stat.kind, Kind::File | Kind::Symlink);
        Ok(Metadata {
            node_type,
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            mtime: stat.mtime,
            ctime: stat.ctime,
            size: if sized { stat.size } else { 0 },
            xattrs,
        })
    }

    pub(super) fn metadata_of_dir(
        &mut self,
        dir: &dyn Dir,
        stat: &Stat,
        path: &BytePath,
    ) -> io::Result<Metadata> {
        self.metadata_of(stat, path.as_bytes(), || Ok(Vec::new()), || dir.xattrs_self())
    }

    /// Of all metadata but mode, size and times, which are kept as they are.
    pub(super) fn hash(&self, meta: &Metadata) -> u64 {
        self.hashes.of(meta)
    }

    /// Takes what was recorded into the index.
    pub(super) fn fill(&mut self, node: Key, meta: &Metadata) {
        let hash = self.hash(meta);
        if let Some(node) = self.index.get_mut(node) {
            node.set_times(meta.mtime, meta.ctime);
            (node.size, node.hash, node.mode) = (meta.size, hash, meta.mode as u16);
        }
    }

    pub(super) fn index_flag(&mut self, node: Key, flag: Flags, on: bool) {
        if let Some(node) = self.index.get_mut(node) {
            node.flags.set(flag, on);
        }
    }

    // === what is left out ===

    /// Whether an entry is not to be recorded: ignored, or excluded by place.
    pub(super) fn is_left_out(&mut self, dir: Key, name: &[u8], stat: &Stat) -> bool {
        let is_dir = stat.kind == Kind::Dir;
        (is_dir && self.is_excluded(dir, name, stat)) || self.is_ignored(dir, name, is_dir)
    }

    fn is_excluded(&self, dir: Key, name: &[u8], stat: &Stat) -> bool {
        if self.excluded.contains(&(stat.dev, stat.ino)) {
            return true;
        }
        // One that did not exist at the start has no inode to be known by.
        let mut places = self.config.exclude.iter().chain(&self.config.cookies);
        let named = |place: &BytePath| {
            place.names().last() == Some(name) && place.as_bytes() == self.path_of_entry(dir, name)
        };
        places.any(named)
    }

    /// Whether a file system of the kernel's own data is mounted here.
    pub(super) fn is_pseudo(&mut self, dir: Key, handle: &dyn Dir, name: &[u8], stat: &Stat) -> bool {
        let dev = match self.index.dev(dir) {
            0 => handle.stat().map_or(0, |s| s.dev),
            dev => dev,
        };
        if stat.dev == dev || stat.kind != Kind::Dir {
            return false;
        }
        let Some((at, below)) = self.place_of(dir) else { return false };
        let opened = self.files.open_dir(&self.roots[at].path, &join(&below, name));
        let Ok(system) = opened.and_then(|mounted| mounted.file_system()) else { return false };
        if system.class == FsClass::Pseudo {
            let path = self.path_of_entry(dir, name);
            let path = String::from_utf8_lossy(&path);
            self.notice(format!("{path} is left out: {} holds the kernel's own data", system.name));
        }
        system.class == FsClass::Pseudo
    }

    /// What the nearest rule that speaks of this entry says.
    fn is_ignored(&self, dir: Key, name: &[u8], is_dir: bool) -> bool {
        if self.rules.is_empty() && self.config_rules.is_empty() {
            return false;
        }
        let (mut at, mut below) = (dir, name.to_vec());
        loop {
            let own = self.index.get(at).is_some_and(|n| n.flags.has(Flags::RULES));
            let file = own.then(|| self.rules.get(&at)).flatten();
            let is_root = self.roots.iter().any(|r| r.node == Some(at));
            let said = file.and_then(|rules| rules.ignores(&below, is_dir));
            let said = said.or_else(|| is_root.then(|| self.config_rules.ignores(&below, is_dir)).flatten());
            match (said, self.index.a_name(at)) {
                (Some(ignored), _) => return ignored && !(is_dir && self.is_asked_for(dir, name)),
                (None, Some((parent, own))) => {
                    below = join(own, &below);
                    at = parent;
                }
                (None, None) => return false,
            }
        }
    }

    /// A root within a root is watched whatever the patterns of the outer one say.
    fn is_asked_for(&self, dir: Key, name: &[u8]) -> bool {
        let mut nested = self.roots.iter().filter(|r| r.nested).peekable();
        nested.peek().is_some() && {
            let path = self.path_of_entry(dir, name);
            nested.any(|root| root.path.as_bytes() == path)
        }
    }

    /// Reads the rules of a directory that was listed, or forgets them.
    pub(super) fn load_rules(&mut self, dir: Key, handle: &dyn Dir, has_rules: bool) {
        let text = has_rules.then(|| handle.read_small(RULES_FILE, RULES_BYTES_MAX));
        let rules = match text {
            Some(Ok(text)) => {
                let (rules, bad) = Rules::of_file(&text);
                for line in bad {
                    let path = self.path_of_entry(dir, RULES_FILE);
                    self.notice(format!("{}: {line}", String::from_utf8_lossy(&path)));
                }
                Some(rules)
            }
            Some(Err(error)) => {
                let path = self.path_of_entry(dir, RULES_FILE);
                self.notice(format!("{} is not read: {error}", String::from_utf8_lossy(&path)));
                None
            }
            None => None,
        };
        self.index_flag(dir, Flags::RULES, rules.is_some());
        match rules {
            Some(rules) => self.rules.insert(dir, rules),
            None => self.rules.remove(&dir),
        };
    }

    // === taking nodes away ===

    /// A name is gone, or is not recorded any more, and with it what only it led to. `why` is what was said of
    /// it, which may be true of the same node under its other names.
    pub(super) fn remove_name(&mut self, dir: Key, name: &[u8], why: Why) {
        let Some(node) = self.index.child(dir, name) else { return };
        self.remove_below(node);
        if let Some(id) = self.index.get(node).map(|n| n.id) {
            self.emit_removed(dir, name, id);
        }
        self.index.unlink(dir, name);
        self.lost_a_name(node, why);
    }

    /// A name less: the last one takes the node with it.
    fn lost_a_name(&mut self, node: Key, why: Why) {
        if self.index.has_name(node) {
            self.mark_self(node, why, When::Now);
        } else if !self.is_root_node(node) {
            self.drop_node(node);
        }
    }

    /// Records that everything below a directory is gone, the deepest first.
    pub(super) fn remove_below(&mut self, top: Key) {
        let (mut dirs, mut at) = (vec![top], 0);
        while let Some(dir) = dirs.get(at).copied() {
            at += 1;
            let below = self.index.children(dir).map(|(_, key)| key);
            dirs.extend(below.filter(|key| self.index.get(*key).is_some_and(|n| n.is_dir())));
        }
        for dir in dirs.into_iter().rev() {
            let names: Vec<Box<[u8]>> = self.index.children(dir).map(|(name, _)| name.into()).collect();
            for name in names {
                let Some(child) = self.index.child(dir, &name) else { continue };
                if let Some(id) = self.index.get(child).map(|n| n.id) {
                    self.emit_removed(dir, &name, id);
                }
                self.index.unlink(dir, &name);
                let spot = Spot { dir, name };
                self.lost_a_name(child, self.dirty.why(&spot).with(Why::NAME));
            }
        }
    }

    /// Forgets a node without names and entries.
    pub(super) fn drop_node(&mut self, node: Key) {
        if let Some(watch) = self.index.watch(node) {
            self.kernel.unwatch(watch);
        }
        self.handles.retain(|(key, _)| *key != node);
        self.rules.remove(&node);
        self.hidden.forget(node);
        self.reads.forget(node, &mut self.epochs);
        self.index.forget(node);
    }

    /// What is at and below a node.
    pub(super) fn count_below(&self, top: Key) -> Below {
        let (mut below, mut stack) = (Below { nodes: 1, ..Below::default() }, vec![top]);
        while let Some(dir) = stack.pop() {
            below.watches += u64::from(self.index.watch(dir).is_some());
            let is_unseen = |n: &super::index::Node| n.is_dir() && n.flags.has(Flags::PENDING);
            below.unseen += u64::from(self.index.get(dir).is_some_and(is_unseen));
            for (_, child) in self.index.children(dir) {
                below.nodes += 1;
                let Some(node) = self.index.get(child) else { continue };
                below.unreadable += u64::from(node.is_file && node.flags.has(Flags::UNREADABLE));
                if node.is_dir() {
                    stack.push(child);
                }
            }
        }
        below
    }
}

/// What is at and below a node, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Below {
    pub(super) nodes: u64,
    /// Directories that the kernel watches.
    pub(super) watches: u64,
    /// Files whose last read was refused.
    pub(super) unreadable: u64,
    /// Directories of which it is recorded that they are unseen.
    pub(super) unseen: u64,
}

/// A path and what is below it; either may be empty.
fn join(path: &[u8], below: &[u8]) -> Vec<u8> {
    match (path, below) {
        (path, b"") => path.to_vec(),
        (b"", below) => below.to_vec(),
        (b"/", below) => [b"/", below].concat(),
        (path, below) => [path, b"/", below].concat(),
    }
}
