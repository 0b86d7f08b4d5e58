//! What is handed in: organs of one floor do not know each other.

use async_trait::async_trait;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vigie_model::Clock;

/// A command to be run by somebody who can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRun {
    /// For `sh -c`.
    pub line: String,
    /// After it the whole process group is ended.
    pub time_limit: Duration,
    /// What is kept of each output, from its end, in bytes.
    pub output_bytes_max: usize,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
    /// Its time was over, and nothing of it is left.
    TimedOut,
    /// It did not start, or its end went to nobody, for this reason.
    Lost(String),
}

/// How a command ended, with the end of what it printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandReport {
    /// How it ended.
    pub end: CommandEnd,
    /// From standard output.
    pub stdout: Vec<u8>,
    /// From standard error.
    pub stderr: Vec<u8>,
}

/// Runs commands. A future that is dropped leaves no process behind.
#[async_trait]
pub trait RunCommand: Send + Sync + fmt::Debug {
    /// Runs one to its end, or to that of its time.
    async fn run(&self, run: CommandRun) -> CommandReport;
}

/// What a machine is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one that serves.
    Principal,
    /// One that stands by.
    Secondaire,
}

impl Role {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Principal => "principal",
            Role::Secondaire => "secondaire",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Role::Principal, Role::Secondaire].into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// The role of this machine in one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleSeen {
    /// The group.
    pub group: String,
    /// The role; none while nobody has told, or after a lease has run out. Whoever has none does not serve.
    pub role: Option<Role>,
    /// The fencing number of the grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Until when it is good, if it is a lease.
    #[serde(skip)]
    pub lease: Option<LeaseEnd>,
}

/// When a role is over by itself. Every answer asks it: whoever was frozen must not first answer and then notice.
#[derive(Clone, Debug)]
pub struct LeaseEnd {
    /// The clock of leases.
    pub clock: Arc<dyn Clock>,
    /// The moment on it.
    pub at: Duration,
}

impl PartialEq for LeaseEnd {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for LeaseEnd {}

impl RoleSeen {
    /// No role, in this group.
    pub fn none(group: impl Into<String>) -> Self {
        RoleSeen { group: group.into(), role: None, epoch: None, lease: None }
    }

    /// What it is at this moment: nothing once its lease is over.
    pub(crate) fn now(&self) -> Self {
        match &self.lease {
            Some(lease) if lease.clock.monotonic() >= lease.at => Self::none(self.group.as_str()),
            _ => self.clone(),
        }
    }
}

/// The groups that this machine is in, by name.
pub type Roles = BTreeMap<String, RoleSeen>;

/// All that is handed in.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Who runs commands.
    pub commands: Arc<dyn RunCommand>,
    /// The roles as they are now; every change is answered at once.
    pub roles: watch::Receiver<Roles>,
}
