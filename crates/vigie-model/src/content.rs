//! What a file holds, and the lists that large files are made of.
//!
//! A file up to [`WHOLE_BLOCK_BYTES_MAX`] is one data block. A larger one is cut into content-defined
//! chunks; a list block names consecutive chunks, a higher list names consecutive lists, until one
//! list is left: the root. Lists are cut where a child's digest says so, so an insertion near the front
//! of a huge file changes one or two lists of each level and leaves the others as they were.
//!
//! ```text
//! list block = version u8 (1) · level u8 · count u16 · count × entry        numbers are little-endian
//! entry      = digest 32 · size u64     size: bytes of the file that this child stands for
//! ```
//! Level 0 names data blocks, level k names lists of level k-1.

use crate::ids::{Digest, DigestKind};
use crate::limits::{LIST_ENTRIES, LIST_ENTRIES_MAX, LIST_LEVELS_MAX};
use crate::meta::FileTime;
use minicbor::{Decode, Encode};

pub use crate::limits::WHOLE_BLOCK_BYTES_MAX;

/// The bytes of a file at the moment they were read, with the `fstat` that belongs to them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Content {
    /// Names the bytes; what was hashed is told by `digest_kind`.
    #[n(0)]
    pub digest: Digest,
    /// One block, or a list.
    #[n(1)]
    pub digest_kind: DigestKind,
    /// Length in bytes of what was read.
    #[n(2)]
    pub size: u64,
    /// `st_mtime` of the file as read.
    #[n(3)]
    pub mtime: FileTime,
    /// `st_ctime` of the file as read.
    #[n(4)]
    pub ctime: FileTime,
    /// Permission bits of the file as read.
    #[n(5)]
    pub mode: u32,
    /// The file changed under its reader every time: these bytes may mix several versions.
    #[n(6)]
    pub torn: bool,
    /// The read came within a clock tick of the change, so an equal `ctime` later proves nothing.
    #[n(7)]
    pub racy: bool,
    /// A newer version was already known to exist when this record was written.
    #[n(8)]
    pub pending: bool,
}

impl Content {
    /// The block that the digest names; none for the empty content, which needs none.
    pub fn root_block(&self) -> Option<(BlockKind, Digest)> {
        match self.digest_kind {
            DigestKind::Whole if self.size == 0 && self.digest == Digest::of_data(b"") => None,
            DigestKind::Whole => Some((BlockKind::Data, self.digest)),
            DigestKind::List => Some((BlockKind::List, self.digest)),
        }
    }
}

/// What the bytes of a block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    /// Bytes of files.
    Data,
    /// The names of other blocks.
    List,
}

impl BlockKind {
    /// Digest of a block of this kind.
    pub fn digest(self, bytes: &[u8]) -> Digest {
        match self {
            BlockKind::Data => Digest::of_data(bytes),
            BlockKind::List => Digest::of_list(bytes),
        }
    }
}

/// What travels and lies as one: a block, or several in a [`crate::bundle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoredKind {
    /// A block of its own.
    Block(BlockKind),
    /// A bundle of data blocks.
    Bundle,
}

impl StoredKind {
    /// A data block.
    pub const DATA: Self = StoredKind::Block(BlockKind::Data);
    /// A list block.
    pub const LIST: Self = StoredKind::Block(BlockKind::List);

    /// The number of this kind on the wire, in packs and in the journal.
    pub fn number(self) -> u8 {
        match self {
            StoredKind::Block(BlockKind::Data) => 0,
            StoredKind::Block(BlockKind::List) => 1,
            StoredKind::Bundle => 2,
        }
    }

    /// The kind with this number, if this version knows it.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::DATA, Self::LIST, StoredKind::Bundle].into_iter().find(|kind| kind.number() == number)
    }
}

/// One child of a list block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// A data block (level 0) or a list (above).
    pub digest: Digest,
    /// Bytes of the file that this child stands for; never 0.
    pub size: u64,
}

/// A decoded list block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockList {
    /// 0 when the children are data blocks.
    pub level: u8,
    /// Children in the order of the file; never empty.
    pub entries: Vec<ListEntry>,
}

/// Why bytes are not a list block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Shorter or longer than its count says, or without entries.
    #[error("a list block of {0} bytes has the wrong length")]
    Length(usize),
    /// A version this program does not know.
    #[error("list block version {0} is unknown")]
    Version(u8),
    /// More levels, or more entries, than any file needs.
    #[error("a list block of level {level} with {count} entries is beyond the limits")]
    Limits {
        /// Level as stated.
        level: u8,
        /// Entries as stated.
        count: usize,
    },
    /// A child without bytes, or sizes that add up past 2^64.
    #[error("a list block states impossible sizes")]
    Sizes,
}

const LIST_VERSION: u8 = 1;
const LIST_HEAD: usize = 4;
const LIST_ENTRY: usize = Digest::LEN + 8;

