//! Any index, whose failed reads raise the alarm.

use super::{Change, Kv, Order, Table, Visit};
use crate::alarm::Alarm;
use crate::error::KvError;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct Watched<K> {
    inner: K,
    alarm: Arc<Alarm>,
}

impl<K: Kv> Watched<K> {
    pub(crate) fn new(inner: K, alarm: Arc<Alarm>) -> Self {
        Watched { inner, alarm }
    }
}

impl<K: Kv> Kv for Watched<K> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.inner.get(table, key).inspect_err(|e| self.alarm.met(e))
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError> {
        self.inner.range(table, from, to, order, visit).inspect_err(|e| self.alarm.met(e))
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), KvError> {
        self.inner.write(changes) // A full disk is no damage: see `Indexer::mend`.
    }

    fn persist(&self) -> Result<(), KvError> {
        self.inner.persist()
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }
}
