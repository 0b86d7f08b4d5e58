//! Machines that are away: what happens on them is not known here, and every answer about it has to say so.

use crate::hub::Hub;
use vigie_model::{MachineId, UnixNanos};
use vigie_store::{LastOf, StoreError};

impl Hub {
    /// Since when nothing is heard of a machine, by the hub's clock; none while it is connected. A machine that
    /// came back under a new incarnation stays away until something of that life is recorded: the first
    /// thing it tells is that it has a gap.
    ///
    /// A hub that was started anew has only the journal to go by: then it is since the machine's last record.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn away_since(&self, machine: MachineId) -> Result<Option<UnixNanos>, StoreError> {
        let last = self.store().last_of(machine)?;
        if let Some(open) = self.sessions().of(machine)
            && last.is_none_or(|last| last.incarnation == open.handle.incarnation)
        {
            return Ok(None);
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
