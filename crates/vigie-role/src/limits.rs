//! Every bound of this crate, each with its reason.

use std::time::Duration;

/// Shortest time to live of a lease. Below it the pauses of an ordinary, loaded machine would cost the role.
pub const TTL_MIN: Duration = Duration::from_millis(500);

/// Longest time to live. A dead principal is noticed only after it; an hour is no longer a failover.
pub const TTL_MAX: Duration = Duration::from_secs(3600);

/// Time to live of a lease when nothing else was set.
pub const TTL_DEFAULT: Duration = Duration::from_secs(3);

/// The share of the time to live by which a holder stops early: one part in this many. Two clocks whose rates
/// differ by less than this share then never let the holder outlive what the authority counts. (A fixed margin
/// does not: 200 ms of 3 s are less than 7 %.)
pub const MARGIN_PART: u32 = 10;

/// A holder renews this many times in a time to live, so that two renewals may be lost.
pub const RENEWALS_PER_TTL: u32 = 3;

/// Members of one group. Above ten thousand plain clients with room to spare, below what could exhaust memory.
pub const MEMBERS_MAX: usize = 65_536;

/// Groups of one authority: far more than anyone runs, few enough to be shown in one answer.
pub const GROUPS_MAX: usize = 1024;

/// Longest name of a group: it is typed, shown in tables and passed to hooks.
pub const GROUP_NAME_BYTES_MAX: usize = 64;

/// How long a hook may run unless told otherwise.
pub const HOOK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Longest line of the plain protocol that is read as one; what is longer is passed over up to its end.
pub const LINE_BYTES_MAX: usize = 256;

/// Bytes taken from a plain client at a time.
pub const READ_BYTES: usize = 512;

/// How long nothing more is read from a plain client that said something nobody understands: whoever floods the
/// server with garbage is slowed down by TCP itself. A disconnection meanwhile is noticed this much later.
pub const GARBAGE_PAUSE: Duration = Duration::from_millis(20);

/// Lines that wait to be written to one plain client. A role changes rarely; whoever lets so many pile up does
/// not read.
pub const CLIENT_QUEUE_LINES: usize = 16;

/// Events of plain clients that wait for the engine: a burst of disconnections. Beyond it they wait in line.
pub const EVENT_QUEUE: usize = 1024;

/// How long one line may take to be handed to the kernel. It takes none at all unless the client has not read
/// for a long time.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Plain clients that one server takes, if the process may open that many files.
pub const CLIENTS_MAX: usize = 60_000;

/// Files that the server keeps for itself out of what the process may open.
pub const FILES_SPARE: u64 = 64;

/// The pause after a failure to accept, such as too many open files: trying at once would fail again.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that wait to be accepted: everybody who comes back at once after a restart.
pub const BACKLOG: u32 = 1024;

/// Silence after which TCP asks whether the peer is there, unless a heartbeat says otherwise.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// How often TCP asks a silent peer before it gives it up.
pub const KEEPALIVE_PROBES: u32 = 3;

/// Shortest heartbeat: TCP keepalive counts in whole seconds.
pub const HEARTBEAT_MIN: Duration = Duration::from_secs(1);

/// Longest heartbeat: what is slower finds no dead peer in time to matter.
pub const HEARTBEAT_MAX: Duration = Duration::from_secs(3600);

/// How long a client waits for a connection to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client waits for the long form of a role after the bare word, before it acts on the bare word: any
/// other server of the same simple kind never sends it.
pub const LONG_FORM_WAIT: Duration = Duration::from_millis(300);

/// First and longest wait before a client connects again.
pub const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How long `fence` waits for another process that is comparing.
pub const FENCE_LOCK_WAIT: Duration = Duration::from_secs(10);

/// How often it tries meanwhile.
pub const FENCE_LOCK_PAUSE: Duration = Duration::from_millis(5);
