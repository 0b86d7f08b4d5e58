//! The store of the hub: a journal of facts, packs of blocks, and an index over both.
//!
//! The journal is the truth, and the packs hold what it names; both are our own files, written in the order
//! that `docs/format.md` gives, so that what was acknowledged survives every crash. The index is derived
//! from the journal, is never synced while commits go on, and is made anew whenever it may not be believed.
//!
//! It is not a database: one process writes, nothing is ever deleted, and the only questions are those about
//! files at an instant.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use vigie_model::*;
//! use vigie_store::*;
//!
//! let dir = tempfile::tempdir()?;
//! let (store, committer) = Store::open(&dir.path().join("store"), Options::default())?;
//! let thread = committer.spawn_thread()?;
//!
//! let machine = MachineId([7; 16]);
//! let fact = machines::Enrolled { machine, name: "web01".into() }.encode(UnixNanos(1));
//! let origin = Origin { machine, incarnation: Incarnation(1), n: RecordNo(1) };
//! let batch = Batch { blocks: vec![], records: vec![NewRecord { origin, fact }] };
//! let committed = store.commit(batch).await?; // durable
//!
//! let mut tail = store.tail();
//! tail.wait_for(|tail| *tail >= committed.last).await?; // and readable
//! assert_eq!(store.machine_named("web01")?, Some(machine));
//!
//! store.close();
//! thread.join().expect("the committer ends without a panic");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! In reading order:
//! [`limits`] every bound, with its reason · `types` what goes in and comes out · [`disk`] all file I/O ·
//! `frame` and `body` the bytes of the journal · `journal` its segments · `pack` the blocks ·
//! [`compress`] and `new_block` what a block is before it is believed · `commit` the committer, with `group` (which batches
//! are taken) and `indexer` (what follows them) · `index` the rows, and the tree at an instant · `kv`
//! and `medium` where the rows lie, with `alarm` for when they are damaged · `open` how a store is taken up · `records`, `read`, `verify`
//! the ways back out · [`seams`](Journal) for the day one hub is not enough.

mod alarm;
mod body;
mod commit;
pub mod compress;
pub mod disk;
mod error;
mod frame;
mod group;
mod index;
mod indexer;
mod journal;
mod kv;
pub mod limits;
mod medium;
mod new_block;
mod open;
mod pack;
mod read;
mod records;
mod seams;
mod shared;
mod store;
mod types;
mod verify;
mod write_error;
mod zstd_codec;

pub use commit::Committer;
pub use error::{CommitError, InstantError, KvError, OpenError, ReadError, StoreError};
pub use kv::MemIndex;
pub use medium::IndexMedium;
pub use new_block::NewBlock;
pub use read::ContentReader;
pub use seams::{Blocks, Journal, LocalBlocks, LocalJournal};
pub use store::{Options, Store};
pub use types::{
    At, Batch, Codec, Committed, Damage, DamagedBlock, DamagedPlace, Gap, GroupState, Health, LastOf,
    NewRecord, NodeVersion, Progress, Sizes, VerifyReport,
};

/// Decoders of stored bytes as plain functions, for fuzzing and salvage.
pub mod decode {
    pub use crate::body::{Body, Place, Run};
    pub use crate::frame::{FrameError, FrameHead, SegmentHead, decode_frame, encode_frame};
    pub use crate::open::parse_marker;
    pub use crate::pack::{BlockHead, PackedBlock, read_pack};
}
