//! What a hub would know after some facts: the rules of its index, on maps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use vigie_model::{
    BytePath, Content, Digest, EdgeName, FileEvent, KnownEdge, Metadata, NodeId, NodeState, NodeType,
};
use vigie_watch::Fact;
use vigie_watch::fakes::SnapshotNode;

#[derive(Clone, Default)]
pub(crate) struct Replica {
    nodes: HashMap<NodeId, NodeState>,
    edges: BTreeMap<(NodeId, Vec<u8>), NodeId>,
    pub(crate) blobs: HashMap<Digest, Vec<u8>>,
    pub(crate) gaps: BTreeSet<(Vec<u8>, &'static str)>,
    pub(crate) errors: Vec<(Vec<u8>, &'static str, i32)>,
    /// Words of all facts, with the last name each is about.
    pub(crate) log: Vec<String>,
}

/// One object as the replica has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) node: NodeId,
    pub(crate) meta: Metadata,
    pub(crate) content: Option<Content>,
    pub(crate) pending: bool,
}

impl Replica {
    pub(crate) fn apply(&mut self, fact: &Fact) {
        let show =
            |path: &Option<Vec<u8>>| String::from_utf8_lossy(path.as_deref().unwrap_or(b"?")).into_owned();
        let from = if fact.from.is_some() { format!(" {}", show(&fact.from)) } else { String::new() };
        self.log.push(format!("{}{from} {}", fact.event.word(), show(&fact.path)));
        match &fact.event {
            FileEvent::Created(e) => {
                assert!(e.parent == NodeId::ROOTS || self.nodes.contains_key(&e.parent), "{e:?}: no parent");
                let known = e.parent == NodeId::ROOTS && self.is_below_a_root(e.node);
                if e.meta.node_type == NodeType::Directory && !known {
                    self.edges.retain(|(parent, _), _| *parent != e.node);
                }
                let content = self.nodes.remove(&e.node).and_then(|n| n.content);
                self.nodes.insert(e.node, NodeState { meta: e.meta.clone(), content, pending: e.pending });
                self.edges.insert((e.parent, e.name.as_bytes().to_vec()), e.node);
            }
            FileEvent::Removed(e) => {
                let edge = (e.parent, e.name.as_bytes().to_vec());
                assert_eq!(self.edges.remove(&edge), Some(e.node), "{e:?} was not there\n{}", self.tail());
            }
            FileEvent::Renamed(e) => {
                let from = (e.from_parent, e.from_name.as_bytes().to_vec());
                if self.edges.get(&from) == Some(&e.node) {
                    self.edges.remove(&from);
                }
                assert!(self.nodes.contains_key(&e.node), "{e:?}: no node");
                self.edges.insert((e.to_parent, e.to_name.as_bytes().to_vec()), e.node);
            }
            FileEvent::Linked(e) => {
                assert!(self.nodes.contains_key(&e.node), "{e:?}: no node");
                self.edges.insert((e.parent, e.name.as_bytes().to_vec()), e.node);
            }
            FileEvent::Metadata(e) => {
                let node = self.nodes.get_mut(&e.node).expect("metadata of a node that is known");
                node.meta = e.meta.clone();
                if e.meta.node_type != NodeType::Directory {
                    node.pending = e.pending;
                }
            }
            FileEvent::Content(e) => {
                let node = self.nodes.get_mut(&e.node).expect("content of a node that is known");
                node.pending = e.content.pending;
                if e.content.ctime >= node.meta.ctime {
                    (node.meta.mtime, node.meta.ctime) = (e.content.mtime, e.content.ctime);
                    (node.meta.mode, node.meta.size) = (e.content.mode, e.content.size);
                }
                node.content = Some(e.content.clone());
            }
            FileEvent::GapOpened(e) => {
                self.gaps.insert((e.root.as_bytes().to_vec(), e.cause.as_str()));
            }
            FileEvent::GapClosed(e) => self.gaps.retain(|(root, _)| root != e.root.as_bytes()),
            FileEvent::Error(e) => self.errors.push((e.path.clone(), e.act.as_str(), e.errno)),
            FileEvent::Unseen(e) => {
                let node = self.nodes.get_mut(&e.node).expect("a node that is known");
                assert!(!std::mem::replace(&mut node.pending, true), "{e:?}: told twice\n{}", self.tail());
            }
            FileEvent::Seen(e) => {
                let node = self.nodes.get_mut(&e.node).expect("a node that is known");
                assert!(
                    std::mem::replace(&mut node.pending, false),
                    "{e:?}: was not unseen\n{}",
                    self.tail()
                );
            }
            FileEvent::Superseded(_) => panic!("not written by this version"),
        }
    }