impl BlockList {
    /// Bytes of the file that this list stands for.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(|e| e.size).sum()
    }

    /// The block's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LIST_HEAD + self.entries.len() * LIST_ENTRY);
        out.extend_from_slice(&[LIST_VERSION, self.level]);
        out.extend_from_slice(&(self.entries.len() as u16).to_le_bytes());
        for entry in &self.entries {
            out.extend_from_slice(&entry.digest.0);
            out.extend_from_slice(&entry.size.to_le_bytes());
        }
        out
    }

    /// Reads a block's bytes, from anyone.
    pub fn decode(bytes: &[u8]) -> Result<Self, ListError> {
        let Some((head, body)) = bytes.split_first_chunk::<LIST_HEAD>() else {
            return Err(ListError::Length(bytes.len()));
        };
        let [version, level, low, high] = *head;
        if version != LIST_VERSION {
            return Err(ListError::Version(version));
        }
        let count = usize::from(u16::from_le_bytes([low, high]));
        if level >= LIST_LEVELS_MAX || count > LIST_ENTRIES_MAX {
            return Err(ListError::Limits { level, count });
        }
        if count == 0 || body.len() != count * LIST_ENTRY {
            return Err(ListError::Length(bytes.len()));
        }
        let mut total = 0u64;
        let mut entries = Vec::with_capacity(count);
        for entry in body.chunks_exact(LIST_ENTRY) {
            let (digest, size) = entry.split_at(Digest::LEN);
            let digest = Digest::from_slice(digest).ok_or(ListError::Length(bytes.len()))?;
            let size = size.try_into().map(u64::from_le_bytes).map_err(|_| ListError::Sizes)?;
            total = total.checked_add(size).ok_or(ListError::Sizes)?;
            if size == 0 {
                return Err(ListError::Sizes);
            }
            entries.push(ListEntry { digest, size });
        }
        Ok(BlockList { level, entries })
    }
}

/// Collects the children of one level and says when a list block is complete.
///
/// A list ends after a child whose digest begins with a multiple of [`LIST_ENTRIES`]`.1`, but not before
/// [`LIST_ENTRIES`]`.0` children and at the latest after `.2`.
#[derive(Debug)]
pub struct ListBuilder {
    level: u8,
    entries: Vec<ListEntry>,
}

impl ListBuilder {
    /// An empty list of this level.
    pub fn new(level: u8) -> Self {
        ListBuilder { level, entries: Vec::new() }
    }

    /// Adds the next child; gives the finished list when this child ends it.
    pub fn push(&mut self, entry: ListEntry) -> Option<BlockList> {
        self.entries.push(entry);
        let (min, aim, max) = LIST_ENTRIES;
        let count = self.entries.len();
        let boundary = usize::from(entry.digest.0[0]) % aim == 0;
        if count >= max || (count >= min && boundary) { self.finish() } else { None }
    }

    /// Ends the level: gives what was collected since the last finished list, if anything.
    pub fn finish(&mut self) -> Option<BlockList> {
        if self.entries.is_empty() {
            return None;
        }
        Some(BlockList { level: self.level, entries: std::mem::take(&mut self.entries) })
    }

    /// Children collected since the last finished list.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no child is waiting.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> BlockList {
        let entries = (1..=3u8).map(|i| ListEntry { digest: Digest([i; 32]), size: u64::from(i) << 16 });
        BlockList { level: 2, entries: entries.collect() }
    }

    #[test]
    fn golden_bytes() {
        let bytes = list().encode();
        assert_eq!(bytes.len(), 4 + 3 * 40);
        assert_eq!(bytes[..4], [1, 2, 3, 0]);
        assert_eq!(bytes[4..36], [1; 32]);
        assert_eq!(bytes[36..44], [0, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!(BlockList::decode(&bytes), Ok(list()));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let bytes = list().encode();
        for cut in 0..bytes.len() {
            assert!(BlockList::decode(&bytes[..cut]).is_err());
        }
        for (at, value) in [(0, 9), (1, 200), (2, 0), (2, 4), (3, 255)] {
            let mut bad = bytes.clone();
            bad[at] = value;
            assert!(BlockList::decode(&bad).is_err(), "byte {at} = {value} was taken");
        }
        let mut huge = bytes.clone();
        huge[36..44].fill(0xff);
        assert_eq!(BlockList::decode(&huge), Err(ListError::Sizes));
        let mut zero = bytes;
        zero[36..44].fill(0);
        assert_eq!(BlockList::decode(&zero), Err(ListError::Sizes));
    }

    #[test]
    fn an_insertion_changes_few_lists() {
        let child = |i: u32| ListEntry { digest: Digest::of_data(&i.to_le_bytes()), size: 1 };
        let cut = |children: &[ListEntry]| {
            let mut builder = ListBuilder::new(0);
            let mut lists: Vec<_> = children.iter().filter_map(|c| builder.push(*c)).collect();
            lists.extend(builder.finish());
            lists.iter().map(|l| Digest::of_list(&l.encode())).collect::<Vec<_>>()
        };
        let before: Vec<_> = (0..20_000).map(child).collect();
        let mut after = before.clone();
        after.insert(3, child(999_999));
        let (old, new) = (cut(&before), cut(&after));
        assert!(old.len() > 100, "lists are cut at all: {}", old.len());
        let fresh = new.iter().filter(|d| !old.contains(d)).count();
        assert!(fresh <= 8, "{fresh} of {} lists changed", new.len());
    }
}
