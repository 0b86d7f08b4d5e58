//! Questions about roles, and what may be set.

use serde::{Deserialize, Serialize};

/// Which groups are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesQuery {
    /// Only this one.
    pub group: Option<String>,
}

/// Ask the principal of a group to give the role back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDownRequest {
    /// The group.
    pub group: String,
    /// Name of the machine that is to be principal; the next in line when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Set something for a group. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetGroupRequest {
    /// The group.
    pub group: String,
    /// `safe` or `fast`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Time to live of a lease, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Whether a higher priority takes the role from a lower one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preempt: Option<bool>,
    /// Whether nobody is promoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}