    fn is_below_a_root(&self, node: NodeId) -> bool {
        let mut parents =
            self.edges.iter().filter(|(_, child)| **child == node).map(|((parent, _), _)| *parent);
        parents.any(|parent| parent == NodeId::ROOTS || self.is_below_a_root(parent))
    }

    pub(crate) fn tail(&self) -> String {
        self.log[self.log.len().saturating_sub(40)..].join("\n")
    }

    /// Everything below a root, by path relative to it.
    pub(crate) fn tree(&self, root: &str) -> BTreeMap<Vec<u8>, Line> {
        let mut out = BTreeMap::new();
        let top = self.edges.get(&(NodeId::ROOTS, root.as_bytes().to_vec()));
        let mut stack: Vec<(Vec<u8>, NodeId)> = top.map(|node| (Vec::new(), *node)).into_iter().collect();
        while let Some((below, node)) = stack.pop() {
            assert!(out.len() < 1_000_000, "the tree has a cycle");
            for ((_, name), child) in self.edges.range((node, Vec::new())..).take_while(|(k, _)| k.0 == node)
            {
                let slash: &[u8] = if below.is_empty() { b"" } else { b"/" };
                stack.push(([&below[..], slash, name].concat(), *child));
            }
            let NodeState { meta, content, pending } = self.nodes[&node].clone();
            out.insert(below, Line { node, meta, content, pending });
        }
        out
    }

    /// Directories that are unseen, by path relative to a root.
    pub(crate) fn unseen(&self, root: &str) -> Vec<String> {
        let is_unseen = |line: &Line| line.pending && line.meta.node_type == NodeType::Directory;
        let unseen = self.tree(root).into_iter().filter(|(_, line)| is_unseen(line));
        unseen.map(|(path, _)| String::from_utf8(path).unwrap()).collect()
    }

    /// What a hub would tell a new engine.
    pub(crate) fn known(&self) -> Vec<KnownEdge> {
        let (mut out, mut told) = (Vec::new(), BTreeSet::new());
        let mut stack = vec![NodeId::ROOTS];
        while let Some(parent) = stack.pop() {
            for ((_, name), node) in
                self.edges.range((parent, Vec::new())..).take_while(|(k, _)| k.0 == parent)
            {
                let state = told.insert(*node).then(|| self.nodes[node].clone());
                if state.as_ref().is_some_and(|s| s.meta.node_type == NodeType::Directory) {
                    stack.push(*node);
                }
                let name = EdgeName::from_bytes(name).unwrap();
                out.push(KnownEdge { parent, name, node: *node, state });
            }
        }
        out
    }

    /// Compares with the truth: names, metadata but `ctime`, contents, and which names are one object.
    pub(crate) fn assert_same(&self, root: &str, truth: &BTreeMap<Vec<u8>, SnapshotNode>, what: &str) {
        let tree = self.tree(root);
        let names = |paths: Vec<&Vec<u8>>| -> Vec<String> {
            paths.into_iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect()
        };
        assert_eq!(
            names(tree.keys().collect()),
            names(truth.keys().collect()),
            "{what}: names\n{}",
            self.tail()
        );
        let mut inodes: HashMap<u64, NodeId> = HashMap::new();
        let mut nodes: HashMap<NodeId, u64> = HashMap::new();
        for (path, real) in truth {
            let (line, show) = (&tree[path], String::from_utf8_lossy(path));
            let ctime = line.meta.ctime;
            assert_eq!(
                line.meta,
                Metadata { ctime, ..real.meta.clone() },
                "{what}: metadata of {show}\n{}",
                self.tail()
            );
            assert_eq!(
                *inodes.entry(real.ino).or_insert(line.node),
                line.node,
                "{what}: hard links of {show}"
            );
            assert_eq!(*nodes.entry(line.node).or_insert(real.ino), real.ino, "{what}: node of {show}");
            let is_unseen = line.meta.node_type == NodeType::Directory && line.pending;
            assert!(!is_unseen, "{what}: {show} is unseen\n{}", self.tail());
            let Some(bytes) = &real.content else { continue };
            let content = line
                .content
                .as_ref()
                .unwrap_or_else(|| panic!("{what}: no content of {show}\n{}", self.tail()));
            assert_eq!(
                self.blobs.get(&content.digest),
                Some(&**bytes),
                "{what}: content of {show}\n{}",
                self.tail()
            );
            assert!(!line.pending && !content.torn, "{what}: {show} is pending or torn\n{}", self.tail());
        }
    }
}

pub(crate) fn path(text: &str) -> BytePath {
    BytePath::normalise(text.as_bytes()).unwrap()
}
