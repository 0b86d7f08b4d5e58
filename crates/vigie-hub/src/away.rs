//! Machines that are away: what happens on them is not known here, and every answer about it has to say so.

use crate::hub::Hub;
use vigie_model::{MachineId, UnixNanos};
use vigie_store::{LastOf, StoreError};

impl Hub {
    /// Since when nothing is heard of a machine, by the hub's clock; none while it is connected. An agent that was
    /// started anew stays away until something that it tells is recorded: the first is always that it has a gap.
    ///
    /// A hub that was started anew has only the journal to go by: then it is since the machine's last record.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn away_since(&self, machine: MachineId) -> Result<Option<UnixNanos>, StoreError> {
        let last = self.store().last_of(machine)?;
        if let Some(open) = self.sessions().of(machine) {
            let is_same_life = last.is_none_or(|last| last.incarnation == open.handle.incarnation);
            if open.handle.has_told() || (open.goes_on && is_same_life) {
                return Ok(None);
            }
        }
        let told = last.map(|last| self.received(&last)).transpose()?;
        Ok(self.sessions().heard(machine).max(told))
    }

    fn received(&self, last: &LastOf) -> Result<UnixNanos, StoreError> {
        let record = self.store().records(last.seq, 1)?.pop();
        // One that cannot be read yet came a moment ago.
        Ok(record.map_or_else(|| self.clock().wall(), |record| record.received))
    }
}
