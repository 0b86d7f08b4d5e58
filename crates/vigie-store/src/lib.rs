//! The store of the hub: a journal of facts, packs of blocks, and an index over both.

pub mod compress;
pub mod disk;
mod error;
pub mod limits;
mod seams;
mod store;
mod types;

pub use error::{CommitError, InstantError, KvError, OpenError, ReadError, StoreError};
pub use seams::{Blocks, Journal};
pub use store::{Committer, ContentReader, IndexMedium, MemIndex, Options, Store};
pub use types::{
    At, Batch, Codec, Committed, DamagedBlock, DamagedPlace, Gap, Health, LastOf, NewBlock, NewRecord,
    NodeVersion, Progress, Sizes, VerifyReport,
};
