//! Every bound that two crates share, in one place, each with its reason.

/// Longest name of one directory entry, in bytes (`NAME_MAX`, `limits.h`).
pub const NAME_BYTES_MAX: usize = 255;

/// Longest absolute path of a root or a query, in bytes (`PATH_MAX`, `limits.h`).
pub const PATH_BYTES_MAX: usize = 4096;

/// Longest name of a machine: it is shown in tables, used in certificates and typed before a colon.
pub const MACHINE_NAME_BYTES_MAX: usize = 64;

/// Files up to this size are one block: most files of most trees, and cutting them finer would
/// cost more in names than it saves in content.
pub const WHOLE_BLOCK_BYTES_MAX: usize = 256 * 1024;

/// Content-defined chunks of larger files: smallest, aimed at, largest (bytes). Larger ones compress better and cost
/// less in names; smaller ones make a small change cheaper to send.
pub const CHUNK_BYTES: (usize, usize, usize) = (32 * 1024, 128 * 1024, 256 * 1024);

/// Largest raw block of any kind: a whole small file. Lists stay far below.
pub const BLOCK_BYTES_MAX: usize = WHOLE_BLOCK_BYTES_MAX;

/// Entries of one list block: smallest, aimed at, largest. At 128 KiB a chunk a list block stands for
/// about 2 MiB, which an agent can hold in memory while it asks which chunks are needed.
pub const LIST_ENTRIES: (usize, usize, usize) = (8, 16, 64);

/// Entries of the largest list that is read: room for another choice of [`LIST_ENTRIES`].
pub const LIST_ENTRIES_MAX: usize = 128;

/// Blocks of one bundle: enough for files of 2 KiB, and little that a receiver has to reckon with before it has looked in.
/// A bundle is named as the list of its blocks would be, so it is at most [`LIST_ENTRIES_MAX`].
pub const BUNDLE_BLOCKS_MAX: usize = 64;

/// Levels of lists above the data: 8 entries at the least a level, so 17 levels name 2^64 bytes.
pub const LIST_LEVELS_MAX: u8 = 17;

/// Largest payload of one record. The largest honest one is a node with 64 KiB of names and many
/// 64 KiB values of extended attributes (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Extended attributes of one node, names and values together; past it the node is recorded
/// without them and an error record says so.
pub const XATTR_BYTES_MAX: usize = 512 * 1024;

/// Longest word in a record about roles: a group's name, a mode, a cause.
pub const ROLE_WORD_BYTES_MAX: usize = 64;

/// Longest text in a record about roles: a reason in a line or two.
pub const ROLE_TEXT_BYTES_MAX: usize = 1024;

/// Names that one node set may stand for. A fleet of a million machines is beyond what one program reaches by name;
/// a slip of the finger such as `[1-99999999]` is not.
pub const NODE_SET_NAMES_MAX: u64 = 1 << 20;

/// Longest text of a node set, in bytes: a list of thousands of unlike names still fits.
pub const NODE_SET_BYTES_MAX: usize = 1024 * 1024;
