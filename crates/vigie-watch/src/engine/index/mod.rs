//! What the engine knows of the tree: exactly what was recorded, no more, in as few bytes as will do
//! (some 180 for a file with one name of ordinary length).
//!
//! Nodes are things, edges are names. A directory has at most one edge, a file as many as it has hard links.
//! Slots are used again: a [`Key`] therefore carries how often its slot was, and an outdated one finds nothing.

mod children;
mod slab;

use crate::files::Kind;
use crate::kernel::WatchId;
use children::Children;
use slab::Slab;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use vigie_model::{FileTime, NodeId};

const NONE: u32 = u32::MAX;

/// A node of the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    slot: u32,
    turn: u32,
}

impl Key {
    /// Before every other.
    pub(crate) const FIRST: Key = Key { slot: 0, turn: 0 };

    /// Where it is, below [`Index::slots`].
    pub(crate) fn slot(self) -> usize {
        self.slot as usize
    }
}

/// What is true of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u16);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal,)*) => {
        impl Flags { $($(#[$doc])* pub(crate) const $name: Flags = Flags(1 << $bit);)* }
    };
}

flags! {
    /// A content was recorded.
    CONTENT = 0,
    /// It was recorded that newer content is to come; of a directory, that it is unseen.
    PENDING = 1,
    /// The content recorded may not be the one on the disk.
    STALE = 2,
    /// The content was read within a clock tick of its change.
    RACY = 3,
    /// The content recorded mixes several versions.
    TORN = 4,
    /// Its last read was refused.
    UNREADABLE = 5,
    /// A directory that the kernel grants no watch for.
    UNWATCHED = 6,
    /// A directory with ignore rules of its own.
    RULES = 7,
}

impl Flags {
    pub(crate) fn has(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn set(&mut self, other: Flags, on: bool) {
        if on { self.0 |= other.0 } else { self.0 &= !other.0 }
    }
}

/// One object, as it was recorded.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    mtime_secs: i64,
    ctime_secs: i64,
    pub(crate) size: u64,
    /// Of owner, group, kind and what belongs to it, and extended attributes.
    pub(crate) hash: u64,
    mtime_nanos: u32,
    ctime_nanos: u32,
    first_edge: u32,
    dir: u32,
    turn: u32,
    pub(crate) mode: u16,
    pub(crate) flags: Flags,
    pub(crate) is_file: bool,
}

impl Node {
    pub(crate) fn mtime(&self) -> FileTime {
        FileTime { secs: self.mtime_secs, nanos: self.mtime_nanos }
    }

    pub(crate) fn ctime(&self) -> FileTime {
        FileTime { secs: self.ctime_secs, nanos: self.ctime_nanos }
    }

    pub(crate) fn set_times(&mut self, mtime: FileTime, ctime: FileTime) {
        (self.mtime_secs, self.mtime_nanos) = (mtime.secs, mtime.nanos);
        (self.ctime_secs, self.ctime_nanos) = (ctime.secs, ctime.nanos);
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.dir != NONE
    }
}

/// One name.
#[derive(Debug)]
struct Edge {
    parent: u32,
    node: u32,
    /// Next edge to the same node.
    next: u32,
    /// Round of the listing that saw it last.
    round: u32,
    name: Box<[u8]>,
}

/// What a directory has besides.
#[derive(Debug)]
pub(crate) struct DirState {
    children: Children,
    watch: Option<WatchId>,
    /// Round of its last listing.
    round: u32,
    /// Device it is on, for telling mount points; 0 until it was looked at.
    pub(crate) dev: u64,
}

fn name_of(edges: &Slab<Edge>, edge: u32) -> &[u8] {
    edges.get(edge).map_or(&[], |e| &e.name)
}

/// Node ids are digests already.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().take(8) {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    // The length, which is always the same.
    fn write_usize(&mut self, _: usize) {}
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Index {
    nodes: Slab<Node>,
    edges: Slab<Edge>,
    dirs: Slab<DirState>,
    by_id: HashMap<NodeId, u32, BuildHasherDefault<IdHasher>>,
    by_watch: HashMap<WatchId, Key>,
}

impl Index {
    // === nodes ===

    /// Adds a node without a name. It must not be known.
    pub(crate) fn insert(&mut self, id: NodeId, kind: Kind) -> Key {
        let dir = if kind == Kind::Dir {
            self.dirs.insert(|_| DirState { children: Children::default(), watch: None, round: 0, dev: 0 })
        } else {
            NONE
        };
        let mut turn = 0;
        let slot = self.nodes.insert(|old| {
            turn = old.map_or(0, |n| n.turn.wrapping_add(1));
            Node {
                id,
                mtime_secs: 0,
                ctime_secs: 0,
                size: 0,
                hash: 0,
                mtime_nanos: 0,
                ctime_nanos: 0,
                first_edge: NONE,
                dir,
                turn,
                mode: 0,
                flags: Flags::default(),
                is_file: kind == Kind::File,
            }
        });
        self.by_id.insert(id, slot);
        Key { slot, turn }
    }

    /// Forgets a node that has neither names nor entries.
    pub(crate) fn forget(&mut self, key: Key) {
        let Some(node) = self.get(key) else { return };
        let (id, dir) = (node.id, node.dir);
        debug_assert!(node.first_edge == NONE, "a node with a name is forgotten");
        if dir != NONE {
            debug_assert!(self.dirs.at(dir).children.is_empty(), "a directory with entries is forgotten");
            self.set_watch(key, None);
            self.dirs.remove(dir);
        }
        self.by_id.remove(&id);
        let node = self.nodes.at(key.slot);
        node.turn = node.turn.wrapping_add(1);
        self.nodes.remove(key.slot);
    }

    pub(crate) fn find(&self, id: &NodeId) -> Option<Key> {
        let slot = *self.by_id.get(id)?;
        Some(Key { slot, turn: self.nodes.get(slot)?.turn })
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Node> {
        self.nodes.get(key.slot).filter(|n| n.turn == key.turn)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Node> {
        self.nodes.get_mut(key.slot).filter(|n| n.turn == key.turn)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.used()
    }

    /// How many slots there are, used or free.
    pub(crate) fn slots(&self) -> usize {
        self.nodes.slots()
    }

    fn key(&self, slot: u32) -> Key {
        Key { slot, turn: self.nodes.get(slot).map_or(0, |n| n.turn) }
    }

    // === names ===

    fn edge(&self, dir: &DirState, name: &[u8]) -> Option<u32> {
        dir.children.find(|e| name_of(&self.edges, e).cmp(name))
    }

    fn dir_of(&self, key: Key) -> Option<&DirState> {
        self.dirs.get(self.get(key)?.dir)
    }

    /// What a name leads to.
    pub(crate) fn child(&self, dir: Key, name: &[u8]) -> Option<Key> {
        let edge = self.edge(self.dir_of(dir)?, name)?;
        self.edges.get(edge).map(|e| self.key(e.node))
    }

    /// Adds a name that is not there yet. Both ends must be known, and the parent be a directory.
    pub(crate) fn link(&mut self, dir: Key, name: &[u8], node: Key) {
        let (Some(parent), Some(target)) = (self.get(dir), self.get(node)) else { return };
        let (at, next) = (parent.dir, target.first_edge);
        let Some(round) = self.dirs.get(at).map(|d| d.round) else { return };
        let edge = Edge { parent: dir.slot, node: node.slot, next, round, name: name.into() };
        let edge = self.edges.insert(|_| edge);
        let edges = &self.edges;
        let children = &mut self.dirs.at(at).children;
        children.insert(edge, |e| name_of(edges, e).cmp(name));
        self.nodes.at(node.slot).first_edge = edge;
    }

    /// Takes a name away; gives what it led to.
    pub(crate) fn unlink(&mut self, dir: Key, name: &[u8]) -> Option<Key> {
        let state = self.dir_of(dir)?;
        let edge = self.edge(state, name)?;
        let (at, (node, next)) = (self.get(dir)?.dir, self.edges.get(edge).map(|e| (e.node, e.next))?);
        let edges = &self.edges;
        self.dirs.at(at).children.remove(|e| name_of(edges, e).cmp(name));
        let mut before = self.nodes.at(node).first_edge;
        if before == edge {
            self.nodes.at(node).first_edge = next;
        } else {
            while self.edges.at(before).next != edge {
                before = self.edges.at(before).next;
            }
            self.edges.at(before).next = next;
        }
        self.edges.at(edge).name = Box::default();
        self.edges.remove(edge);
        Some(self.key(node))
    }

    /// Every name of a node, with its directory.
    pub(crate) fn names(&self, node: Key) -> Vec<(Key, Box<[u8]>)> {
        let mut out = Vec::new();
        let mut edge = self.get(node).map_or(NONE, |n| n.first_edge);
        while let Some(e) = self.edges.get(edge) {
            out.push((self.key(e.parent), e.name.clone()));
            edge = e.next;
        }
        out
    }

    /// One name of a node, with its directory.
    pub(crate) fn a_name(&self, node: Key) -> Option<(Key, &[u8])> {
        let edge = self.edges.get(self.get(node)?.first_edge)?;
        Some((self.key(edge.parent), &edge.name))
    }

    pub(crate) fn has_name(&self, node: Key) -> bool {
        self.get(node).is_some_and(|n| n.first_edge != NONE)
    }

    /// Every entry of a directory, by name.
    pub(crate) fn children(&self, dir: Key) -> impl Iterator<Item = (&[u8], Key)> {
        let edges = self.dir_of(dir).into_iter().flat_map(|d| d.children.iter());
        edges.filter_map(|e| self.edges.get(e)).map(|e| (&*e.name, self.key(e.node)))
    }

    pub(crate) fn is_empty_dir(&self, dir: Key) -> bool {
        self.dir_of(dir).is_none_or(|d| d.children.is_empty())
    }

    /// Whether `node` is `top` or lies below it.
    pub(crate) fn is_below(&self, node: Key, top: Key) -> bool {
        let mut at = node;
        loop {
            if at == top {
                return true;
            }
            match self.a_name(at) {
                Some((parent, _)) => at = parent,
                None => return false,
            }
        }
    }

    // === listings ===

    /// Begins a listing: names that it does not confirm are missing.
    pub(crate) fn begin_round(&mut self, dir: Key, dev: u64) {
        if let Some(at) = self.get(dir).map(|n| n.dir).filter(|d| *d != NONE) {
            let state = self.dirs.at(at);
            state.round = state.round.wrapping_add(1);
            state.dev = dev;
        }
    }

    /// Says that a name is there.
    pub(crate) fn confirm(&mut self, dir: Key, name: &[u8]) {
        let Some(state) = self.dir_of(dir) else { return };
        let (round, edge) = (state.round, self.edge(state, name));
        if let Some(edge) = edge.and_then(|e| self.edges.get_mut(e)) {
            edge.round = round;
        }
    }

    /// The names that the last listing did not confirm.
    pub(crate) fn missing(&self, dir: Key) -> Vec<Box<[u8]>> {
        let Some(state) = self.dir_of(dir) else { return Vec::new() };
        let edges = state.children.iter().filter_map(|e| self.edges.get(e));
        edges.filter(|e| e.round != state.round).map(|e| e.name.clone()).collect()
    }

    /// Device of a directory, 0 when it was never listed.
    pub(crate) fn dev(&self, dir: Key) -> u64 {
        self.dir_of(dir).map_or(0, |d| d.dev)
    }

    // === watches ===

    pub(crate) fn watch(&self, dir: Key) -> Option<WatchId> {
        self.dir_of(dir)?.watch
    }

    pub(crate) fn watched(&self, watch: WatchId) -> Option<Key> {
        self.by_watch.get(&watch).copied().filter(|key| self.get(*key).is_some())
    }

    pub(crate) fn watches(&self) -> usize {
        self.by_watch.len()
    }

    /// Ties a watch to a directory; another directory that had it loses it.
    pub(crate) fn set_watch(&mut self, dir: Key, watch: Option<WatchId>) {
        let Some(at) = self.get(dir).map(|n| n.dir).filter(|d| *d != NONE) else { return };
        if let Some(old) = self.dirs.at(at).watch.take() {
            self.by_watch.remove(&old);
        }
        let Some(new) = watch else { return };
        if let Some(other) = self.by_watch.insert(new, dir)
            && let Some(at) = self.get(other).map(|n| n.dir).filter(|d| *d != NONE)
        {
            self.dirs.at(at).watch = None;
        }
        self.dirs.at(at).watch = Some(new);
    }

    /// Forgets a watch that the kernel ended.
    pub(crate) fn drop_watch(&mut self, watch: WatchId) -> Option<Key> {
        let dir = self.watched(watch)?;
        self.set_watch(dir, None);
        Some(dir)
    }
}
