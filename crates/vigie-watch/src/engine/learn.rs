//! Taking in what the hub recorded, before the disk is compared with it.

use super::Engine;
use super::index::{Flags, Key};
use crate::files::Kind;
use vigie_model::{BytePath, EdgeName, KnownEdge, NodeId, NodeState, NodeType};

/// What was learned beside the tree itself.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Roots as they were declared.
    pub(super) labels: Vec<(BytePath, Key)>,
    /// Edges that cannot be: a second one to a directory. They are taken back.
    pub(super) strays: Vec<(NodeId, EdgeName, NodeId)>,
}

impl Engine {
    pub(super) fn learn_edge(&mut self, edge: &KnownEdge) {
        let KnownEdge { parent, name, node: id, state } = edge;
        let node = match (self.index.find(id), state) {
            (Some(node), _) => node,
            (None, Some(state)) => self.learn_node(*id, state),
            // An edge to a node that was never told: it will be found, or not.
            (None, None) => return,
        };
        match name {
            EdgeName::Root(path) => self.learned.labels.push((path.clone(), node)),
            EdgeName::Entry(name) => {
                let Some(dir) = self.index.find(parent) else { return };
                let name = name.as_bytes();
                let is_dir = |key| self.index.get(key).is_some_and(|n| n.is_dir());
                let second = is_dir(node) && (self.index.has_name(node) || self.index.is_below(dir, node));
                if !is_dir(dir) || second || self.index.child(dir, name).is_some() {
                    self.learned.strays.push((*parent, edge.name.clone(), *id));
                } else {
                    self.index.link(dir, name, node);
                }
            }
        }
    }

    fn learn_node(&mut self, id: NodeId, state: &NodeState) -> Key {
        let kind = match state.meta.node_type {
            NodeType::File => Kind::File,
            NodeType::Directory => Kind::Dir,
            NodeType::Symlink { .. } => Kind::Symlink,
            NodeType::Fifo => Kind::Fifo,
            NodeType::Socket => Kind::Socket,
            NodeType::CharDevice { .. } => Kind::CharDevice,
            NodeType::BlockDevice { .. } => Kind::BlockDevice,
        };
        let node = self.index.insert(id, kind);
        self.fill(node, &state.meta);
        let content = state.content.as_ref();
        for (flag, on) in [
            (Flags::CONTENT, content.is_some()),
            (Flags::RACY, content.is_some_and(|c| c.racy)),
            (Flags::TORN, content.is_some_and(|c| c.torn)),
            (Flags::PENDING, state.pending),
        ] {
            self.index_flag(node, flag, on);
        }
        node
    }
}
