//! Paths of nodes while a journal is walked forwards.

use crate::limits::{LOST_PATHS_MAX, NAMES_LOOKED_AT_MAX, PATHS_REMEMBERED_MAX};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use vigie_model::{BytePath, EdgeName, FileEvent, MachineId, NodeId, Seq};
use vigie_store::{Store, StoreError};

type Key = (MachineId, NodeId);
type PathBytes = Arc<[u8]>;

/// Remembers the paths of directories, so that a record costs one look into the index and not one for each
/// level above it. Right only while records are noted in order, each before paths at a later one are asked.
#[derive(Debug)]
pub(super) struct Paths {
    store: Store,
    by_node: HashMap<Key, PathBytes>,
    /// The same, in the order of the paths, so that all below a directory can be forgotten at once.
    by_path: BTreeMap<(MachineId, PathBytes), NodeId>,
    lost: HashMap<Key, PathBytes>,
    roots: HashMap<MachineId, Vec<BytePath>>,
    /// A path was asked for that is deeper than is climbed.
    too_deep: bool,
}

impl Paths {
    pub(super) fn new(store: Store) -> Self {
        Paths {
            store,
            by_node: HashMap::new(),
            by_path: BTreeMap::new(),
            lost: HashMap::new(),
            roots: HashMap::new(),
            too_deep: false,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Paths::new(self.store.clone());
    }

    /// Takes note of what the record `seq` moves, before its own paths are asked.
    pub(super) fn note(&mut self, machine: MachineId, seq: Seq, event: &FileEvent) -> Result<(), StoreError> {
        match event {
            FileEvent::Created(c) if c.parent == NodeId::ROOTS => self.forget_machine(machine),
            FileEvent::Removed(r) if r.parent == NodeId::ROOTS => {
                self.lose(machine, r.node, r.name.as_bytes().into());
                self.forget_machine(machine);
            }
            FileEvent::Created(c) => self.forget((machine, c.node)),
            FileEvent::Renamed(r) => self.forget((machine, r.node)),
            FileEvent::Removed(r) => {
                if let Some(path) = self.below(machine, r.parent, &r.name, seq)? {
                    self.lose(machine, r.node, path.into());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The path of a name in a directory, right after the record `seq`.
    pub(super) fn below(
        &mut self,
        machine: MachineId,
        parent: NodeId,
        name: &EdgeName,
        seq: Seq,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if parent == NodeId::ROOTS {
            return Ok(Some(name.as_bytes().to_vec()));
        }
        Ok(self.directory(machine, parent, seq)?.map(|dir| join(&dir, name.as_bytes())))
    }

    /// The paths of a node right after the record `seq`, in the order of their bytes, so that of several the
    /// same one is shown every time; where it has none, its last one, if it was seen to go.
    pub(super) fn of_node(
        &mut self,
        machine: MachineId,
        node: NodeId,
        seq: Seq,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let names = self.store.names(machine, node, seq)?;
        let mut paths = Vec::new();
        for (parent, name) in names.iter().take(NAMES_LOOKED_AT_MAX) {
            paths.extend(self.below(machine, *parent, name, seq)?);
        }
        paths.sort_unstable();
        if paths.is_empty() {
            paths.extend(self.lost.get(&(machine, node)).map(|path| path.to_vec()));
        }
        Ok(paths)
    }

    /// Whether a path could not be told since the last question, because it is too deep, or leads in a circle.
    pub(super) fn take_too_deep(&mut self) -> bool {
        std::mem::take(&mut self.too_deep)
    }

    /// The innermost root that holds a path, right after the record `seq`.
    pub(super) fn root_of(
        &mut self,
        machine: MachineId,
        path: &[u8],
        seq: Seq,
    ) -> Result<Option<BytePath>, StoreError> {
        if !self.roots.contains_key(&machine) {
            let roots = self.store.roots(machine, seq)?;
            self.roots.insert(machine, roots.into_iter().map(|(path, _)| path).collect());
        }
        let roots = self.roots.get(&machine).into_iter().flatten();
        let holding = roots.filter(|root| is_below(path, root.as_bytes()));
        Ok(holding.max_by_key(|root| root.as_bytes().len()).cloned())
    }

    /// The path of a directory. Remembers those above it too, so that forgetting one forgets all below.
    fn directory(
        &mut self,
        machine: MachineId,
        node: NodeId,
        seq: Seq,
    ) -> Result<Option<PathBytes>, StoreError> {
        if self.by_node.len() >= PATHS_REMEMBERED_MAX {
            self.by_node.clear();
            self.by_path.clear();
        }
        let mut names: Vec<(NodeId, EdgeName)> = Vec::new();
        let mut at = node;
        let mut path = loop {
            if let Some(known) = self.by_node.get(&(machine, at)) {
                break known.clone();
            }
            let Some((parent, name)) = self.store.names(machine, at, seq)?.into_iter().next() else {
                match self.lost.get(&(machine, at)) {
                    Some(last) => break last.clone(),
                    None => return Ok(None),
                }
            };
            if parent == NodeId::ROOTS {
                let path: PathBytes = name.as_bytes().into();
                self.remember(machine, at, &path);
                break path;
            }
            names.push((at, name));
            if names.len() > crate::limits::DEPTH_MAX {
                self.too_deep = true;
                return Ok(None);
            }
            at = parent;
        };
        for (node, name) in names.into_iter().rev() {
            path = join(&path, name.as_bytes()).into();
            self.remember(machine, node, &path);
        }
        Ok(Some(path))
    }

    fn remember(&mut self, machine: MachineId, node: NodeId, path: &PathBytes) {
        self.by_node.insert((machine, node), path.clone());
        self.by_path.insert((machine, path.clone()), node);
    }

    fn lose(&mut self, machine: MachineId, node: NodeId, path: PathBytes) {
        if self.lost.len() >= LOST_PATHS_MAX {
            self.lost.clear();
        }
        self.lost.insert((machine, node), path);
    }

    /// Forgets the path of a directory and of all below it.
    fn forget(&mut self, key: Key) {
        self.lost.remove(&key);
        let Some(path) = self.by_node.get(&key).cloned() else { return };
        let from = Bound::Included((key.0, path.clone()));
        let behind = self.by_path.range((from, Bound::Unbounded));
        let below: Vec<_> = behind
            .take_while(|((machine, p), _)| *machine == key.0 && p.starts_with(&path))
            .filter(|((_, p), _)| is_below(p, &path))
            .map(|(place, node)| (place.clone(), *node))
            .collect();
        for (place, node) in below {
            self.by_path.remove(&place);
            self.by_node.remove(&(key.0, node));
        }
    }

    fn forget_machine(&mut self, machine: MachineId) {
        self.by_node.retain(|key, _| key.0 != machine);
        self.by_path.retain(|key, _| key.0 != machine);
        self.roots.remove(&machine);
    }
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(dir.len() + 1 + name.len());
    path.extend_from_slice(if dir == b"/" { b"" } else { dir });
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// Whether `path` is `dir` or lies below it. Unlike [`BytePath`] these may be longer than `PATH_MAX`.
pub(super) fn is_below(path: &[u8], dir: &[u8]) -> bool {
    match path.strip_prefix(dir) {
        Some(rest) => dir == b"/" || matches!(rest, [] | [b'/', ..]),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_respects_the_ends_of_names() {
        for (path, dir, answer) in [
            (&b"/a/b"[..], &b"/a"[..], true),
            (b"/a", b"/a", true),
            (b"/ab", b"/a", false),
            (b"/a", b"/a/b", false),
            (b"/a", b"/", true),
        ] {
            assert_eq!(is_below(path, dir), answer);
        }
        assert_eq!(join(b"/", b"a"), b"/a");
        assert_eq!(join(b"/a", b"\xff"), b"/a/\xff");
    }
}
