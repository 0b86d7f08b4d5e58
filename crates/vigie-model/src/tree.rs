//! One line of a tree as the hub knows it: what an agent compares its disk with after it was away.

use crate::content::Content;
use crate::files::EdgeName;
use crate::ids::NodeId;
use crate::meta::Metadata;
use minicbor::{Decode, Encode};

/// What is recorded of a node.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NodeState {
    /// The newest metadata.
    #[n(0)]
    pub meta: Metadata,
    /// The last content that was read, if there ever was one.
    #[n(1)]
    pub content: Option<Content>,
    /// Newer content is known to exist and is not in the store. Of a directory: it is unseen, and its entries are
    /// the last known.
    #[n(2)]
    pub pending: bool,
}

/// One edge of the hub's tree with the node behind it. Parents come before their children; a node with
/// several names comes once for each, with its state only the first time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KnownEdge {
    /// Directory, or [`NodeId::ROOTS`].
    #[n(0)]
    pub parent: NodeId,
    /// Name in that directory.
    #[n(1)]
    pub name: EdgeName,
    /// What it leads to.
    #[n(2)]
    pub node: NodeId,
    /// State of the node; absent when an earlier edge told it.
    #[n(3)]
    pub state: Option<NodeState>,
}
