//! Which contents were read and are not yet written to the link: what a flush has to wait for, and what later
//! facts about the same node must not overtake. And which were given up, so that nothing that is written before they
//! come again says that they are there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use vigie_model::NodeId;

/// Names one content on its way from the reader to the link. Only ever growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId(u64);

/// One content on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    id: EntryId,
    node: NodeId,
}

impl Entry {
    /// Whether it was opened after another one.
    pub(crate) fn is_after(self, other: EntryId) -> bool {
        self.id > other
    }
}

/// The open entries. Shared by the capture, which opens, and the session, which closes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Mutex<Entries>,
    closed: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    open: BTreeSet<u64>,
    /// The open entries of a node, and the newest of its entries that was written since one of them is open.
    nodes: HashMap<NodeId, NodeEntries>,
    /// Nodes of which a content was given up, and none was written since.
    owed: HashSet<NodeId>,
}

#[derive(Debug, Default)]
struct NodeEntries {
    open: Vec<u64>,
    written: u64,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing can panic between two changes that belong together.
        self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A content was read; its record will be written.
    pub(crate) fn open(&self, node: NodeId) -> Entry {
        let mut entries = self.lock();
        entries.last += 1;
        let id = entries.last;
        entries.open.insert(id);
        entries.nodes.entry(node).or_default().open.push(id);
        Entry { id: EntryId(id), node }
    }

    /// Its record is about to be written. `false`: a newer content of the same node was faster, and after
    /// that one this would be a lie.
    pub(crate) fn may_write(&self, entry: Entry) -> bool {
        let mut entries = self.lock();
        let Some(node) = entries.nodes.get_mut(&entry.node) else { return true };
        let newest = node.written < entry.id.0;
        node.written = node.written.max(entry.id.0);
        newest
    }

    /// The node was created anew: nothing that was read of it up to this entry may be written.
    pub(crate) fn outdate(&self, node: NodeId, up_to: EntryId) {
        if let Some(node) = self.lock().nodes.get_mut(&node) {
            node.written = node.written.max(up_to.0);
        }
    }

    /// Its record was written, or will never be.
    pub(crate) fn close(&self, entry: Entry) {
        let mut entries = self.lock();
        entries.open.remove(&entry.id.0);
        if let Some(node) = entries.nodes.get_mut(&entry.node) {
            node.open.retain(|id| *id != entry.id.0);
            if node.open.is_empty() {
                entries.nodes.remove(&entry.node);
            }
        }
        drop(entries);
        self.inner.closed.notify_waiters();
    }

    /// The record of a content of this node will not be written, or was lost; it will be read again.
    pub(crate) fn owe(&self, node: NodeId) {
        self.lock().owed.insert(node);
    }

    /// The record of a content of this node was written.
    pub(crate) fn paid(&self, node: NodeId) {
        self.lock().owed.remove(&node);
    }

    /// All is compared anew: nothing is owed.
    pub(crate) fn owe_nothing(&self) {
        self.lock().owed.clear();
    }

    /// Whether a content of any node is owed.
    pub(crate) fn owes_any(&self) -> bool {
        !self.lock().owed.is_empty()
    }

    /// Whether a content of this node is owed.
    pub(crate) fn owes(&self, node: NodeId) -> bool {
        self.lock().owed.contains(&node)
    }

    /// Whether a content of this node that was read no later than this one is on its way.
    pub(crate) fn is_open(&self, node: NodeId, up_to: EntryId) -> bool {
        self.lock().nodes.get(&node).is_some_and(|node| node.open.iter().any(|id| *id <= up_to.0))
    }

    /// Whether an older content of the same node is on its way.
    pub(crate) fn has_older(&self, entry: Entry) -> bool {
        self.lock().nodes.get(&entry.node).is_some_and(|node| node.open.iter().any(|id| *id < entry.id.0))
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// The newest entry so far.
    pub(crate) fn newest(&self) -> EntryId {
        EntryId(self.lock().last)
    }

    /// Waits until no entry up to this one is open.
    pub(crate) async fn closed_up_to(&self, id: EntryId) {
        loop {
            let closed = self.inner.closed.notified();
            tokio::pin!(closed);
            closed.as_mut().enable();
            if self.lock().open.first().is_none_or(|first| *first > id.0) {
                return;
            }
            closed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_the_old_and_not_for_the_new() {
        let ledger = Ledger::default();
        let (a, b) = (NodeId([1; 16]), NodeId([2; 16]));
        let (first, second) = (ledger.open(a), ledger.open(b));
        let barrier = ledger.newest();
        let third = ledger.open(a);
        let waiting = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.closed_up_to(barrier).await }
        });
        ledger.close(second);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "the first is still open");
        ledger.close(first);
        waiting.await.unwrap();
        assert_eq!(ledger.len(), 1);
        let newest = ledger.newest();
        assert!(ledger.is_open(a, newest) && !ledger.is_open(b, newest));
        assert!(!ledger.is_open(a, barrier), "the third came after the barrier");
        ledger.close(third);
        assert!(!ledger.is_open(a, newest));
    }

    #[test]
    fn a_content_that_was_overtaken_is_not_written() {
        let ledger = Ledger::default();
        let node = NodeId([1; 16]);
        let (older, newer) = (ledger.open(node), ledger.open(node));
        assert!(ledger.has_older(newer) && !ledger.has_older(older));
        assert!(ledger.may_write(newer));
        ledger.close(newer);
        assert!(!ledger.may_write(older));
        ledger.close(older);
        assert!(ledger.may_write(ledger.open(node)));
    }

    #[test]
    fn what_was_read_of_a_node_before_it_was_created_anew_is_not_written() {
        let ledger = Ledger::default();
        let node = NodeId([1; 16]);
        let before = ledger.open(node);
        ledger.outdate(node, ledger.newest());
        let after = ledger.open(node);
        assert!(!ledger.may_write(before));
        ledger.close(before);
        assert!(ledger.may_write(after));
    }
}
