//! Deciding which batches of a group may be journaled. A batch is taken whole or refused whole, and every
//! check is made against what is durable plus the batches taken before it.

use crate::commit::Waiting;
use crate::error::CommitError;
use crate::limits::BATCH_BYTES_MAX;
use crate::new_block::NewBlock;
use crate::shared::Shared;
use crate::types::{Batch, Committed, LastOf, NewRecord};
use std::collections::{HashMap, HashSet};
use vigie_model::{BlockKind, Digest, FileEvent, Incarnation, MachineId, Origin, RecordNo, Seq, Stream};

/// A group in the making.
pub(crate) struct Group<'a> {
    shared: &'a Shared,
    incarnations: &'a HashMap<MachineId, HashSet<Incarnation>>,
    next: Seq,
    /// Batches that were taken, and where they will lie.
    pub accepted: Vec<(Waiting, Committed)>,
    /// Blocks that are not in the store yet.
    pub new: HashSet<Digest>,
    kinds: HashMap<Digest, BlockKind>,
    /// Last records and new incarnations of the machines in this group.
    pub ends: Ends,
}

/// How the histories of some machines go on.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// Last record of each.
    pub heads: HashMap<MachineId, LastOf>,
    /// Incarnations that begin.
    pub begun: HashSet<(MachineId, Incarnation)>,
}

/// The number of `content` records in the envelope, the one kind that names blocks.
const CONTENT_KIND: u16 = 5;

impl<'a> Group<'a> {
    /// An empty group whose first record gets the number `next`.
    pub(crate) fn new(
        shared: &'a Shared,
        incarnations: &'a HashMap<MachineId, HashSet<Incarnation>>,
        next: Seq,
    ) -> Self {
        Group {
            shared,
            incarnations,
            next,
            accepted: Vec::new(),
            new: HashSet::new(),
            kinds: HashMap::new(),
            ends: Ends::default(),
        }
    }

    /// Takes a batch, or refuses it and says why to whoever waits.
    pub(crate) fn take(&mut self, waiting: Waiting) {
        let mut fresh = Vec::new();
        let checked = self.check(&waiting, &mut fresh);
        let ends = match checked {
            Ok(ends) => ends,
            Err(why) => {
                for digest in fresh {
                    self.new.remove(&digest);
                    self.kinds.remove(&digest);
                }
                return self.shared.answer(waiting, Err(why));
            }
        };
        self.ends.heads.extend(ends.heads);
        self.ends.begun.extend(ends.begun);
        let first = self.next;
        self.next = Seq(first.0 + waiting.batch.records.len() as u64);
        let committed = Committed { first, last: Seq(self.next.0 - 1) };
        self.accepted.push((waiting, committed));
    }

    fn check(&mut self, waiting: &Waiting, fresh: &mut Vec<Digest>) -> Result<Ends, CommitError> {
        let Waiting { batch, expected, .. } = waiting;
        if batch.bytes() > BATCH_BYTES_MAX {
            return Err(CommitError::TooLarge(batch.bytes()));
        }
        if expected.is_some_and(|expected| expected != self.next) {
            return Err(CommitError::Fenced);
        }
        for block in &batch.blocks {
            self.children(block)?;
            for (kind, digest) in block.blocks() {
                if !self.present(kind, &digest)? {
                    self.new.insert(digest);
                    self.kinds.insert(digest, kind);
                    fresh.push(digest);
                }
            }
        }
        self.contents(batch)?;
        self.numbers(batch)
    }

    /// A list must find all its children in the store.
    fn children(&self, block: &NewBlock) -> Result<(), CommitError> {
        let Some(list) = block.list() else { return Ok(()) };
        let kind = if list.level == 0 { BlockKind::Data } else { BlockKind::List };
        for child in &list.entries {
            if !self.present(kind, &child.digest)? {
                return Err(CommitError::MissingBlock(child.digest));
            }
        }
        Ok(())
    }

    /// A content must find its root block in the store.
    fn contents(&self, batch: &Batch) -> Result<(), CommitError> {
        for NewRecord { fact, .. } in &batch.records {
            if fact.stream != Stream::FILES || fact.kind != CONTENT_KIND {
                continue;
            }
            // What cannot be decoded is journaled as it is, and names nothing.
            let Ok(FileEvent::Content(stored)) = FileEvent::decode(fact) else { continue };
            if let Some((kind, digest)) = stored.content.root_block()
                && !self.present(kind, &digest)?
            {
                return Err(CommitError::MissingBlock(digest));
            }
        }
        Ok(())
    }

    fn present(&self, kind: BlockKind, digest: &Digest) -> Result<bool, CommitError> {
        if let Some(known) = self.kinds.get(digest) {
            return Ok(*known == kind);
        }
        self.shared.is_durable(kind, digest).map_err(|e| CommitError::Index(e.to_string()))
    }

    /// Every record must follow the last one of its machine.
    fn numbers(&self, batch: &Batch) -> Result<Ends, CommitError> {
        let mut ends = Ends::default();
        for (at, NewRecord { origin, fact }) in batch.records.iter().enumerate() {
            let Origin { machine, incarnation, n } = *origin;
            let known = ends.heads.get(&machine).or_else(|| self.ends.heads.get(&machine)).copied();
            let last = known.or_else(|| self.shared.head(machine));
            let same = last.filter(|last| last.incarnation == incarnation);
            if same.is_none() {
                let life = (machine, incarnation);
                let was_known = self.incarnations.get(&machine).is_some_and(|all| all.contains(&incarnation));
                if was_known || self.ends.begun.contains(&life) || !ends.begun.insert(life) {
                    return Err(CommitError::OldIncarnation { machine, incarnation });
                }
            }
            let expected = same.map_or(RecordNo(1), |last| last.n.next());
            if n != expected {
                return Err(CommitError::Number { machine, incarnation, n, expected });
            }
            let observed = same.map_or(fact.observed, |last| last.observed.max(fact.observed));
            let seq = Seq(self.next.0 + at as u64);
            ends.heads.insert(machine, LastOf { incarnation, n, seq, observed });
        }
        Ok(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_that_names_blocks_is_content() {
        assert!(FileEvent::KINDS.contains(&(CONTENT_KIND, "content")));
    }
}
