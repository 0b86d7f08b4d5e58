//! What the API needs of the part that it speaks for: of a hub, or of an agent.

use crate::messages::{DrainReport, FlushOutcome, FlushReport, GroupStatus, MachineFlush, SetGroupRequest};
use futures_util::future::BoxFuture;
use std::time::Duration;
use vigie_agent::Agent;
use vigie_health::{Drained, HealthService};
use vigie_hub::{Change, FlushEnd, Hub, InviteError, RoleError};
use vigie_model::{MachineId, UnixNanos};
use vigie_role::GroupName;
use vigie_store::{Store, StoreError};

/// A hub, as its API sees it. A trait, so that tests can serve a store without a hub.
pub trait HubSide: Send + Sync + 'static {
    /// What is recorded.
    fn store(&self) -> &Store;

    /// Since when a machine is not heard of; none while it is connected. May block on the disk.
    fn away_since(&self, machine: MachineId) -> Result<Option<UnixNanos>, StoreError>;

    /// How it does, as a JSON object.
    fn status(&self) -> BoxFuture<'_, serde_json::Value>;

    /// Waits until everything before now is durable: of one machine, or of all.
    fn flush(&self, machine: Option<MachineId>, timeout: Duration) -> BoxFuture<'_, FlushReport>;

    /// Makes a one-time token for a machine of this name. May block on the disk.
    fn invite(&self, name: &str, valid: Duration) -> Result<String, InviteRefused>;

    /// One group of principal and secondaires, or all.
    fn groups(&self, group: Option<String>) -> BoxFuture<'_, Result<Vec<GroupStatus>, RoleRefused>>;

    /// Asks the principal of a group to give the role back.
    fn step_down(&self, group: String, to: Option<String>) -> BoxFuture<'_, Result<(), RoleRefused>>;

    /// Sets something for a group, durably.
    fn set_group(&self, request: SetGroupRequest) -> BoxFuture<'_, Result<(), RoleRefused>>;
}

/// Why something about roles is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleRefused {
    /// It can never be.
    #[error("{0}")]
    Usage(String),
    /// There is no such group or machine.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be now.
    #[error("{0}")]
    NotNow(String),
    /// The hub failed.
    #[error("{0}")]
    Failed(String),
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteRefused {
    /// The name cannot be a machine's.
    #[error("{0}")]
    Name(String),
    /// The hub could not make it.
    #[error("{0}")]
    Failed(String),
}

/// An agent, as its API sees it.
pub trait AgentSide: Send + Sync + 'static {
    /// How it does, as a JSON object.
    fn status(&self) -> BoxFuture<'_, serde_json::Value>;

    /// Waits until everything before now is durable on the hub.
    fn flush(&self, timeout: Duration) -> BoxFuture<'_, FlushReport>;
}

/// The health answers of a machine, as an API sees them.
pub trait HealthSide: Send + Sync + 'static {
    /// How it does, as a JSON object.
    fn status(&self) -> serde_json::Value;

    /// Takes the machine out of service, durably. May block on the disk. An error says why not, in words.
    fn drain(&self, reason: Option<&str>) -> Result<DrainReport, String>;

    /// Takes it back into service, durably. May block on the disk. An error says why not, in words.
    fn undrain(&self) -> Result<DrainReport, String>;
}

impl HealthSide for HealthService {
    fn status(&self) -> serde_json::Value {
        json(&HealthService::status(self))
    }

    fn drain(&self, reason: Option<&str>) -> Result<DrainReport, String> {
        let changed = HealthService::status(self).drained.is_none();
        let Drained { reason, since_unix_ns } =
            HealthService::drain(self, reason).map_err(|e| e.to_string())?;
        Ok(DrainReport { drained: true, reason, since_unix_ns: Some(since_unix_ns), changed })
    }

    fn undrain(&self) -> Result<DrainReport, String> {
        let changed = HealthService::undrain(self).map_err(|e| e.to_string())?;
        Ok(DrainReport { changed, ..DrainReport::default() })
    }
}

impl HubSide for Hub {
    fn store(&self) -> &Store {
        Hub::store(self)
    }

    fn away_since(&self, machine: MachineId) -> Result<Option<UnixNanos>, StoreError> {
        Hub::away_since(self, machine)
    }

