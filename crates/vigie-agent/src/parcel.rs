//! What readers hand to the session: blocks that belong together, and the record that they are for.

use crate::budget::Hold;
use crate::ledger::Entry;
use vigie_model::content::ListBuilder;
use vigie_model::limits::LIST_LEVELS_MAX;
use vigie_model::{AgentRecord, BlockKind, BlockList, Digest, ListEntry, NodeId};

/// A block in memory, as it was read.
#[derive(Debug)]
pub(crate) struct RawBlock {
    pub(crate) kind: BlockKind,
    pub(crate) digest: Digest,
    pub(crate) raw: Vec<u8>,
}

impl RawBlock {
    pub(crate) fn new(kind: BlockKind, raw: Vec<u8>) -> Self {
        RawBlock { kind, digest: kind.digest(&raw), raw }
    }
}

/// Which reading of which file a parcel is part of. The parcels of one reading travel in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReadingId(pub(crate) u64);

/// The record of a content, which goes behind its last block.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) node: NodeId,
    pub(crate) fact: AgentRecord,
    pub(crate) entry: Entry,
}

/// Blocks to be sent if the hub lacks them, and perhaps the record that they complete.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) reading: ReadingId,
    /// The life of the capture that it belongs to.
    pub(crate) generation: u64,
    /// Names all of `data`: when the hub has it, it has them all. Sent behind them.
    pub(crate) list: Option<RawBlock>,
    pub(crate) data: Vec<RawBlock>,
    pub(crate) commit: Option<Commit>,
    /// Nothing more comes of this reading.
    pub(crate) end: bool,
    /// Nothing came of this reading before: this is all of it.
    pub(crate) alone: bool,
    /// Its bytes in memory.
    pub(crate) _hold: Hold,
}

/// Builds the lists of a large file from its chunks, as they come.
#[derive(Debug, Default)]
pub(crate) struct ListTree {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    builder: ListBuilder,
    finished: u64,
    last: Option<Digest>,
}

/// A finished list, with its block.
#[derive(Debug)]
pub(crate) struct FinishedList {
    pub(crate) level: u8,
    pub(crate) block: RawBlock,
}

impl ListTree {
    /// Adds the next chunk; gives the lists that it completes, lowest first.
    pub(crate) fn push(&mut self, chunk: ListEntry) -> Vec<FinishedList> {
        let mut finished = Vec::new();
        self.push_at(0, chunk, &mut finished);
        finished
    }

    /// Ends the file. Gives the lists still to be sent, lowest first, and the digest of the root; `None` when
    /// there was no chunk.
    pub(crate) fn finish(mut self) -> (Vec<FinishedList>, Option<Digest>) {
        let mut finished = Vec::new();
        let mut level = 0;
        while level < self.levels.len() {
            if let Some(list) = self.levels[level].builder.finish() {
                self.finish_list(level, list, &mut finished);
            }
            if self.levels[level].finished == 1 {
                return (finished, self.levels[level].last);
            }
            level += 1;
        }
        (finished, None)
    }

    fn push_at(&mut self, level: usize, entry: ListEntry, finished: &mut Vec<FinishedList>) {
        if self.levels.len() == level {
            let builder = ListBuilder::new(level as u8);
            self.levels.push(Level { builder, finished: 0, last: None });
        }
        if let Some(list) = self.levels[level].builder.push(entry) {
            self.finish_list(level, list, finished);
        }
    }

    fn finish_list(&mut self, level: usize, list: BlockList, finished: &mut Vec<FinishedList>) {
        let size = list.size();
        let block = RawBlock::new(BlockKind::List, list.encode());
        let digest = block.digest;
        self.levels[level].finished += 1;
        self.levels[level].last = Some(digest);
        finished.push(FinishedList { level: level as u8, block });
        // No file has so many chunks that the limit is met: it is there for the decoder.
        if level + 1 < usize::from(LIST_LEVELS_MAX) {
            self.push_at(level + 1, ListEntry { digest, size }, finished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn chunk(i: u32) -> ListEntry {
        ListEntry { digest: Digest::of_data(&i.to_le_bytes()), size: 1 + u64::from(i % 7) }
    }

    /// Reads a tree back: its chunks in order.
    fn walk(lists: &HashMap<Digest, BlockList>, root: Digest) -> Vec<ListEntry> {
        let list = &lists[&root];
        if list.level == 0 {
            return list.entries.clone();
        }
        list.entries.iter().flat_map(|child| walk(lists, child.digest)).collect()
    }

    #[test]
    fn any_number_of_chunks_comes_back_in_order_behind_one_root() {
        for count in [1u32, 7, 8, 9, 128, 129, 1000, 20_000] {
            let chunks: Vec<_> = (0..count).map(chunk).collect();
            let mut tree = ListTree::default();
            let mut lists = HashMap::new();
            let mut keep = |finished: Vec<FinishedList>| {
                for FinishedList { level, block } in finished {
                    let list = BlockList::decode(&block.raw).unwrap();
                    assert_eq!(list.level, level);
                    if level > 0 {
                        let known = |e: &ListEntry| lists.contains_key(&e.digest);
                        assert!(list.entries.iter().all(known), "a list came before its child");
                    }
                    lists.insert(block.digest, list);
                }
            };
            for entry in &chunks {
                keep(tree.push(*entry));
            }
            let (finished, root) = tree.finish();
            keep(finished);
            assert_eq!(walk(&lists, root.unwrap()), chunks, "{count} chunks");
        }
        assert_eq!(ListTree::default().finish().1, None);
    }
}
