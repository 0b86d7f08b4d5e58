//! The way out: a tree as a PAX tar stream.

use crate::entry::{ContentState, Counts};
use std::io::{self, Write};
use vigie_model::{Metadata, PathError};

/// Why a stream could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The receiver takes no more.
    #[error("cannot write the tar stream")]
    Io(#[from] io::Error),
    /// A path that is not one below the root.
    #[error("a path in the tree cannot be written")]
    Path(#[from] PathError),
    /// More metadata than the format allows.
    #[error("an entry has {0} bytes of metadata, more than a stream can hold")]
    TooLarge(usize),
    /// The method does not fit the kind of object, or an earlier write failed.
    #[error("{0}")]
    Misuse(&'static str),
}

/// How the content of a file went into the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum FileEnd<E> {
    /// All of it.
    Whole,
    /// A piece could not be had: the rest is zeros, and the stream says that the file is damaged.
    Unreadable(E),
    /// The pieces do not make up the size that was announced; the stream says that the file is damaged.
    WrongSize {
        /// Bytes that the pieces held, or the first count past the announced size.
        came: u64,
    },
}

/// Writes a tree as a PAX tar stream.
///
/// Paths are relative to the root, without a leading `./`; the empty path is the root itself and comes first;
/// a directory comes before what it holds.
#[derive(Debug)]
pub struct TreeWriter<W: Write> {
    out: W,
    counts: Counts,
}

impl<W: Write> TreeWriter<W> {
    /// Begins a stream. `root_name` is the name a root that is not a directory gets in the stream, for the
    /// sake of other readers; a directory is `./`.
    pub fn new(out: W, root_name: &[u8]) -> Self {
        let _ = root_name;
        TreeWriter { out, counts: Counts::default() }
    }

    /// Adds a directory.
    pub fn directory(&mut self, path: &[u8], meta: &Metadata) -> Result<(), WriteError> {
        let _ = (path, meta);
        Ok(())
    }

    /// Adds a regular file. `size` is that of the content that follows, and is what the metadata's size would
    /// say if it belonged to this content. Pieces are asked for only when `state` says that content is there.
    pub fn file<P: AsRef<[u8]>, E>(
        &mut self,
        path: &[u8],
        meta: &Metadata,
        size: u64,
        state: ContentState,
        pieces: impl IntoIterator<Item = Result<P, E>>,
    ) -> Result<FileEnd<E>, WriteError> {
        let _ = (path, meta, size, state, pieces);
        Ok(FileEnd::Whole)
    }

    /// Adds one more name of an object that came before under `first_path`. `meta` is the object's own; other
    /// readers than this crate's apply it a second time.
    pub fn hard_link(&mut self, path: &[u8], first_path: &[u8], meta: &Metadata) -> Result<(), WriteError> {
        let _ = (path, first_path, meta);
        Ok(())
    }

    /// Adds a symbolic link, fifo, socket or device.
    pub fn other(&mut self, path: &[u8], meta: &Metadata) -> Result<(), WriteError> {
        let _ = (path, meta);
        Ok(())
    }

    /// What the stream holds so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Ends the stream with its closing header, and gives the receiver back.
    pub fn finish(self) -> Result<(W, Counts), WriteError> {
        Ok((self.out, self.counts))
    }
}
