//! Waiting until everything before now is durable.

use crate::hub::Hub;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;
use vigie_model::ask::Flushed;
use vigie_model::{MachineId, RecordNo, Seq};
use vigie_store::Health;
use vigie_wire::FLUSH;
use vigie_wire::frame::FailureCode;

/// Bytes that an answer to [`FLUSH`] may have.
const FLUSHED_BYTES_MAX: usize = 64;

/// How long a flush waits for a machine that is not connected: longer than an agent takes that has just started or
/// whose hub has, and not as long as one that was switched off would make people wait.
const COMES_WITHIN: Duration = Duration::from_secs(5);

/// How a flush of one machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlushEnd {
    /// Everything before the question is durable, and can be seen: up to this number of the machine.
    Durable(RecordNo),
    /// The machine is not connected; and what may keep it away, if the hub knows of anything.
    Away(Option<String>),
    /// It was not done in time; and what may have held it up, if the hub knows of anything.
    TimedOut(Option<String>),
    /// The machine could not do it.
    Failed(String),
}

impl Hub {
    /// Flushes one machine, or all that ever enrolled, side by side.
    pub async fn flush(&self, machine: Option<MachineId>, timeout: Duration) -> Vec<(String, FlushEnd)> {
        let until = Instant::now() + timeout;
        let machines = self.store().machines().unwrap_or_default();
        let asked = machines.into_iter().filter(|(id, _)| machine.is_none_or(|wanted| wanted == *id));
        let asked = asked.map(|(id, name)| async move {
            let end = match tokio::time::timeout_at(until, self.flush_one(id, until)).await {
                Ok(end) => end,
                Err(_) => FlushEnd::TimedOut(self.hindrance()),
            };
            (name, end)
        });
        let mut ends = futures_util::future::join_all(asked).await;
        ends.sort_by(|a, b| a.0.cmp(&b.0));
        ends
    }

    async fn flush_one(&self, machine: MachineId, until: Instant) -> FlushEnd {
        // Where hub or agent has just started, they are about to meet.
        let wait = COMES_WITHIN.min(until.saturating_duration_since(Instant::now()));
        let Ok(open) = tokio::time::timeout(wait, self.sessions().coming(machine)).await else {
            return FlushEnd::Away(self.hindrance());
        };
        let timeout = until.saturating_duration_since(Instant::now());
        let answer = open.handle.caller.call(FLUSH, Bytes::new(), timeout, FLUSHED_BYTES_MAX).await;
        let flushed = match answer {
            Ok(body) => Flushed::decode(&body),
            Err(failure) => {
                return match failure.code {
                    FailureCode::Deadline => FlushEnd::TimedOut(self.hindrance()),
                    FailureCode::LinkLost => FlushEnd::Away(self.hindrance()),
                    _ => FlushEnd::Failed(failure.message),
                };
            }
        };
        let Some(flushed) = flushed.filter(|f| f.incarnation == open.handle.incarnation) else {
            return FlushEnd::Failed("the agent's answer makes no sense".into());
        };
        let mut durable = open.handle.durable.clone();
        let Ok(place) = durable.wait_for(|(n, _)| *n >= flushed.n).await.map(|place| place.1) else {
            return FlushEnd::Away(self.hindrance());
        };
        self.visible(place).await;
        FlushEnd::Durable(flushed.n)
    }

    /// What keeps this hub from storing or showing what agents send, and what to do about it. A session ends when
    /// nothing can be stored: the machine then looks as if it were away of its own accord.
    fn hindrance(&self) -> Option<String> {
        match self.store().health() {
            Health::Ok => None,
            Health::DiskFull => Some(
                "the hub's disk is full, and agents wait: make room on it; nothing has to be restarted"
                    .into(),
            ),
            Health::Poisoned(why) => Some(format!("the hub's store has stopped ({why}): restart the hub")),
            Health::IndexStalled(why) => Some(format!("the hub's index lags behind: {why}")),
        }
    }

    /// Waits until the index has this record.
    pub(crate) async fn visible(&self, seq: Seq) {
        // An error is a store that closes: then nobody looks any more.
        let mut tail = self.store().tail();
        let _closing = tail.wait_for(|tail| *tail >= seq).await;
    }
}
