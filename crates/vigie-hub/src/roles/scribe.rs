//! Journals what the authority says, in its order, and tells it what is durable. A task of its own: a disk may take
//! its time, and meanwhile leases are renewed.

use super::{Order, RoleError, Roles, records};
use crate::hub::Hub;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use vigie_model::roles::RoleEvent;
use vigie_model::{AgentRecord, Epoch, MachineId};
use vigie_role::GroupName;
use vigie_role::group::Opening;
use vigie_store::CommitError;

/// Facts that are journaled together.
const TOGETHER_MAX: usize = 256;

/// Wait before a journal that did not take a record is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// The way to the scribe. Not bounded by itself: a term is opened only when the one before is durable, so that what
/// waits is a few facts for each group.
pub(super) struct Scribe {
    jobs: mpsc::UnboundedSender<Job>,
}

struct Job {
    fact: AgentRecord,
    then: Then,
}

/// Who waits for a fact to be durable.
enum Then {
    Nobody,
    Opening(GroupName, Epoch),
    Asker(oneshot::Sender<Result<(), RoleError>>),
}

impl Scribe {
    /// Starts the task; it ends when this is dropped and all is written.
    pub(super) fn start(hub: &Hub, roles: Roles) -> Self {
        let (jobs, incoming) = mpsc::unbounded_channel();
        hub.tasks().spawn(write(hub.clone(), roles, incoming));
        Scribe { jobs }
    }

    /// Journals the beginning of a term; the authority hears when it is durable.
    pub(super) fn persist(&self, group: GroupName, opening: &Opening<MachineId>) {
        let event = records::begun(&group, opening);
        self.push(event, Then::Opening(group, opening.epoch));
    }

    /// Journals a fact; whoever asked for it, if anybody did, hears when it is durable.
    pub(super) fn state(&self, event: RoleEvent, asker: Option<oneshot::Sender<Result<(), RoleError>>>) {
        self.push(event, asker.map_or(Then::Nobody, Then::Asker));
    }

    fn push(&self, event: RoleEvent, then: Then) {
        let observed = vigie_model::Clock::wall(&vigie_model::SystemClock::default());
        let _stopping = self.jobs.send(Job { fact: event.encode(observed), then });
    }
}

async fn write(hub: Hub, roles: Roles, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut some = Vec::new();
    while jobs.recv_many(&mut some, TOGETHER_MAX).await > 0 {
        let (facts, then): (Vec<_>, Vec<_>) = some.drain(..).map(|job| (job.fact, job.then)).unzip();
        if commit(&hub, &facts).await.is_err() {
            return;
        }
        for then in then {
            match then {
                Then::Nobody => {}
                Then::Opening(group, epoch) => {
                    let _stopping = roles.orders.send(Order::Persisted { group, epoch }).await;
                }
                Then::Asker(reply) => {
                    let _gone = reply.send(Ok(()));
                }
            }
        }
    }
}

/// Journals until it is done. The error is that it never will be: the store has failed, or is closed, or the hub stops
/// while its disk is full.
async fn commit(hub: &Hub, facts: &[AgentRecord]) -> Result<(), CommitError> {
    loop {
        match hub.own().lock().await.state_all(facts.to_vec()).await {
            Ok(_) => return Ok(()),
            Err(CommitError::DiskFull) => {
                tracing::warn!("no role is given while the disk is full");
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = hub.stopping().cancelled() => return Err(CommitError::DiskFull),
                }
            }
            Err(why) => {
                tracing::error!("roles cannot be recorded, so none is given any more: {why}");
                return Err(why);
            }
        }
    }
}
