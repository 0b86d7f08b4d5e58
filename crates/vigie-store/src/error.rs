//! What can go wrong, by the act that failed. The variants say which act, on what, and why.

use std::io;
use std::path::PathBuf;
use vigie_model::{Digest, Incarnation, MachineId, RecordNo, Seq, UnixNanos};

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store {0} is in use by another process")]
    Locked(PathBuf),
    /// A newer version of this program made it.
    #[error("the store has format {found}, and this program knows formats up to {known}")]
    NewerFormat {
        /// What the marker says.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// Bytes that were durable are no longer what was written. [`crate::Options::read_only`] opens such a store.
    #[error("{} is damaged at offset {offset}: {why}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// The index has applied records that the journal does not hold: the journal lost what had been
    /// acknowledged, or an older copy of it was put back.
    #[error(
        "the index has seen record #{applied}, but the journal ends at #{journal}: records that were \
         acknowledged are gone. Put the missing journal segments back; or, to go on without them, remove \
         the directory {} and every agent will be compared anew",
        index.display()
    )]
    IndexAhead {
        /// Last record the index has applied.
        applied: Seq,
        /// Last record of the journal.
        journal: Seq,
        /// Directory of the index.
        index: PathBuf,
    },
    /// The index could not be read or made.
    #[error("cannot {act} the index")]
    Index {
        /// What was tried.
        act: &'static str,
        /// Why it failed.
        #[source]
        source: KvError,
    },
    /// A file or directory could not be used.
    #[error("cannot {act} {}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Why a batch was not made durable. In every case, none of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// No space is left. Nothing was kept; the same batch may be tried again later.
    #[error("the disk of the store is full")]
    DiskFull,
    /// An earlier write or sync failed in a way that leaves the files in doubt. Only opening the store
    /// again helps, because it reads them back.
    #[error("the store takes no more commits until it is opened again: {0}")]
    Poisoned(String),
    /// The committer has ended.
    #[error("the store is closed")]
    Closed,
    /// Another writer owns the journal.
    #[error("another writer has taken over the journal")]
    Fenced,
    /// The batch is larger than [`crate::limits::BATCH_BYTES_MAX`].
    #[error("a batch of {0} bytes is too large")]
    TooLarge(usize),
    /// A record does not follow the last one of its machine.
    #[error(
        "machine {machine} states record {n} of incarnation {incarnation}, where {expected} would follow"
    )]
    Number {
        /// The machine.
        machine: MachineId,
        /// Incarnation of the record.
        incarnation: Incarnation,
        /// Its number.
        n: RecordNo,
        /// The number that would have been taken for this incarnation.
        expected: RecordNo,
    },
    /// A record of an incarnation that has ended: a newer one has begun.
    #[error("machine {machine} states a record of incarnation {incarnation}, which has ended")]
    OldIncarnation {
        /// The machine.
        machine: MachineId,
        /// The incarnation that is over.
        incarnation: Incarnation,
    },
    /// A content or a list names a block that is not in the store.
    #[error("block {0} is named and is not in the store")]
    MissingBlock(Digest),
    /// Whether the batch's blocks are in the store could not be found out.
    #[error("the index could not be asked: {0}")]
    Index(String),
}

/// Why the index could not answer.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The index's own medium failed.
    #[error("the index failed")]
    Fjall(#[source] fjall::Error),
    /// A file beside it failed.
    #[error("a file of the index failed")]
    Io(#[source] io::Error),
    /// A row is not what this version writes.
    #[error("a row of table {0} cannot be read")]
    Row(&'static str),
    /// Its tables do not belong together: some are older than others, or missing.
    #[error("its tables do not belong together")]
    Apart,
    /// It failed before, and is being opened again or built anew.
    #[error("the index is being built anew")]
    Away,
}

/// An error with all its causes on one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Whoever waited for the answer wants it no more.
    #[error("stopped before the end")]
    Stopped,
    /// The index failed.
    #[error("the index could not be read")]
    Index(#[from] KvError),
    /// The journal or a pack could not be read.
    #[error("cannot {act} {file}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what, below the store's directory.
        file: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Bytes are no longer what was written.
    #[error("{file} is damaged at offset {offset}: {why}")]
    Damaged {
        /// The file, below the store's directory.
        file: String,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// The seam stands, the deed does not: nothing is ever deleted by this version.
    #[error("this version cannot {0}")]
    Unsupported(&'static str),
    /// A commit was refused.
    #[error("the batch was not committed")]
    Commit(#[from] CommitError),
}

/// Why an instant has no answer.
#[derive(Debug, thiserror::Error)]
pub enum InstantError {
    /// Nothing is known of the machine.
    #[error("nothing is recorded of machine {0}")]
    NoRecords(MachineId),
    /// The instant lies before the machine's first record.
    #[error("the machine's first record is #{}", first.0)]
    BeforeFirst {
        /// The first record, and when it was observed.
        first: (Seq, UnixNanos),
    },
    /// The instant has not come yet.
    #[error("the last record is #{last}")]
    Future {
        /// The last record there is.
        last: Seq,
    },
    /// The store could not be read.
    #[error("the instant could not be looked up")]
    Store(#[from] StoreError),
}

/// Why a content cannot be given back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A block is not in the store.
    #[error("block {0} is not in the store")]
    Missing(Digest),
    /// A block is no longer what was written.
    #[error("block {digest} in pack {pack} at offset {offset} is damaged: {why}")]
    Damaged {
        /// Its name.
        digest: Digest,
        /// Number of the pack.
        pack: u32,
        /// Where its header begins.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// The store could not be read.
    #[error("the content could not be read")]
    Store(#[from] StoreError),
}
