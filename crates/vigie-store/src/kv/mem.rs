//! The index in memory, for simulations: it can lose what was not persisted, as fjall can.

use super::{Change, Kv, Order, Table, Visit};
use crate::error::KvError;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Row = (Table, Vec<u8>);
type Rows = BTreeMap<Row, Vec<u8>>;

/// Rows of an index in memory. Clones are the same index: one that is handed to a store and kept outlives
/// it, as a directory would.
#[derive(Clone, Debug, Default)]
pub struct MemIndex(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rows: Rows,
    /// Changes that a loss of power may undo, one by one, in order.
    unsynced: Vec<(Row, Option<Vec<u8>>)>,
}

impl MemIndex {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes everything.
    pub fn clear(&self) {
        *self.lock() = State::default();
    }

    /// What a loss of power does to an index that never syncs: any row changed since the last persist may
    /// be as it was before. `lose` is asked for each.
    #[cfg(feature = "fakes")]
    pub fn lose_power(&self, mut lose: impl FnMut() -> bool) {
        let mut state = self.lock();
        for (key, before) in std::mem::take(&mut state.unsynced).into_iter().rev() {
            if lose() {
                match before {
                    Some(value) => drop(state.rows.insert(key, value)),
                    None => drop(state.rows.remove(&key)),
                }
            }
        }
    }
}

impl Kv for MemIndex {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.lock().rows.get(&(table, key.to_vec())).cloned())
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError> {
        if from >= to {
            return Ok(());
        }
        let state = self.lock();
        let range = state.rows.range((table, from.to_vec())..(table, to.to_vec()));
        let mut visit = |((_, key), value): (&Row, &Vec<u8>)| visit(key, value);
        let _ = match order {
            Order::Ascending => range.into_iter().try_for_each(&mut visit),
            Order::Descending => range.into_iter().rev().try_for_each(&mut visit),
        };
        Ok(())
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), KvError> {
        let mut state = self.lock();
        for (table, key, value) in changes {
            let key = (table, key);
            let before = match value {
                Some(value) => state.rows.insert(key.clone(), value),
                None => state.rows.remove(&key),
            };
            if cfg!(feature = "fakes") {
                state.unsynced.push((key, before));
            }
        }
        Ok(())
    }

    fn persist(&self) -> Result<(), KvError> {
        self.lock().unsynced.clear();
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.lock().rows.iter().map(|((_, key), value)| (key.len() + value.len()) as u64).sum()
    }
}
