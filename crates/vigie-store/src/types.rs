//! What goes into the store and what comes out of it.

use crate::new_block::NewBlock;
use vigie_model::roles::{GroupSet, TermBegun, TermEnded};
use vigie_model::{
    AgentRecord, BlockList, BytePath, Digest, GapCause, Incarnation, MachineId, Metadata, NodeState, Origin,
    RecordNo, Seq, UnixNanos,
};

/// How the stored bytes of a block are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// They are the block.
    Raw,
    /// They are one zstd frame.
    Zstd,
}

impl Codec {
    /// The number of this codec in packs, journal and wire.
    pub fn number(self) -> u8 {
        match self {
            Codec::Raw => 0,
            Codec::Zstd => 1,
        }
    }

    /// The codec with this number, if this version knows it.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Codec::Raw),
            1 => Some(Codec::Zstd),
            _ => None,
        }
    }
}

/// A record to be journaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Who states it. Its number must be the one that follows the machine's last.
    pub origin: Origin,
    /// The fact.
    pub fact: AgentRecord,
}

/// What becomes durable together, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Blocks, children before the lists that name them.
    pub blocks: Vec<NewBlock>,
    /// Records, in the order in which they shall be journaled.
    pub records: Vec<NewRecord>,
}

impl Batch {
    /// What the batch weighs in memory, about, in bytes: blocks and payloads, and what is around each.
    pub fn bytes(&self) -> usize {
        let of_list = |list: &BlockList| size_of_val(&list.entries[..]);
        let around = |b: &NewBlock| Self::AROUND * (1 + b.parts().len()) + b.list().map_or(0, of_list);
        let blocks: usize = self.blocks.iter().map(|b| b.stored().len() + around(b)).sum();
        let records: usize = self.records.iter().map(|r| r.fact.payload.len() + Self::AROUND).sum();
        blocks + records
    }

    /// A digest, a place, an origin and some lengths; the least that a frame needs for a block or a record.
    const AROUND: usize = 96;
}

/// Where a batch came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Number of its first record.
    pub first: Seq,
    /// Number of its last record; below `first` when it had none.
    pub last: Seq,
}

/// The newest durable record of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastOf {
    /// The machine's newest incarnation.
    pub incarnation: Incarnation,
    /// Its last number there.
    pub n: RecordNo,
    /// The journal's number of that record.
    pub seq: Seq,
    /// When it was observed, made monotone within the incarnation.
    pub observed: UnixNanos,
}

/// What is recorded of a group of principal and secondaires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// Its name.
    pub group: String,
    /// What is set, if anything ever was.
    pub set: Option<GroupSet>,
    /// The newest term, if there ever was one.
    pub term: Option<TermBegun>,
    /// The newest end of a term: of that one, if the epochs are the same.
    pub end: Option<TermEnded>,
}

impl GroupState {
    /// A group of which nothing is known yet.
    pub(crate) fn new(group: &str) -> Self {
        GroupState { group: group.to_owned(), set: None, term: None, end: None }
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Records in the journal.
    pub records: u64,
    /// Records of known kinds that could not be read: they are in the journal alone.
    pub unread: u64,
    /// Distinct blocks; one that was damaged and taken again counts twice.
    pub blocks: u64,
    /// Length of all journal segments, in bytes.
    pub journal_bytes: u64,
    /// Length of all packs, in bytes.
    pub pack_bytes: u64,
    /// What the index takes on disk, about, in bytes.
    pub index_bytes: u64,
}

/// What of the store was found damaged since it was opened, or since a verification found it whole; what nobody read may
/// be damaged as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Packs that were missing or cut short.
    pub packs: usize,
    /// Blocks, and bundles of blocks, that are not what was written, also when they were stored anew.
    pub blocks: usize,
}

/// Whether the store takes commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Ok,
    /// The last commit was refused for want of space, or the next one would be; it may succeed all the same.
    DiskFull,
    /// It will not until it is opened again; the text says why.
    Poisoned(String),
    /// Commits are durable, but reading is behind: the index cannot be written. It is tried again.
    IndexStalled(String),
}

/// A span in which changes of a root may have been missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Path of the root.
    pub root: BytePath,
    /// Why.
    pub cause: GapCause,
    /// Changes may be missing from this time on, by the machine's clock; absent when the root had never
    /// been watched before.
    pub since: Option<UnixNanos>,
    /// The record that opened it, and its observed time made monotone.
    pub opened: (Seq, UnixNanos),
    /// The record that closed it, and its observed time made monotone.
    pub closed: Option<(Seq, UnixNanos)>,
}

/// An instant, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The state asked for is the one right after this record.
    pub seq: Seq,
    /// Gaps that the instant lies in: what is recorded there may not be what was.
    pub inside: Vec<Gap>,
}

/// The state of a node at an instant, and since when it has been that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeVersion {
    /// What is recorded.
    pub state: NodeState,
    /// The newest record that took part in it.
    pub seq: Seq,
    /// The record that stored the content.
    pub content_seq: Option<Seq>,
}

impl NodeVersion {
    /// The metadata that belongs to the content which can be given back: while newer content is pending,
    /// the size, modification time and mode of the content's own `fstat`.
    pub fn content_meta(&self) -> Metadata {
        let mut meta = self.state.meta.clone();
        if let (true, Some(content)) = (self.state.pending, &self.state.content) {
            meta.size = content.size;
            meta.mtime = content.mtime;
            meta.mode = content.mode;
        }
        meta
    }
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blocks read back.
    pub blocks: u64,
    /// Blocks there are.
    pub blocks_total: u64,
    /// Stored bytes read back.
    pub bytes: u64,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Blocks read back.
    pub blocks: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// Records read back.
    pub records: u64,
    /// Blocks that are not what their digest says.
    pub damaged: Vec<DamagedBlock>,
    /// Places of journal and packs that cannot be read.
    pub places: Vec<DamagedPlace>,
    /// What is wrong with the index, if anything is. It is built anew from the journal then, and nothing is lost.
    pub index: Option<String>,
}

impl VerifyReport {
    /// Whether everything is as it was written.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.places.is_empty() && self.index.is_none()
    }
}

/// A block that cannot be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedBlock {
    /// Its name.
    pub digest: Digest,
    /// Number of the pack.
    pub pack: u32,
    /// Where its header begins in that pack.
    pub offset: u64,
    /// What is wrong.
    pub why: String,
    /// Files whose present or past content needs it: machine, and path as it last was. At most
    /// [`crate::limits::AFFECTED_MAX`].
    pub files: Vec<(MachineId, Vec<u8>)>,
    /// How many files need it in all.
    pub files_total: u64,
}

/// A place of a file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedPlace {
    /// The file, below the store's directory.
    pub file: String,
    /// Offset in bytes.
    pub offset: u64,
    /// What is wrong.
    pub why: String,
}

impl From<&crate::journal::Damage> for DamagedPlace {
    fn from(damage: &crate::journal::Damage) -> Self {
        DamagedPlace { file: damage.file.clone(), offset: damage.offset, why: damage.told() }
    }
}
