//! Every bound of the store, each with its reason.

/// A journal segment or a pack is sealed once it is this long: small enough to copy or lose one, large
/// enough that a store has few of them.
pub const SEAL_BYTES: u64 = 64 * 1024 * 1024;

/// Stored bytes of blocks that one group commit takes: past a few megabytes an `fdatasync` costs its
/// bytes and no longer its latency, and a waiting small change should not sit behind more.
pub const GROUP_BLOCK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Records that one group commit takes. With `PAYLOAD_BYTES_MAX` it does not bound the bytes of a frame;
/// [`GROUP_PAYLOAD_BYTES_MAX`] does.
pub const GROUP_RECORDS_MAX: usize = 8192;

/// Payload bytes that one group commit takes, a single larger batch excepted.
pub const GROUP_PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest batch that is taken at all (blocks and payloads). A caller that has more cuts it up.
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Largest body of a journal frame, before compression: the largest batch with generous room for its
/// envelope. What claims to be larger is damage, and is not allocated.
pub const FRAME_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that may wait in the queue of the committer; past it `commit` waits. The hub's memory is bounded
/// by this, not by the number of its agents.
pub const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Batches that may wait in the queue of the committer.
pub const QUEUE_BATCHES_MAX: usize = 1024;

/// Group commits that may be durable and not yet indexed, in the threaded mode. Each is at most one group
/// of records, without the bytes of its blocks.
pub const INDEX_BEHIND_MAX: usize = 8;

/// Free space that is left to the index and to others: a commit is refused as "disk full" before it
/// would go below it. On a small disk, [`RESERVE_PART`] of it is kept instead.
pub const RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// See [`RESERVE_BYTES`].
pub const RESERVE_PART: u64 = 16;

/// Packs held open for reading. A hub may have 20,000 files open, and its agents need them.
pub const OPEN_PACKS_MAX: usize = 64;

/// Bundles that are kept open for readers: a directory's files lie in a few, and several readers may be at work.
pub const OPEN_BUNDLES_MAX: usize = 16;

/// Files that a verify report names for one damaged block; the number of all is given too.
pub const AFFECTED_MAX: usize = 100;

/// Gaps of one root that are open at once and kept apart; further ones are made one with the last of them, so that an
/// agent that begins anew without end, by mischance or on purpose, costs no memory.
pub const OPEN_GAPS_EACH_MAX: usize = 8;

/// Directories that are climbed to make a path. The kernel lets trees be deeper than `PATH_MAX`, and of what lies below
/// this depth the path is not told; but a cycle made by a damaged or lying peer must end.
pub const DEPTH_MAX: usize = 4096;

/// Shortest and longest wait before an index that failed is tried again.
pub const INDEX_RETRY: (std::time::Duration, std::time::Duration) =
    (std::time::Duration::from_millis(500), std::time::Duration::from_secs(15));

/// Damaged blocks that are remembered so that they are taken again. A store with more needs another disk.
pub const BAD_BLOCKS_MAX: usize = 65_536;

/// Longest wait for those who read an index that is to be removed: each of them reads for moments.
pub const INDEX_LEAVE_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// Rows of an index whose newest value is compared at the end of a verification, in bytes of keys and values: those of
/// machines, lives, gaps and groups. Beyond it they are not compared.
pub const VERIFY_ROWS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Rounds in which a verification follows a journal that grows until it can compare those rows.
pub const VERIFY_ROUNDS_MAX: usize = 1000;
