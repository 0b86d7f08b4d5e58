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
    /// What is left out or not seen, and why, in words: the first of such places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// What it is in which group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleStatus>,
}

/// What a machine is in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleStatus {
    /// Name of the group.
    pub group: String,
    /// `principal` or `secondaire`; `unknown` while the hub cannot be asked and no lease holds.
    pub role: String,
    /// The fencing number, of a principal.
    pub epoch: Option<u64>,
    /// What is left of its lease, in milliseconds, of a principal.
    pub lease_left_ms: Option<u64>,
    /// It is never to be principal: by its own wish, or because its hook failed.
    pub barred: bool,
    /// Why the hub does not take it as a member, if it does not.
    pub why: Option<String>,
}

/// A group at a moment, as its hub knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its name.
    pub group: String,
    /// `safe` or `fast`.
    pub mode: String,
    /// Time to live of a lease, in milliseconds.
    pub ttl_ms: u64,
    /// Whether a higher priority takes the role from a lower one.
    pub preempt: bool,
    /// Whether nobody is promoted.
    pub paused: bool,
    /// The highest epoch ever given.
    pub epoch: u64,
    /// Who is principal.
    pub principal: Option<PrincipalStatus>,
    /// How the last term ended, if one did since the hub started.
    pub last_ended: Option<EndedStatus>,
    /// Everybody, in line.
    pub members: Vec<MemberStatus>,
}

/// The principal of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalStatus {
    /// Name of the machine, or its id when it has no name.
    pub machine: String,
    /// Its epoch.
    pub epoch: u64,
    /// Since when, in nanoseconds since 1970.
    pub since_unix_ns: i64,
    /// Why it is.
    pub cause: String,
    /// What is left of its lease, in milliseconds; absent where its connection is the lease.
    pub lease_left_ms: Option<u64>,
    /// Why it was asked to give the role back, if it was.
    pub asked: Option<String>,
}

/// The end of a term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedStatus {
    /// Who was principal.
    pub machine: String,
    /// Its epoch.
    pub epoch: u64,
    /// When, in nanoseconds since 1970.
    pub at_unix_ns: i64,
    /// Why.
    pub cause: String,
    /// From the last sign of life to the end, in milliseconds; absent where none was looked for.
    pub detection_ms: Option<u64>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Name of the machine, or its id when it has no name.
    pub machine: String,
    /// `principal` or `secondaire`.
    pub role: String,
    /// Whether its connection stands.
    pub connected: bool,
    /// Higher comes first.
    pub priority: i32,
    /// It is never to be principal, by its own wish or because its hook failed.
    pub nofailover: bool,
    /// Its last sign of life, in milliseconds before now.
    pub heard_ms_ago: u64,
}

/// State of the connection to the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// `connected`, `connecting`, `refused`, or `enrolling` before there ever was one.
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
    /// Age of the oldest fact that was sent and is not durable on the hub, in milliseconds; 0 while nothing is on its way.
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
    /// Files below it whose content could not be read when they were looked at last.
    #[serde(default)]
    pub unreadable: u64,
    /// Directories below it that are not seen whole.
    #[serde(default)]
    pub unseen: u64,
    /// Cause of a gap that is open.
    pub gap: Option<String>,
    /// What the person in charge should know: a network file system, a watch limit, a lost root.
    pub warning: Option<String>,
}
