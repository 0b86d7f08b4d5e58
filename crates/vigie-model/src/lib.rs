//! The words of Vigie as types. No I/O, no clock of its own, no async runtime: every other crate
//! may use this one, and this one uses none of them.
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`ids`] names of machines, nodes, records and contents ·
//! [`path`] names and paths, which are bytes ·
//! [`time`] instants and the [`time::Clock`] ·
//! [`meta`] what a node is besides its content ·
//! [`content`] what a file holds, and the lists that large files are made of ·
//! [`bundle`] small blocks that travel and lie together ·
//! [`record`] the envelope of one journaled fact ·
//! [`files`] the first stream: what happens to files ·
//! [`machines`] the stream of enrolments · [`roles`] who is principal · [`status`] what an agent says of itself ·
//! [`tree`] a line of a tree as the hub knows it ·
//! [`nodeset`] many names in a short text ·
//! [`ask`] what hub and agent answer each other.

pub mod ask;
pub mod bundle;
pub mod content;
pub mod files;
pub mod ids;
pub mod limits;
pub mod machines;
pub mod meta;
pub mod nodeset;
pub mod path;
pub mod record;
pub mod roles;
pub mod status;
pub mod time;
pub mod tree;

pub use content::{BlockKind, BlockList, Content, ListEntry, ListError, StoredKind};
pub use files::{EdgeName, ErrorAct, FileEvent, GapCause};
pub use ids::{Digest, DigestKind, Epoch, Incarnation, MachineId, NodeId, RecordNo, Seq};
pub use meta::{FileTime, Metadata, NodeType, Xattr};
pub use nodeset::{NodeSet, NodeSetError};
pub use path::{BytePath, Name, PathError};
pub use record::{AgentRecord, Origin, PayloadError, Record, Stream};
pub use time::{Clock, Instant, SystemClock, UnixNanos};
pub use tree::{KnownEdge, NodeState};
