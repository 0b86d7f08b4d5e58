//! The index: the tree at every instant, and where everything lies. It is derived from the journal, one
//! frame at a time ([`apply`]); [`keys`] tells its rows, [`tree`] asks for the tree at an instant,
//! [`history`] for what happened to a path, [`instants`] for instants and gaps, [`roles`] for groups.

pub(crate) mod apply;
mod history;
mod instants;
pub(crate) mod keys;
mod places;
mod roles;
mod tree;

pub(crate) use instants::TimeAt;

use crate::error::KvError;
use crate::kv::{Kv, Order, Table};
use keys::{Key, Tag};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use vigie_model::MachineId;

/// Number of a machine within the index: short, because it begins most keys.
pub(crate) type Ordinal = u32;

/// The index, for readers.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// Taken away while a failed medium is opened again.
    kv: Arc<RwLock<Option<Arc<dyn Kv>>>>,
    ordinals: Arc<RwLock<HashMap<MachineId, Ordinal>>>,
}

impl Index {
    pub(crate) fn new(kv: Arc<dyn Kv>) -> Self {
        Index { kv: Arc::new(RwLock::new(Some(kv))), ordinals: Arc::default() }
    }

    pub(crate) fn kv(&self) -> Result<Arc<dyn Kv>, KvError> {
        self.kv.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(KvError::Away)
    }

    /// Takes the medium away, or puts another in its place; gives what was there.
    pub(crate) fn replace(&self, kv: Option<Arc<dyn Kv>>) -> Option<Arc<dyn Kv>> {
        let before = std::mem::replace(&mut *self.kv.write().unwrap_or_else(PoisonError::into_inner), kv);
        // An index that was built anew may number machines in another way.
        self.ordinals.write().unwrap_or_else(PoisonError::into_inner).clear();
        before
    }

    /// The machine's number, if a record of it was indexed. Numbers never change, so they are kept.
    fn ordinal(&self, machine: MachineId) -> Result<Option<Ordinal>, KvError> {
        let known = self.ordinals.read().unwrap_or_else(PoisonError::into_inner).get(&machine).copied();
        if known.is_some() {
            return Ok(known);
        }
        let Some(row) = self.kv()?.get(Table::Misc, &Key::tag(Tag::Machine).bytes(&machine.0).done())? else {
            return Ok(None);
        };
        let ordinal = keys::read_u32(&row)?;
        self.ordinals.write().unwrap_or_else(PoisonError::into_inner).insert(machine, ordinal);
        Ok(Some(ordinal))
    }

    /// Enrolled machines and their newest names, by id.
    pub(crate) fn machines(&self) -> Result<Vec<(MachineId, String)>, KvError> {
        let key = Key::tag(Tag::NameOf);
        let mut rows = Vec::new();
        self.kv()?.range(Table::Misc, &key.low(), &key.high(), Order::Ascending, &mut |key, value| {
            rows.push((key[1..].to_vec(), value.to_vec()));
            std::ops::ControlFlow::Continue(())
        })?;
        let row = |(id, name): (Vec<u8>, Vec<u8>)| {
            Some((MachineId::from_slice(&id)?, String::from_utf8(name).ok()?))
        };
        rows.into_iter().map(|pair| row(pair).ok_or(keys::BAD_MISC)).collect()
    }

    /// The machine that bears this name now.
    pub(crate) fn machine_named(&self, name: &str) -> Result<Option<MachineId>, KvError> {
        let key = Key::tag(Tag::Named).bytes(name.as_bytes()).done();
        let Some(row) = self.kv()?.get(Table::Misc, &key)? else { return Ok(None) };
        let machine = MachineId::from_slice(&row).ok_or(keys::BAD_MISC)?;
        let now = self.kv()?.get(Table::Misc, &Key::tag(Tag::NameOf).bytes(&machine.0).done())?;
        Ok(now.is_some_and(|now| now == name.as_bytes()).then_some(machine))
    }
}
