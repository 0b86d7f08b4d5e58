//! Going through the journal page by page, so that whoever asked can leave between two pages.

use super::missing::Missing;
use super::select::Selection;
use super::tell::Teller;
use crate::limits::RECORDS_PER_READ;
use crate::messages::LogLine;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use vigie_model::{BytePath, MachineId, NodeType, Record, Seq};
use vigie_store::{Store, StoreError};

/// Why a walk had to stop.
#[derive(Debug, thiserror::Error)]
pub enum WalkError<E> {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever takes the lines takes no more.
    #[error("nobody takes the lines")]
    Taker(E),
}

/// How a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// There is more.
    More,
    /// Everything up to the record that was named has been told.
    End,
}

/// A walk through the journal. Pages are bounded; the walk is resumed where the last one ended.
#[derive(Debug)]
pub struct Walk {
    store: Store,
    selection: Selection,
    teller: Teller,
    /// Numbers that an index already found, told before anything else.
    found: VecDeque<Seq>,
    next: Seq,
    missing: Missing,
}

impl Walk {
    /// A walk over what the selection wants, behind `after`, and of that only the `newest`.
    pub fn new(
        store: &Store,
        mut selection: Selection,
        after: Option<Seq>,
        newest: Option<u64>,
        last: Seq,
    ) -> Result<Self, StoreError> {
        let first = selection.first(store, last)?.max(after.map_or(Seq(1), Seq::next));
        let teller = Teller::new(store)?;
        let mut walk = Walk {
            store: store.clone(),
            selection,
            teller,
            found: VecDeque::new(),
            next: first,
            missing: Missing::default(),
        };
        match walk.found_by_index(first, last, newest)? {
            Some(found) => {
                walk.found = found;
                walk.next = last.next();
            }
            None => {
                if let Some(newest) = newest {
                    walk.next = walk.back(first, last, newest)?;
                }
            }
        }
        Ok(walk)
    }

    /// Tells one page of what is wanted, up to the record `last`, and hands every line to `take`; ends early
    /// when `take` says that it has enough for now.
    pub fn page<E>(
        &mut self,
        last: Seq,
        take: &mut dyn FnMut(LogLine) -> Result<Enough, E>,
    ) -> Result<Page, WalkError<E>> {
        for _ in 0..RECORDS_PER_READ {
            let Some(seq) = self.found.pop_front() else { break };
            if self.tell_found(seq, take)? {
                return Ok(Page::More);
            }
        }
        if !self.found.is_empty() {
            return Ok(Page::More);
        }
        if self.next > last {
            return Ok(Page::End);
        }
        let records = self.store.records(self.next, RECORDS_PER_READ)?;
        let end = last.next().min(Seq(self.next.0.saturating_add(RECORDS_PER_READ as u64)));
        for record in records {
            if record.seq >= end {
                break;
            }
            self.missing.note(self.next, record.seq);
            self.next = record.seq.next();
            if let Some(line) = self.line(&record)?
                && take(line).map_err(WalkError::Taker)?.0
            {
                return Ok(Page::More);
            }
        }
        // What lies here and did not come never will: to wait for it would be to wait for ever.
        self.missing.note(self.next, end);
        self.next = end;
        Ok(if self.next > last { Page::End } else { Page::More })
    }

    /// The records that were to be looked at and could not be read.
    pub fn missing(&self) -> &Missing {
        &self.missing
    }

    fn tell_found<E>(
        &mut self,
        seq: Seq,
        take: &mut dyn FnMut(LogLine) -> Result<Enough, E>,
    ) -> Result<bool, WalkError<E>> {
        let Some(record) = self.store.records(seq, 1)?.into_iter().next() else {
            self.missing.note(seq, seq.next());
            return Ok(false);
        };
        if !self.selection.wants(&self.store, &record)? {
            return Ok(false);
        }
        // The history of a file goes through its former names and nodes, and skips what lies between: no
        // path that was remembered for an earlier record may be trusted.
        self.teller.leap();
        let line = match self.teller.tell(&record, self.selection.below.as_ref())? {
            Some(line) => Some(line),
            None => self.teller.tell(&record, None)?,
        };
        match line {
            Some(line) => Ok(take(line).map_err(WalkError::Taker)?.0),
            None => Ok(false),
        }
    }

