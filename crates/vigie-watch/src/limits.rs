//! Every bound and every wait of this crate, each with its reason.

use std::time::Duration;

/// Bytes of raw kernel records that the drain thread keeps for the engine: some 400,000 events, a
/// quarter of a minute of `tar` at full speed. Past it events are dropped and a gap opens.
pub const DRAIN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes asked of the kernel in one read: large enough that a burst costs few system calls.
pub const DRAIN_READ_BYTES: usize = 64 * 1024;

/// Names waiting to be looked at. Past it the engine stops draining, and the drain thread's bound holds.
pub const DIRTY_MAX: usize = 65_536;

/// Kernel events taken in one step, so that a step stays short.
pub const EVENTS_PER_STEP: usize = 2_048;

/// Names looked at in one step: at some 5 µs each about a millisecond.
pub const LOOKS_PER_STEP: usize = 256;

/// Entries of one directory compared in one slice of a scan: at some 3 µs each about a millisecond, so
/// that a live change never waits long behind a large directory.
pub const SCAN_SLICE: usize = 512;

/// Bytes of facts in the outbox at which scans pause: some thousand facts. Small, because a live change has to
/// queue behind them.
pub const OUTBOX_SCAN_BYTES: usize = 256 * 1024;

/// Bytes of facts in the outbox at which live looks pause too; events then gather in the dirty table.
pub const OUTBOX_LIVE_BYTES: usize = 8 * 1024 * 1024;

/// Wait after CREATE for the write that usually follows, before an empty file is read for nothing.
pub const AFTER_CREATE: Duration = Duration::from_millis(5);

/// A file written without being closed is read when it was left alone this long…
pub const WRITE_QUIET: Duration = Duration::from_millis(50);

/// …or at the latest this long after the first such write.
pub const WRITE_LATEST: Duration = Duration::from_secs(1);

/// How long a name that moved away is kept for the other half of its rename.
pub const MOVE_HOLD: Duration = Duration::from_millis(10);

/// A change of content that is not in the store this long after it was seen is announced as pending.
pub const ANNOUNCE_AFTER: Duration = Duration::from_millis(100);

/// Wait before a file that changed under its reader is read again; doubled each time.
pub const CHANGED_WAIT: Duration = Duration::from_millis(20);

/// Reads of a file that changes under its reader before its bytes are taken as they come: torn.
pub const READ_TRIES: u32 = 4;

/// Looks at a name whose directory is not where it is believed to be, before the name is given up.
pub const LOOK_TRIES: u8 = 5;

/// How often a lost root is looked for, and a watched root is checked to be still at its path.
pub const ROOT_POLL: Duration = Duration::from_secs(1);

/// How often directories that the kernel could not watch are listed, at the least; a sweep that takes
/// long waits twenty times as long.
pub const UNWATCHED_SWEEP: Duration = Duration::from_secs(60);

/// Failures remembered so that they are not reported again; past it they may be.
pub const FAILURES_MAX: usize = 65_536;

/// Largest `.vigieignore` that is read: far above any honest one.
pub const RULES_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one read of a large file.
pub const READ_BYTES: usize = 1024 * 1024;

/// Files waiting to be read at which scans pause: about 200 bytes each, and many times what the readers can have
/// under way.
pub const READS_SCAN_MAX: usize = 8_192;

/// Names of one directory remembered because they could not be looked at. Past it only a listing tells when all can.
pub const UNLOOKED_MAX: usize = 1_024;

/// How often directories that were not seen whole are tried again without an event…
pub const UNSEEN_RETRY: Duration = Duration::from_secs(60);

/// …and how many of them: each may cost a listing.
pub const UNSEEN_RETRY_MAX: usize = 256;

/// Directories that were not seen whole, named by `status`.
pub const UNSEEN_NAMED_MAX: usize = 32;

/// Notices kept for `status`.
pub const NOTICES_MAX: usize = 64;

/// Renames whose second half is waited for.
pub const MOVES_MAX: usize = 4_096;
