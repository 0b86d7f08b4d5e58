//! Every bound of this crate, in one place, each with its reason.

/// Largest extended header, in bytes. The largest honest one holds the 512 KiB of extended attributes a
/// node may have (`XATTR_BYTES_MAX` of the model), its lists of access also as text, and a very long path.
pub const PAX_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Longest path of an entry below the root, in bytes. Paths may be longer than `PATH_MAX`, as real trees
/// have them; the kernel is then asked in several steps.
pub const PATH_BYTES_MAX: usize = 64 * 1024;

/// Longest path below the root that a writer takes: `./` in front and a slash behind make it a name in the stream.
pub const ENTRY_PATH_BYTES_MAX: usize = PATH_BYTES_MAX - 3;

/// Bytes of the path of an entry that was left out: enough to find it, and the stream stays small however deep it lay.
pub const LEFT_OUT_PATH_BYTES_MAX: usize = 4096;

/// Longest target of a symbolic link, in bytes (`PATH_MAX`, `limits.h`).
pub const LINK_BYTES_MAX: usize = 4096;

/// Longest run of path bytes given to the kernel in one call: `PATH_MAX` with room for the closing NUL.
pub const KERNEL_PATH_BYTES_MAX: usize = 4000;

/// Files up to this size are taken into memory and handed to a writer thread; larger ones are written
/// piece by piece while they are read. Most files of most trees are below it.
pub const SMALL_FILE_BYTES_MAX: u64 = 256 * 1024;

/// A batch of small files goes to a writer thread when it holds this many bytes …
pub const BATCH_BYTES: usize = 512 * 1024;

/// … or this many files. Fewer cost more in waking threads than the threads save.
pub const BATCH_FILES: usize = 64;

/// Batches that wait for a writer thread: with those in hand, about 4 MiB.
pub const BATCHES_WAITING: usize = 4;

/// Second names that wait until all files before them are on disk; waiting for each of them alone would
/// stop the writer threads every time.
pub const LINKS_WAITING: usize = 4096;

/// Runs of zeros that become holes are looked for in pieces of this size, aligned in the file. Smaller holes
/// cost more extents than they save blocks.
pub const HOLE_BYTES: usize = 64 * 1024;

/// Bytes read from the stream at once; a few times [`PIECE_BYTES`], so that little has to be moved.
pub const READ_BYTES: usize = 512 * 1024;

/// Pieces in which the content of a large file is written: whole multiples of [`HOLE_BYTES`], so that no hole
/// is cut in two.
pub const PIECE_BYTES: usize = 2 * HOLE_BYTES;

/// Bytes read behind the end of a stream, at most: other tars pad their last record, by default to 10 KiB.
pub const TAIL_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes gathered before they go to the stream.
pub const WRITE_BYTES: usize = 256 * 1024;

/// Bytes of a large file between two reports of progress.
pub const PROGRESS_BYTES: u64 = 4 * 1024 * 1024;

/// Paths and problems kept by name; more are only counted.
pub const LISTED_MAX: usize = 1000;

/// Writer threads, at most: they contend for the same directories, and the reading thread needs a core too.
pub const THREADS_MAX: usize = 8;
