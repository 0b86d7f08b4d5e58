//! Every bound of the API, in one place, each with its reason.

use std::time::Duration;

/// Largest body of a request: names, numbers and one path of [`vigie_model::limits::PATH_BYTES_MAX`].
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Longest line of an answer. The longest honest one is an unknown record's payload of
/// [`vigie_model::limits::PAYLOAD_BYTES_MAX`] in base64.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest JSON answer that is read whole: a status or a flush report of many machines.
pub const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Pieces of an answer that may wait for a slow reader; a piece has at most [`PIECE_BYTES`].
pub const PIECES_WAITING_MAX: usize = 4;

/// Lines and archives are handed to the socket in pieces of this size.
pub const PIECE_BYTES: usize = 128 * 1024;

/// Records read from the journal at a time: few enough to stop soon when the client has gone.
pub const RECORDS_PER_READ: usize = 512;

/// Entries of a directory read at a time; so many wait for each level of a tree that is walked.
pub const CHILDREN_PER_READ: usize = 256;

/// Directories whose path is remembered while a journal is walked.
pub const PATHS_REMEMBERED_MAX: usize = 16 * 1024;

/// Nodes without a name whose last path is remembered while a journal is walked: a content can come in
/// after its file was removed.
pub const LOST_PATHS_MAX: usize = 4096;

/// Names of one node that are looked at to find it below a path.
pub const NAMES_LOOKED_AT_MAX: usize = 256;

/// Gaps named in one answer: they travel in a header, which clients bound.
pub const GAPS_NAMED_MAX: usize = 16;

/// Directories that are climbed to tell the path of a record. The kernel lets trees be deeper than `PATH_MAX`; but a lying
/// agent, or damage, can make a circle.
pub const DEPTH_MAX: usize = 4096;

/// How long a client waits for a TCP connection on the same machine.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time that a flush may be asked to wait.
pub const FLUSH_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Longest life of an invitation.
pub const INVITE_VALID_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Connections of clients that one listener has at once. At the limit the one that has been idle for longest is
/// closed, so that whoever asks nothing keeps nobody out. All that can be busy is bounded below this:
/// [`STREAMS_MAX`], [`STREAMS_WAITING_MAX`], [`FOLLOWERS_MAX`] and [`FLUSHES_MAX`] together.
pub const CONNECTIONS_MAX: usize = 256;

/// How long a client may take to send the head of a request, the wait between two requests included.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to send the body of a request, of [`REQUEST_BYTES_MAX`] at most.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Streamed answers (`ls`, `log` without `follow`, `cat`, `tree`) that one listener gives at once. A tree takes two
/// threads and about a megabyte while its reader is slow. Each listener has its own, so that no user of the TCP
/// address can keep the owner of the socket from restoring.
pub const STREAMS_MAX: usize = 32;

/// Requests for a streamed answer that may wait for one of [`STREAMS_MAX`] to end.
pub const STREAMS_WAITING_MAX: usize = 64;

/// How long such a request waits before it is refused.
pub const STREAM_WAIT_MAX: Duration = Duration::from_secs(10);

/// Followers of the log that one listener has at once.
pub const FOLLOWERS_MAX: usize = 64;

/// Flushes that one listener waits for at once: each may be asked to wait for [`FLUSH_TIMEOUT_MAX`].
pub const FLUSHES_MAX: usize = 64;

/// When a client that was refused for want of room should ask again; said in `Retry-After`.
pub const RETRY_AFTER: Duration = Duration::from_secs(10);

/// On TCP, a client that takes nothing of its answer for so long is dropped.
pub const TCP_STALL_MAX: Duration = Duration::from_secs(60);

/// The same on the Unix socket, whose only user is its owner: a pager may be left open over lunch.
pub const SOCKET_STALL_MAX: Duration = Duration::from_secs(3600);

/// Bytes that a connection collects before it writes them to the kernel, and the longest head of a request.
pub const WRITE_BUFFER_BYTES: usize = 2 * PIECE_BYTES;

const _: () =
    assert!(STREAMS_MAX + STREAMS_WAITING_MAX + FOLLOWERS_MAX + FLUSHES_MAX + 16 <= CONNECTIONS_MAX);

/// Wait after a failed accept: it fails for want of file descriptors, which others must give back first.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