    fn status(&self) -> BoxFuture<'_, serde_json::Value> {
        Box::pin(async move { json(&Hub::status(self).await) })
    }

    fn flush(&self, machine: Option<MachineId>, timeout: Duration) -> BoxFuture<'_, FlushReport> {
        Box::pin(async move {
            let ends = Hub::flush(self, machine, timeout).await;
            FlushReport { machines: ends.into_iter().map(|(name, end)| machine_flush(name, end)).collect() }
        })
    }

    fn invite(&self, name: &str, valid: Duration) -> Result<String, InviteRefused> {
        Hub::invite(self, name, valid).map_err(|error| match error {
            InviteError::Name(_) => InviteRefused::Name(error.to_string()),
            _ => InviteRefused::Failed(error.to_string()),
        })
    }

    fn groups(&self, group: Option<String>) -> BoxFuture<'_, Result<Vec<GroupStatus>, RoleRefused>> {
        Box::pin(async move {
            let group = group.map(|group| group_name(&group)).transpose()?;
            Hub::groups(self, group).await.map_err(role_refused)
        })
    }

    fn step_down(&self, group: String, to: Option<String>) -> BoxFuture<'_, Result<(), RoleRefused>> {
        Box::pin(async move {
            Hub::step_down(self, group_name(&group)?, to.as_deref()).await.map_err(role_refused)
        })
    }

    fn set_group(&self, request: SetGroupRequest) -> BoxFuture<'_, Result<(), RoleRefused>> {
        Box::pin(async move {
            let SetGroupRequest { group, mode, ttl_ms, preempt, paused } = request;
            let mode = mode.map(|mode| mode.parse()).transpose().map_err(RoleRefused::Usage)?;
            let change = Change { mode, ttl: ttl_ms.map(Duration::from_millis), preempt, paused };
            Hub::change_group(self, group_name(&group)?, change).await.map_err(role_refused)
        })
    }
}

fn group_name(name: &str) -> Result<GroupName, RoleRefused> {
    GroupName::new(name).map_err(|e| RoleRefused::Usage(e.to_string()))
}

fn role_refused(why: RoleError) -> RoleRefused {
    let text = why.to_string();
    match why {
        RoleError::NoSuchGroup(_) | RoleError::NoSuchMachine(_) => RoleRefused::NotFound(text),
        RoleError::Ttl(_) | RoleError::TooMany(_) => RoleRefused::Usage(text),
        RoleError::StepDown(_) => RoleRefused::NotNow(text),
        RoleError::Store(_) | RoleError::Stopping => RoleRefused::Failed(text),
    }
}

fn machine_flush(machine: String, end: FlushEnd) -> MachineFlush {
    let (outcome, n, why) = match end {
        FlushEnd::Durable(n) => (FlushOutcome::Durable, Some(n.0), None),
        FlushEnd::Away(why) => (FlushOutcome::Away, None, why),
        FlushEnd::TimedOut(why) => (FlushOutcome::TimedOut, None, why),
        FlushEnd::Failed(why) => (FlushOutcome::Failed, None, Some(why)),
    };
    MachineFlush { machine, outcome, n, why }
}

impl AgentSide for Agent {
    fn status(&self) -> BoxFuture<'_, serde_json::Value> {
        Box::pin(async move { json(&Agent::status(self).await) })
    }

    fn flush(&self, timeout: Duration) -> BoxFuture<'_, FlushReport> {
        Box::pin(async move {
            let machine = Agent::status(self).await.machine;
            let (outcome, n, why) = match tokio::time::timeout(timeout, Agent::flush(self)).await {
                Ok(Ok(n)) => (FlushOutcome::Durable, Some(n.0), None),
                Ok(Err(why)) => (FlushOutcome::Failed, None, Some(why)),
                // What the hub said when it ended the last session, for one: that its disk is full.
                Err(_) => (FlushOutcome::TimedOut, None, Agent::status(self).await.link.why),
            };
            FlushReport { machines: vec![MachineFlush { machine, outcome, n, why }] }
        })
    }
}

fn json<T: serde::Serialize>(status: &T) -> serde_json::Value {
    // Statuses are plain structures of text and numbers: they always have a JSON form.
    serde_json::to_value(status).unwrap_or_default()
}
