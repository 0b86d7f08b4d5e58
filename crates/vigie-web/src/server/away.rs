//! Instants of which nothing can be known, because the machine was not heard of any more.

use super::at::internal;
use super::sides::HubSide;
use crate::messages::{ApiError, Away};
use crate::text::rfc3339;
use vigie_model::{Instant, MachineId, UnixNanos};

/// What has to be said of an answer about an instant, of a machine that is away since `since`.
///
/// What the machine told counts, whichever of the clocks is ahead: by its own, up to the time of its last record;
/// by the hub's, up to `since`. A number is an instant by the hub's clock: when that record was received.
pub(super) fn beyond(
    hub: &dyn HubSide,
    machine: MachineId,
    name: &str,
    at: Instant,
    since: UnixNanos,
) -> Result<Option<Away>, ApiError> {
    let store = hub.store();
    let Some(last) = store.last_of(machine).map_err(internal)? else { return Ok(None) };
    let is_known = match at {
        Instant::Now => false,
        Instant::Time(time) => time <= since.max(last.observed),
        Instant::Seq(seq) if seq <= last.seq => true,
        Instant::Seq(seq) => {
            let records = store.records(seq, 1).map_err(internal)?;
            records.first().is_some_and(|record| record.received <= since)
        }
    };
    let away = Away { machine: name.to_owned(), since: rfc3339(since), last_seq: last.seq.0 };
    Ok((!is_known).then_some(away))
}
