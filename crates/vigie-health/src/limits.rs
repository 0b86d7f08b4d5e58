//! Every bound, in one place, each with its reason.

use std::time::Duration;

/// How long a client may be silent before it gets the agent's line. HAProxy sends nothing unless told to
/// (`agent-send`), while HTTP clients send their request with, or right behind, the last packet of the handshake.
pub const SILENCE: Duration = Duration::from_millis(30);

/// Longest life of one connection, whatever its client does: far above an honest check, short enough that slow
/// clients do not add up.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(5);

/// How long a client of whom the first letters look like HTTP may take for the rest of its request's head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest line of a client, without its end: `backend/server`, each of them a name in a configuration.
pub const CLIENT_LINE_BYTES_MAX: usize = 512;

/// Read and thrown away behind an agent's answer, so that the answer is not lost to a reset.
pub const DISCARDED_BYTES_MAX: usize = 4096;

/// How long a client may take to close after an agent's answer.
pub const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// Memory for the head of a request: the least that hyper takes.
pub const HEAD_BYTES_MAX: usize = 8192;

/// Connections of all clients together; more are closed at once.
pub const CONNECTIONS_MAX: usize = 1024;

/// Connections of one client address (of one /64 in IPv6): one hostile address cannot fill
/// [`CONNECTIONS_MAX`], and a load balancer has some dozens of servers here at the most.
pub const CONNECTIONS_PER_PEER_MAX: usize = 128;

/// Connections that wait to be accepted.
pub const BACKLOG: u32 = 1024;

/// Wait after a failed accept: it fails for want of file descriptors, which others must give back first.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest text in an agent's line behind ` # `: HAProxy shows it in one cell of a table.
pub const DESCRIPTION_BYTES_MAX: usize = 160;

/// Longest text of a finding, in bytes.
pub const DETAIL_BYTES_MAX: usize = 256;

/// Longest reason of a drain, in bytes.
pub const REASON_BYTES_MAX: usize = 200;

/// What is kept of a command's output, from its end: what Nagios allows its plugins (4 KiB).
pub const OUTPUT_BYTES_MAX: usize = 4096;

/// Looked through for the text that an HTTP check asks for.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// Longest file that a drain is read from.
pub const DRAIN_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Checks of one service.
pub const CHECKS_MAX: usize = 256;

/// Shortest interval between two looks: below that, checks are the load.
pub const INTERVAL_MIN: Duration = Duration::from_millis(50);

/// How far an interval may be off, in parts of a hundred, so that checks of many machines do not fall together.
pub const JITTER_PERCENT: u32 = 10;
