//! Reading one file whole. Done outside the engine, by as many threads as the caller likes: an engine hands
//! out a [`ReadJob`], a [`Reader`] reads it piece by piece, and the engine is told how it ended.

mod chunk;
mod reader;

pub use chunk::Chunker;
pub use reader::{LastRoot, Reader};

use vigie_model::{BytePath, Content, Digest, DigestKind, FileTime, NodeId};

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadJob {
    /// What to read. The reader makes sure that the path still leads to it.
    pub node: NodeId,
    /// The root it is below.
    pub root: BytePath,
    /// The path below the root, without a leading slash.
    pub below: Vec<u8>,
    /// Size when it was last looked at.
    pub size: u64,
    /// A change that is happening now, rather than one found by a scan.
    pub live: bool,
    /// It changed under its reader too often: take the bytes as they come.
    pub torn: bool,
}

impl ReadJob {
    /// The absolute path. May be longer than `PATH_MAX`.
    pub fn path(&self) -> Vec<u8> {
        let root = self.root.as_bytes();
        let slash: &[u8] = if root == b"/" { b"" } else { b"/" };
        [root, slash, &self.below].concat()
    }
}

/// A part of a file, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All of a file of at most [`vigie_model::limits::WHOLE_BLOCK_BYTES_MAX`]: the only piece of it.
    Whole(Vec<u8>),
    /// One content-defined chunk of a larger file.
    Chunk(Vec<u8>),
}

/// How the reading of a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// All pieces were given, and they belong together (or the job said that they need not).
    Read(AsRead),
    /// The file changed meanwhile: the pieces given mean nothing.
    Changed,
    /// The path does not lead to this file any more.
    Gone,
    /// The system refused; the number is that of `errno(3)`.
    Failed(i32),
    /// The caller did not want more pieces.
    Stopped,
}

/// The `fstat` that belongs to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsRead {
    /// Bytes given.
    pub size: u64,
    /// `st_mtime`.
    pub mtime: FileTime,
    /// `st_ctime`.
    pub ctime: FileTime,
    /// Permission bits.
    pub mode: u32,
    /// The bytes may mix several versions.
    pub torn: bool,
    /// The read came within a clock tick of the change, so an equal `ctime` later proves nothing.
    pub racy: bool,
}

impl AsRead {
    /// The content, once its digest is known. `pending` is for the engine to say.
    pub fn content(self, digest: Digest, digest_kind: DigestKind) -> Content {
        let AsRead { size, mtime, ctime, mode, torn, racy } = self;
        Content { digest, digest_kind, size, mtime, ctime, mode, torn, racy, pending: false }
    }
}

/// What became of a [`ReadJob`], as told to [`crate::Engine::read_done`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// Its bytes are where they belong; the fact that says so can be sent.
    Stored(Content),
    /// [`ReadEnd::Changed`].
    Changed,
    /// [`ReadEnd::Gone`].
    Gone,
    /// [`ReadEnd::Failed`].
    Failed(i32),
    /// Not done, for reasons that are not the file's: hand it out again.
    Abandoned,
}
