//! Reports in the order in which targets were asked for, whichever finishes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use vigie_ports::host::Host;
use vigie_ports::{Scoped, Target};

/// Targets that an engine has taken up, with their places in the order.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<Scoped, u64>>>);

impl Places {
    /// Counts targets as they are taken.
    pub(super) fn count<'a>(
        &'a self,
        targets: impl Iterator<Item = Target> + 'a,
    ) -> impl Iterator<Item = Target> + 'a {
        targets.zip(0..).map(|(target, number)| {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(target.scoped(), number);
            target
        })
    }

    /// The place of a target that is done.
    pub(super) fn leave(&self, target: Scoped) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&target).unwrap_or_default()
    }
}

/// Holds reports back until those before them have come. They are small: what is common to many ports is folded.
#[derive(Debug, Default)]
pub(super) struct Order {
    next: u64,
    waiting: BTreeMap<u64, Host>,
}

impl Order {
    /// Adds a report.
    pub(super) fn push(&mut self, number: u64, host: Host) {
        self.waiting.insert(number, host);
    }

    /// The next report whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Host> {
        let host = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(host)
    }

    /// What is left at the end, when those in between will not come.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = Host> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }
}
