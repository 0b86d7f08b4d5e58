//! All that is recorded of a machine right now, edge by edge, for an agent that was away.

use std::collections::{HashMap, HashSet, VecDeque};
use vigie_model::{EdgeName, KnownEdge, MachineId, NodeId, NodeType, Seq};
use vigie_store::{Store, StoreError};

/// Children read from the index at once.
const CHILDREN_AT_ONCE: usize = 1024;
/// Edges whose nodes are looked up together: some megabytes of them, while the nodes of a tree lie scattered in the
/// index, and each piece of it is read once for all that it holds.
const EDGES_AT_ONCE: usize = 16_384;
/// Bytes at which a part of the answer ends: what is urgent goes between two parts, on a slow link too.
const PART_BYTES_AIM: usize = 32 * 1024;

/// The tree in parts of whole edges in CBOR, parents before their children, as of all that can be read when it begins.
/// Nothing else writes this machine's records meanwhile, because its session asks.
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
    ready: VecDeque<KnownEdge>,
    told: HashSet<NodeId>,
}

impl Walk {
    fn next(&mut self) -> Result<Option<KnownEdge>, StoreError> {
        if self.ready.is_empty() {
            self.prepare()?;
        }
        Ok(self.ready.pop_front())
    }

    /// Lists some directories, and looks up what they lead to: many at once, in the order of the index.
    fn prepare(&mut self) -> Result<(), StoreError> {
        while self.ready.len() < EDGES_AT_ONCE {
            let Some((dir, after)) = self.todo.pop_front() else { break };
            let after = after.as_ref().map(EdgeName::as_bytes);
            let children = self.store.children(self.machine, dir, self.at, after, CHILDREN_AT_ONCE)?;
            if let (true, Some((last, _))) = (children.len() >= CHILDREN_AT_ONCE, children.last()) {
                self.todo.push_front((dir, Some(last.clone())));
            }
            let edge = |(name, node)| KnownEdge { parent: dir, name, node, state: None };
            self.ready.extend(children.into_iter().map(edge));
        }
        // A node is told with its first name.
        let told = &mut self.told;
        let mut first: Vec<_> = self.ready.iter_mut().filter(|edge| told.insert(edge.node)).collect();
        let mut nodes: Vec<NodeId> = first.iter().map(|edge| edge.node).collect();
        nodes.sort_unstable();
        let states = self.store.nodes(self.machine, &nodes, self.at)?;
        let mut states: HashMap<NodeId, _> = nodes.into_iter().zip(states).collect();
        for edge in &mut first {
            edge.state = states.remove(&edge.node).flatten().map(|version| version.state);
            if edge.state.as_ref().is_some_and(|state| state.meta.node_type == NodeType::Directory) {
                self.todo.push_back((edge.node, None));
            }
        }
        Ok(())
    }
}
