//! Going through a tree at an instant, directory by directory.

use crate::limits::CHILDREN_PER_READ;
use std::collections::{HashSet, VecDeque};
use vigie_model::{EdgeName, MachineId, NodeId, NodeType, Seq};
use vigie_store::{NodeVersion, Store, StoreError};

/// One object of a tree.
#[derive(Debug)]
pub(super) struct Step {
    /// Path below the top, without a leading slash.
    pub(super) path: Vec<u8>,
    pub(super) node: NodeId,
    pub(super) version: NodeVersion,
}

impl Step {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.version.state.meta.node_type, NodeType::Directory)
    }
}

/// Everything below a directory, each directory before what it holds, names in the order of their bytes.
/// Holds a few entries for each level of the tree, however many there are, and the ids of the directories that it met.
#[derive(Debug)]
pub(super) struct TreeWalk {
    store: Store,
    machine: MachineId,
    seq: Seq,
    recursive: bool,
    /// Directories whose path is longer are not gone into.
    path_bytes_max: usize,
    levels: Vec<Level>,
    /// Where it is, below the top.
    path: Vec<u8>,
    /// A directory has one place. What a lying agent, or damage, has put at several may lie below itself, and would be
    /// walked through without end.
    met: HashSet<NodeId>,
}

#[derive(Debug)]
struct Level {
    node: NodeId,
    /// Bytes of the walk's path that lead to it.
    path_len: usize,
    waiting: VecDeque<(EdgeName, NodeId)>,
    /// The last name that was read; none before the first.
    last: Option<Vec<u8>>,
    read_all: bool,
}

impl TreeWalk {
    pub(super) fn new(store: &Store, machine: MachineId, seq: Seq, top: NodeId, recursive: bool) -> Self {
        let (levels, met) = (vec![Level::new(top, 0)], HashSet::from([top]));
        let (store, path_bytes_max, path) = (store.clone(), usize::MAX, Vec::new());
        TreeWalk { store, machine, seq, recursive, path_bytes_max, levels, path, met }
    }

    /// Gives directories with longer paths without what lies below them.
    pub(super) fn down_to(mut self, path_bytes_max: usize) -> Self {
        self.path_bytes_max = path_bytes_max;
        self
    }

    /// The next object.
    pub(super) fn step(&mut self) -> Result<Option<Step>, StoreError> {
        while let Some(level) = self.levels.last_mut() {
            if level.waiting.is_empty() && !level.read_all {
                let after = level.last.as_deref();
                let read =
                    self.store.children(self.machine, level.node, self.seq, after, CHILDREN_PER_READ)?;
                level.read_all = read.len() < CHILDREN_PER_READ;
                level.last = read.last().map(|(name, _)| name.as_bytes().to_vec());
                level.waiting = read.into();
            }
            let Some((name, node)) = level.waiting.pop_front() else {
                self.levels.pop();
                continue;
            };
            self.path.truncate(level.path_len);
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.as_bytes());
            // An edge without a node is damage of the index; what is left of the tree is still worth having.
            let Some(mut version) = self.store.node(self.machine, node, self.seq)? else {
                tracing::error!(%node, "the index has a name without a node");
                continue;
            };
            if self.recursive && version.state.meta.node_type == NodeType::Directory {
                if self.path.len() > self.path_bytes_max {
                    // Whoever asked says so.
                } else if self.met.insert(node) {
                    self.levels.push(Level::new(node, self.path.len()));
                } else {
                    tracing::error!(%node, "a directory is recorded at two places: it is shown empty at the second");
                    version.state.pending = true;
                }
            }
            return Ok(Some(Step { path: self.path.clone(), node, version }));
        }
        Ok(None)
    }
}

impl Level {
    fn new(node: NodeId, path_len: usize) -> Self {
        Level { node, path_len, waiting: VecDeque::new(), last: None, read_all: false }
    }
}
