//! Gaps that a machine leaves open, as its session knows them. The hub holds open gaps in memory for as long as they are
//! open, and an honest agent has one for each of its roots at the most; one that opens them without end is no peer.

use crate::session::Ended;
use std::collections::HashSet;
use vigie_model::{BytePath, FileEvent, MachineId};
use vigie_store::Store;

/// Bytes of roots that one machine may have open gaps in: thousands of honest ones, or some hundred of the longest paths
/// there can be. The store keeps a few gaps of each.
pub(crate) const OPEN_GAPS_BYTES_MAX: usize = 1024 * 1024;
/// What a gap costs beside the path of its root.
const GAP_COST_BYTES: usize = 128;

/// Roots of a machine that are in a gap.
#[derive(Debug, Default)]
pub(crate) struct OpenGaps {
    /// Not known before the first question.
    roots: Option<HashSet<BytePath>>,
    bytes: usize,
}

impl OpenGaps {
    /// Takes note of what a record opens or closes; a violation when it is one too many.
    pub(crate) fn heard(
        &mut self,
        event: &FileEvent,
        store: &Store,
        machine: MachineId,
    ) -> Result<(), Ended> {
        match event {
            FileEvent::GapOpened(opened) => {
                self.known(store, machine);
                self.open(&opened.root);
                if self.bytes > OPEN_GAPS_BYTES_MAX {
                    let roots = self.roots.as_ref().map_or(0, HashSet::len);
                    let reason = format!(
                        "gaps of {roots} roots would be open at once, whose paths take more than \
                         {OPEN_GAPS_BYTES_MAX} bytes"
                    );
                    return Err(Ended::violation(reason));
                }
            }
            FileEvent::GapClosed(closed) => {
                self.known(store, machine);
                if self.roots.as_mut().is_some_and(|roots| roots.remove(&closed.root)) {
                    self.bytes -= cost(&closed.root);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Asks the store, the first time, what earlier sessions left open. Where it cannot tell for now, this session has the
    /// whole bound for itself.
    fn known(&mut self, store: &Store, machine: MachineId) {
        if self.roots.is_some() {
            return;
        }
        self.roots = Some(HashSet::new());
        match store.gaps(machine) {
            Ok(gaps) => gaps.iter().filter(|gap| gap.closed.is_none()).for_each(|gap| self.open(&gap.root)),
            Err(error) => tracing::debug!(%error, "the gaps that are open cannot be told"),
        }
    }

    fn open(&mut self, root: &BytePath) {
        if self.roots.get_or_insert_default().insert(root.clone()) {
            self.bytes += cost(root);
        }
    }
}

fn cost(root: &BytePath) -> usize {
    root.as_bytes().len() + GAP_COST_BYTES
}
