//! All that is recorded of a machine right now, edge by edge, for an agent that was away.

use std::collections::{HashSet, VecDeque};
use vigie_model::{EdgeName, KnownEdge, MachineId, NodeId, NodeType, Seq};
use vigie_store::{Store, StoreError};

/// Children read from the index at once.
const CHILDREN_AT_ONCE: usize = 1024;
/// Bytes at which a part of the answer ends.
const PART_BYTES_AIM: usize = 128 * 1024;

/// The tree in parts of whole edges in CBOR, parents before their children. Nothing else writes this
/// machine's records meanwhile, because its session asks.
pub(crate) struct TreeParts {
    walk: Walk,
    over: bool,
}

impl TreeParts {
    pub(crate) fn new(store: Store, machine: MachineId) -> Self {
        let at = *store.tail().borrow();
        let todo = VecDeque::from([(NodeId::ROOTS, None)]);
        let walk = Walk { store, machine, at, todo, ready: VecDeque::new(), told: HashSet::new() };
        TreeParts { walk, over: false }
    }
}

impl Iterator for TreeParts {
    type Item = Result<Vec<u8>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut part = Vec::new();
        while !self.over && part.len() < PART_BYTES_AIM {
            match self.walk.next() {
                Ok(Some(edge)) => {
                    minicbor::encode(&edge, &mut part).expect("writing CBOR to a vector cannot fail");
                }
                Ok(None) => self.over = true,
                Err(why) => {
                    self.over = true;
                    return Some(Err(format!("the recorded tree could not be read: {why}")));
                }
            }
        }
        (!part.is_empty()).then_some(Ok(part))
    }
}

struct Walk {
    store: Store,
    machine: MachineId,
    at: Seq,
    /// Directories to list, with the last name that was seen there.
    todo: VecDeque<(NodeId, Option<EdgeName>)>,
    ready: VecDeque<(NodeId, EdgeName, NodeId)>,
    told: HashSet<NodeId>,
}

impl Walk {
    fn next(&mut self) -> Result<Option<KnownEdge>, StoreError> {
        loop {
            if let Some((parent, name, node)) = self.ready.pop_front() {
                return self.edge(parent, name, node).map(Some);
            }
            let Some((dir, after)) = self.todo.pop_front() else { return Ok(None) };
            let after = after.as_ref().map(EdgeName::as_bytes);
            let children = self.store.children(self.machine, dir, self.at, after, CHILDREN_AT_ONCE)?;
            if let (true, Some((last, _))) = (children.len() >= CHILDREN_AT_ONCE, children.last()) {
                self.todo.push_front((dir, Some(last.clone())));
            }
            self.ready.extend(children.into_iter().map(|(name, node)| (dir, name, node)));
        }
    }

    fn edge(&mut self, parent: NodeId, name: EdgeName, node: NodeId) -> Result<KnownEdge, StoreError> {
        let mut state = None;
        if self.told.insert(node) {
            state = self.store.node(self.machine, node, self.at)?.map(|version| version.state);
            if state.as_ref().is_some_and(|s| s.meta.node_type == NodeType::Directory) {
                self.todo.push_back((node, None));
            }
        }
        Ok(KnownEdge { parent, name, node, state })
    }
}
