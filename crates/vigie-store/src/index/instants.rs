//! Two clocks: a time is the machine's own, made monotone within each of its lives; its lives are laid end
//! to end in the order of the journal. A gap is a span of that time in which changes may be missing.

use super::apply::{GapRow, Life, from_cbor};
use super::keys::{self, Key, RunRow, Tag};
use super::{Index, Ordinal};
use crate::error::KvError;
use crate::kv::{Order, Table};
use crate::types::Gap;
use std::ops::ControlFlow;
use vigie_model::{MachineId, Seq, UnixNanos};

/// Where a time lies in a machine's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeAt {
    /// The machine has no record.
    NoRecords,
    /// Before its first record.
    Before((Seq, UnixNanos)),
    /// In these records, of which the first is at or before it: the journal tells which is the last one.
    In(RunRow),
}

impl Index {
    /// The lives of a machine, with their numbers.
    pub(super) fn lives(&self, ordinal: Ordinal, order: Order) -> Result<Vec<(u32, Life)>, KvError> {
        let key = Key::tag(Tag::Life).u32(ordinal);
        let mut rows = Vec::new();
        self.kv()?.range(Table::Misc, &key.low(), &key.high(), order, &mut |key, row| {
            rows.push((key[key.len() - 4..].to_vec(), row.to_vec()));
            ControlFlow::Continue(())
        })?;
        rows.iter().map(|(number, row)| Ok((keys::read_u32(number)?, from_cbor(row)?))).collect()
    }

    /// The first record of a machine.
    pub(crate) fn first_of(&self, machine: MachineId) -> Result<Option<(Seq, UnixNanos)>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(None) };
        let key = Key::tag(Tag::Life).u32(ordinal);
        let row = self.kv()?.first(Table::Misc, &key.low(), &key.high(), Order::Ascending)?;
        row.map(|(_, row)| Ok(from_cbor::<Life>(&row)?.first)).transpose()
    }

    /// Finds a time: the latest life that began at or before it, and there the last records that did.
    pub(crate) fn find_time(&self, machine: MachineId, time: UnixNanos) -> Result<TimeAt, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(TimeAt::NoRecords) };
        let lives = self.lives(ordinal, Order::Descending)?;
        let Some((number, _)) = lives.iter().find(|(_, life)| life.first.1 <= time) else {
            return Ok(lives.last().map_or(TimeAt::NoRecords, |(_, life)| TimeAt::Before(life.first)));
        };
        let key = Key::tag(Tag::RunByTime).u32(ordinal).u32(*number);
        let to = key.clone().time(time).u64(u64::MAX).through();
        match self.kv()?.first(Table::Misc, &key.low(), &to, Order::Descending)? {
            Some((_, row)) => Ok(TimeAt::In(RunRow::decode(&row)?)),
            None => Err(keys::BAD_MISC),
        }
    }

    pub(super) fn gap_rows(&self, ordinal: Ordinal) -> Result<Vec<GapRow>, KvError> {
        let key = Key::tag(Tag::Gap).u32(ordinal);
        let mut rows = Vec::new();
        self.kv()?.range(Table::Misc, &key.low(), &key.high(), Order::Ascending, &mut |_, row| {
            rows.push(row.to_vec());
            ControlFlow::Continue(())
        })?;
        rows.iter().map(|row| from_cbor(row)).collect()
    }

    /// The gaps of a machine, in the order in which they were opened.
    pub(crate) fn gaps(&self, machine: MachineId) -> Result<Vec<Gap>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(Vec::new()) };
        let gap = |GapRow { root, cause, since, opened, closed }| Gap { root, cause, since, opened, closed };
        Ok(self.gap_rows(ordinal)?.into_iter().map(gap).collect())
    }
}

impl Gap {
    /// Whether the state right after this record lies in the gap.
    pub fn covers_seq(&self, seq: Seq) -> bool {
        self.opened.0 <= seq && self.closed.is_none_or(|(closed, _)| seq < closed)
    }

    /// Whether this time of the machine lies in the gap. It begins where changes may first be missing, which
    /// is before the record that says so.
    pub fn covers_time(&self, time: UnixNanos) -> bool {
        let since = self.since.map_or(self.opened.1, |since| since.min(self.opened.1));
        since <= time && self.closed.is_none_or(|(_, closed)| time < closed)
    }
}
