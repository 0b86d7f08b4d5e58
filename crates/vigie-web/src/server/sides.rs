//! What the API needs of the part that it speaks for.

use crate::messages::FlushReport;
use futures_util::future::BoxFuture;
use std::time::Duration;
use vigie_model::MachineId;

/// A hub, as its API sees it.
pub trait HubSide: Send + Sync + 'static {
    /// How it does, as a JSON object.
    fn status(&self) -> serde_json::Value;

    /// Waits until everything before now is durable: of one machine, or of all.
    fn flush(&self, machine: Option<MachineId>, timeout: Duration) -> BoxFuture<'_, FlushReport>;

    /// Makes a one-time token for a machine of this name.
    fn invite(&self, name: &str, valid: Duration) -> Result<String, InviteRefused>;
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
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
    fn status(&self) -> serde_json::Value;

    /// Waits until everything before now is durable on the hub.
    fn flush(&self, timeout: Duration) -> BoxFuture<'_, FlushReport>;
}
