//! A tree of files as a PAX tar stream, and the writing of such a stream to disk with all its metadata.
//!
//! Out: [`TreeWriter`] turns metadata and contents into a stream that GNU tar, bsdtar and Python's
//! `tarfile` read. In: [`extract()`] writes a stream below a target so that the result is exactly what was
//! recorded, whoever made the stream. `docs/restore-format.md` describes the stream.
//!
//! ```
//! use vigie_archive::{ContentState, TreeWriter};
//! use vigie_model::{FileTime, Metadata, NodeType};
//!
//! let meta = |node_type, mode| Metadata {
//!     node_type, mode, uid: 0, gid: 0, size: 0, xattrs: vec![],
//!     mtime: FileTime { secs: 1_700_000_000, nanos: 5 }, ctime: FileTime::default(),
//! };
//! let mut tree = TreeWriter::new(Vec::new(), b"etc");
//! tree.directory(b"", &meta(NodeType::Directory, 0o755))?;
//! let pieces = [Ok::<_, std::io::Error>(b"vigie\n")];
//! tree.file(b"hostname", &meta(NodeType::File, 0o644), 6, ContentState::WHOLE, pieces)?;
//! let (bytes, counts) = tree.finish()?;
//! assert_eq!((counts.entries, counts.bytes, bytes.len() % 512), (2, 6, 0));
//! # Ok::<(), vigie_archive::WriteError>(())
//! ```
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`entry`] what one entry of the stream says ·
//! [`path`] where an entry belongs ·
//! [`pax`] the records of extended headers ·
//! [`header`] the 512-byte header ·
//! [`acl`] access control lists as text and as attributes ·
//! [`write`](mod@write) the way out ·
//! [`read`] the way in, still without a disk ·
//! [`extract`](mod@extract) from the stream to the disk.

pub mod acl;
pub mod entry;
pub mod extract;
pub mod header;
mod input;
pub mod limits;
pub mod path;
pub mod pax;
pub mod read;
pub mod write;

pub use entry::{ContentState, Counts, LeftOut, LeftOutCause};
pub use extract::{
    Act, Action, Event, ExtractError, Listed, Options, PathList, Problem, Stop, Summary, TargetError,
    check_target, extract,
};
pub use read::{Entry, EntryKind, ReadError, TreeReader, pass_over, survey};
pub use write::{FileEnd, TreeWriter, WriteError};
