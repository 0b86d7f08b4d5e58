//! Going through a tree at an instant, directory by directory.

use crate::limits::{CHILDREN_PER_READ, DEPTH_MAX};
use std::collections::VecDeque;
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
/// Holds a few entries for each level of the tree, however many there are.
#[derive(Debug)]
pub(super) struct TreeWalk {
    store: Store,
    machine: MachineId,
    seq: Seq,
    recursive: bool,
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    path: Vec<u8>,
    node: NodeId,
    waiting: VecDeque<(EdgeName, NodeId)>,
    /// The last name that was read; none before the first.
    last: Option<Vec<u8>>,
    read_all: bool,
}

impl TreeWalk {
    pub(super) fn new(store: &Store, machine: MachineId, seq: Seq, top: NodeId, recursive: bool) -> Self {
        let levels = vec![Level::new(Vec::new(), top)];
        TreeWalk { store: store.clone(), machine, seq, recursive, levels }
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
            let mut path = level.path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            // An edge without a node is damage of the index; what is left of the tree is still worth having.
            let Some(version) = self.store.node(self.machine, node, self.seq)? else {
                tracing::error!(%node, "the index has a name without a node");
                continue;
            };
            let step = Step { path, node, version };
            if self.recursive && step.is_directory() && self.levels.len() < DEPTH_MAX {
                self.levels.push(Level::new(step.path.clone(), node));
            }
            return Ok(Some(step));
        }
        Ok(None)
    }
}

impl Level {
    fn new(path: Vec<u8>, node: NodeId) -> Self {
        Level { path, node, waiting: VecDeque::new(), last: None, read_all: false }
    }
}
