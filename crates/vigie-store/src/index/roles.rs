//! What is recorded of each group: the newest term, the newest end of one, what is set, and where the rest is.

use super::Index;
use super::apply::from_cbor;
use super::keys::{BAD_MISC, Key, Tag, split_seq};
use crate::error::KvError;
use crate::kv::{Order, Table};
use crate::types::GroupState;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use vigie_model::Seq;
use vigie_model::roles::{GroupSet, TermBegun, TermEnded};

impl Index {
    /// Every group that a record is about, by name.
    pub(crate) fn groups(&self) -> Result<Vec<GroupState>, KvError> {
        let mut groups: BTreeMap<String, GroupState> = BTreeMap::new();
        for row in self.rows_of(Tag::GroupSet)? {
            let set: GroupSet = from_cbor(&row)?;
            let group = groups.entry(set.group.clone()).or_insert_with(|| GroupState::new(&set.group));
            group.set = Some(set);
        }
        for row in self.rows_of(Tag::Term)? {
            let term: TermBegun = from_cbor(&row)?;
            let group = groups.entry(term.group.clone()).or_insert_with(|| GroupState::new(&term.group));
            group.term = Some(term);
        }
        for row in self.rows_of(Tag::TermEnd)? {
            let end: TermEnded = from_cbor(&row)?;
            let group = groups.entry(end.group.clone()).or_insert_with(|| GroupState::new(&end.group));
            group.end = Some(end);
        }
        Ok(groups.into_values().collect())
    }

    /// Numbers of the records about a group up to `last`, the newest first, until `take` wants no more of them.
    pub(crate) fn group_records(
        &self,
        group: &str,
        last: Seq,
        take: &mut dyn FnMut(Seq) -> ControlFlow<()>,
    ) -> Result<(), KvError> {
        let key = Key::role_records(group);
        let from = key.clone().seq_down(last).done();
        let mut bad = None;
        self.kv()?.range(Table::Misc, &from, &key.high(), Order::Ascending, &mut |key, _| {
            let Some((_, seq)) = split_seq(key) else {
                bad = Some(BAD_MISC);
                return ControlFlow::Break(());
            };
            take(seq)
        })?;
        bad.map_or(Ok(()), Err)
    }

    fn rows_of(&self, tag: Tag) -> Result<Vec<Vec<u8>>, KvError> {
        let key = Key::tag(tag);
        let mut rows = Vec::new();
        self.kv()?.range(Table::Misc, &key.low(), &key.high(), Order::Ascending, &mut |_, row| {
            rows.push(row.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }
}
