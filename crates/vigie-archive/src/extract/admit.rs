//! Which entries of a stream may be written at all, and where.

use super::report::Act;
use super::shared::{PathKey, Shared};
use crate::path::below_root;
use crate::read::{Entry, EntryKind};
use std::collections::HashSet;
use vigie_model::NodeType;

/// What the tree of a stream is; its first entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing came yet.
    Unknown,
    /// A directory with what it holds.
    Tree,
    /// One object that is not a directory.
    Object,
}

/// Looks at every entry's name: it must lie in the tree, and come once.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) shape: Shape,
    seen: HashSet<PathKey>,
}

impl Admission {
    pub(super) fn new() -> Self {
        Admission { shape: Shape::Unknown, seen: HashSet::new() }
    }

    /// The place of an entry below the target, empty for the target itself; `None` when it is refused, which is
    /// then reported.
    pub(super) fn admit(&mut self, shared: &Shared, entry: &Entry) -> Option<Vec<u8>> {
        match self.place(shared, entry) {
            Ok(path) => {
                for remark in &entry.remarks {
                    shared.problem(&path, Act::Understand, remark);
                }
                Some(path)
            }
            Err(why) => {
                shared.problem(&entry.name, Act::Name, why);
                None
            }
        }
    }

    fn place(&mut self, shared: &Shared, entry: &Entry) -> Result<Vec<u8>, String> {
        let mut path = below_root(&entry.name).map_err(|error| error.to_string())?.into_owned();
        let directory =
            entry.meta.node_type == NodeType::Directory && matches!(entry.kind, EntryKind::Object(_));
        match self.shape {
            Shape::Unknown if entry.is_root_object && !directory => {
                self.shape = Shape::Object;
                path.clear();
            }
            Shape::Unknown => self.shape = Shape::Tree,
            Shape::Tree if entry.is_root_object => return Err("it claims to be a second root".to_owned()),
            Shape::Tree => {}
            Shape::Object => return Err("the tree is a single object, and this lies beside it".to_owned()),
        }
        if path.is_empty() && self.shape == Shape::Tree && !directory {
            return Err("the root of a tree can only be a directory".to_owned());
        }
        if !self.seen.insert(shared.key(&path)) {
            return Err("it comes twice in the stream".to_owned());
        }
        Ok(path)
    }

    /// Whether an entry of this place was admitted before.
    pub(super) fn has_seen(&self, shared: &Shared, path: &[u8]) -> bool {
        self.seen.contains(&shared.key(path))
    }
}
