//! What an agent says of itself, to its own socket and to the hub. JSON, because people and scripts read
//! it; a field that a newer agent adds is ignored by an older hub.

use serde::{Deserialize, Serialize};

/// How an agent does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Name of the machine.
    pub machine: String,
    /// Version of the program.
    pub version: String,
    /// Where it looks for its hub.
    pub hub: String,
    /// Whether it has found it.
    pub link: LinkStatus,
    /// What waits to be sent or acknowledged.
    pub queue: QueueStatus,
    /// What it watches.
    pub roots: Vec<RootStatus>,
}

/// State of the connection to the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// `connected`, `connecting` or `refused`.
    pub state: String,
    /// Since when, RFC 3339 is left to the reader: nanoseconds since 1970.
    pub since_unix_ns: i64,
    /// Why it is not connected.
    pub why: Option<String>,
}

/// What waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Facts that were not yet written to the link.
    pub facts: u64,
    /// Facts written and not yet durable on the hub.
    pub unacknowledged: u64,
    /// Files whose content is still to be read or sent.
    pub contents: u64,
    /// Age of the oldest fact that is not durable on the hub, in milliseconds.
    pub lag_ms: u64,
}

/// State of one root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootStatus {
    /// Absolute path, escaped as all names are.
    pub path: String,
    /// `watching`, `scanning` or `lost`.
    pub state: String,
    /// How the kernel tells of changes: `inotify`.
    pub backend: String,
    /// What node ids rest on: `handle`, `birth-time` or `path`.
    pub node_id_tier: String,
    /// Nodes known below it.
    pub nodes: u64,
    /// Directories watched below it.
    pub watches: u64,
    /// Cause of a gap that is open.
    pub gap: Option<String>,
    /// What the person in charge should know: a network file system, a watch limit, a lost root.
    pub warning: Option<String>,
}
