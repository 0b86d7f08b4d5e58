//! What takes a machine out of service, and back.

use serde::{Deserialize, Serialize};

/// Tell load balancers to send nothing new here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrainRequest {
    /// Why, for whoever looks at the load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a machine is drained, after it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrainReport {
    /// Whether it is drained now.
    pub drained: bool,
    /// Why, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_unix_ns: Option<i64>,
    /// Whether that is other than it was before the question.
    pub changed: bool,
}
