//! Every bound of a run, in one place, each with its reason.

use std::time::Duration;

/// What is kept of each output when nothing else is said, in bytes: a screenful of anything a person reads, and
/// little beside many runs at once.
pub const KEPT_BYTES: usize = 64 * 1024;

/// Read from a pipe at a time: a quarter of what the kernel holds of one (`pipe(7)`).
pub(crate) const PIECE_BYTES: usize = 16 * 1024;

/// Between the request to end (SIGTERM) and the force (SIGKILL), when nothing else is said.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long output is still read after the command has ended: what it wrote itself is in the pipe by then, so
/// this is for the last words of its children, who may keep the pipe open for ever.
pub const LINGER: Duration = Duration::from_millis(250);

/// How long the end of a killed process is waited for. One that is stuck in the kernel (a dead network file
/// system) does not end, and must not take its caller along.
pub(crate) const KILL_PATIENCE: Duration = Duration::from_secs(5);
