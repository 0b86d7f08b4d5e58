//! Facts that wait to be taken, weighed, because one with large attributes is as heavy as a thousand others.

use super::Fact;
use crate::limits::{OUTBOX_LIVE_BYTES, OUTBOX_SCAN_BYTES};
use std::collections::{HashMap, VecDeque};
use vigie_model::{Content, FileEvent, Metadata, NodeId, NodeType};

#[derive(Debug, Default)]
pub(super) struct Outbox {
    facts: VecDeque<Fact>,
    bytes: usize,
    taken: u64,
    /// Nodes with `metadata` facts that wait, and how many.
    metadata: HashMap<NodeId, u32>,
}

impl Outbox {
    pub(super) fn push(&mut self, fact: Fact) {
        self.bytes += weight(&fact);
        if let FileEvent::Metadata(changed) = &fact.event {
            *self.metadata.entry(changed.node).or_default() += 1;
        }
        self.facts.push_back(fact);
    }

    pub(super) fn take(&mut self, max: usize) -> Vec<Fact> {
        let taken: Vec<Fact> = self.facts.drain(..max.min(self.facts.len())).collect();
        self.taken += taken.len() as u64;
        for fact in &taken {
            self.bytes -= weight(fact);
            if let FileEvent::Metadata(changed) = &fact.event
                && let Some(count) = self.metadata.get_mut(&changed.node)
            {
                *count -= 1;
                if *count == 0 {
                    self.metadata.remove(&changed.node);
                }
            }
        }
        taken
    }

    /// A content is about to overtake what waits here. A waiting `metadata` of the same node, recorded after
    /// it, must not undo what it says.
    pub(super) fn overtaken_by(&mut self, node: NodeId, content: &Content) {
        if !self.metadata.contains_key(&node) {
            return;
        }
        for fact in &mut self.facts {
            let FileEvent::Metadata(changed) = &mut fact.event else { continue };
            if changed.node != node {
                continue;
            }
            changed.pending = content.pending;
            let meta = &mut changed.meta;
            if content.ctime >= meta.ctime {
                (meta.mtime, meta.ctime) = (content.mtime, content.ctime);
                (meta.mode, meta.size) = (content.mode, content.size);
            }
        }
    }

    /// How many facts were ever taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many facts were ever put in.
    pub(super) fn pushed(&self) -> u64 {
        self.taken + self.facts.len() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether a scan may add more.
    pub(super) fn has_room_for_scan(&self) -> bool {
        self.bytes < OUTBOX_SCAN_BYTES
    }

    /// Whether live changes may add more.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < OUTBOX_LIVE_BYTES
    }
}

/// About as many bytes as a fact holds on to.
fn weight(fact: &Fact) -> usize {
    let meta = |meta: &Metadata| {
        let target = if let NodeType::Symlink { target } = &meta.node_type { target.len() } else { 0 };
        target + meta.xattrs.iter().map(|x| 64 + x.name.len() + x.value.len()).sum::<usize>()
    };
    let own = match &fact.event {
        FileEvent::Created(created) => meta(&created.meta),
        FileEvent::Metadata(changed) => meta(&changed.meta),
        FileEvent::Error(failure) => failure.path.len(),
        _ => 0,
    };
    let paths = [&fact.path, &fact.from].into_iter().flatten().map(Vec::len).sum::<usize>();
    size_of::<Fact>() + own + paths
}