    fn line(&mut self, record: &Record) -> Result<Option<LogLine>, StoreError> {
        if self.selection.wants(&self.store, record)? {
            return self.teller.tell(record, self.selection.below.as_ref());
        }
        if self.selection.wants_machine(record.origin.machine) {
            self.teller.pass(record)?;
        }
        Ok(None)
    }

    /// The numbers of the records of one group or one file, where an index has them, and of those that are wanted
    /// only the `newest`.
    fn found_by_index(
        &mut self,
        first: Seq,
        last: Seq,
        newest: Option<u64>,
    ) -> Result<Option<VecDeque<Seq>>, StoreError> {
        let newest = newest.map(|newest| usize::try_from(newest).unwrap_or(usize::MAX));
        let found = match &self.selection.group {
            Some(group) => Some(self.of_group(group, first, last)?),
            None => self.history(first, last)?,
        };
        let Some(newest) = newest else { return Ok(found) };
        let Some(mut found) = found else { return Ok(None) };
        let mut kept = VecDeque::new();
        while kept.len() < newest
            && let Some(seq) = found.pop_back()
        {
            let records = self.store.records(seq, 1)?;
            // One that is missing may have been wanted; it is met, and noted, where it would be told.
            let is_wanted = match records.first() {
                Some(record) => self.selection.wants(&self.store, record)?,
                None => true,
            };
            if is_wanted {
                kept.push_front(seq);
            }
        }
        Ok(Some(kept))
    }

    /// The numbers of the records of one group, ascending.
    fn of_group(&self, group: &str, first: Seq, last: Seq) -> Result<VecDeque<Seq>, StoreError> {
        let mut found = VecDeque::new();
        self.store.group_records(group, last, &mut |seq| {
            if seq < first {
                return ControlFlow::Break(());
            }
            found.push_front(seq);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The numbers of the records of one file, if the path is not that of a directory.
    fn history(&self, first: Seq, last: Seq) -> Result<Option<VecDeque<Seq>>, StoreError> {
        let (Some(machine), Some(path)) = (self.selection.machine, &self.selection.below) else {
            return Ok(None);
        };
        let found = self.store.history(machine, path)?;
        if found.is_empty() || leads_to_directory(&self.store, machine, path, &found, last)? {
            return Ok(None);
        }
        Ok(Some(found.into_iter().filter(|seq| (first..=last).contains(seq)).collect()))
    }

    /// The number of the record from which on `newest` records are wanted.
    fn back(&mut self, first: Seq, last: Seq, newest: u64) -> Result<Seq, StoreError> {
        if self.selection.is_all() {
            return Ok(first.max(Seq(last.0.saturating_sub(newest) + 1)));
        }
        let (mut before, mut left) = (last.next(), newest);
        while before > first && left > 0 {
            let page = self.store.records_before(before, RECORDS_PER_READ)?;
            // Paths are remembered forwards: each page has a memory of its own.
            self.teller.leap();
            let mut wanted = Vec::new();
            for record in page.iter().filter(|record| record.seq >= first) {
                let is_wanted = match self.selection.below {
                    Some(_) => self.line(record)?.is_some(),
                    None => self.selection.wants(&self.store, record)?,
                };
                wanted.extend(is_wanted.then_some(record.seq));
            }
            let enough = usize::try_from(left).is_ok_and(|left| wanted.len() >= left);
            if enough {
                let from = wanted[wanted.len() - usize::try_from(left).unwrap_or(wanted.len())];
                self.teller.leap();
                return Ok(from);
            }
            left -= wanted.len() as u64;
            before = Seq(before.0.saturating_sub(RECORDS_PER_READ as u64).max(1));
        }
        self.teller.leap();
        Ok(if left == 0 { last.next() } else { first })
    }
}

/// Whether a taker of lines has enough for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enough(pub bool);

/// Whether a path leads to a directory, or last did.
fn leads_to_directory(
    store: &Store,
    machine: MachineId,
    path: &BytePath,
    history: &[Seq],
    last: Seq,
) -> Result<bool, StoreError> {
    // From now back to the newest record of the path: there it still, or again, had a node, or lost it.
    let newest = history.last().copied().unwrap_or(last);
    for at in [last, newest, Seq(newest.0.saturating_sub(1))] {
        if let Some(node) = store.lookup(machine, path, at)? {
            let version = store.node(machine, node, at)?;
            return Ok(version.is_some_and(|v| matches!(v.state.meta.node_type, NodeType::Directory)));
        }
    }
    Ok(false)
}
