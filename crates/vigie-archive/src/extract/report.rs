//! What an extraction tells: while it runs, and at its end.

use crate::entry::{Counts, LeftOut};
use crate::limits::LISTED_MAX;
use std::fmt;
use vigie_model::path::fmt_bytes;

/// Something an extraction tells while it runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// How far it is; comes after every entry, and now and then within a large file.
    Progress {
        /// Entries taken from the stream.
        entries: u64,
        /// Bytes of contents taken from the stream.
        bytes: u64,
    },
    /// What a run without `dry_run` would do. Comes only with `dry_run`, once for each entry.
    Planned {
        /// Path below the target; empty for the target itself.
        path: &'a [u8],
        /// The word for the kind of object, such as `file`, or `link` for a second name.
        kind: &'static str,
        /// What would be done.
        action: Action,
    },
}

/// What would be done about one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing has that name yet.
    Create,
    /// Something has that name and would be replaced.
    Replace,
    /// A directory is there and stays; it gets the recorded metadata.
    Keep,
    /// The entry cannot be written; the summary's problems or lists say why.
    Leave,
}

/// An act that failed for one path while the rest went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// The name itself was refused: it leads out of the tree, came twice, or is no name.
    Name,
    /// Opening the directory that holds it.
    Parent,
    /// Making the object.
    Create,
    /// Putting it in place of what had that name.
    Replace,
    /// Writing its bytes.
    Write,
    /// Giving it its owner and group.
    Owner,
    /// Giving it its permission bits.
    Mode,
    /// Giving it its times.
    Times,
    /// Giving it an extended attribute.
    Xattr,
    /// Giving a file its second name.
    Link,
    /// Understanding what the stream says about it.
    Understand,
}

impl Act {
    /// The word used in JSON and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Act::Name => "name",
            Act::Parent => "parent",
            Act::Create => "create",
            Act::Replace => "replace",
            Act::Write => "write",
            Act::Owner => "owner",
            Act::Mode => "mode",
            Act::Times => "times",
            Act::Xattr => "xattr",
            Act::Link => "link",
            Act::Understand => "understand",
        }
    }
}

/// What could not be done for one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path below the target; empty for the target itself.
    pub path: Vec<u8>,
    /// What failed.
    pub act: Act,
    /// Why, in words.
    pub why: String,
}

impl Problem {
    /// The path as text on one line; `.` for the target itself.
    pub fn shown_path(&self) -> String {
        struct Shown<'a>(&'a [u8]);
        impl fmt::Display for Shown<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_bytes(self.0, f)
            }
        }
        if self.path.is_empty() { ".".to_owned() } else { Shown(&self.path).to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.shown_path(), self.act.as_str(), self.why)
    }
}

/// A list that is counted in full and kept up to a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// How many there were.
    pub count: u64,
    /// The first of them, at most [`LISTED_MAX`].
    pub first: Vec<T>,
}

/// Paths below the target.
pub type PathList = Listed<Vec<u8>>;

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Listed { count: 0, first: Vec::new() }
    }
}

impl<T> Listed<T> {
    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn push(&mut self, make: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < LISTED_MAX {
            self.first.push(make());
        }
    }
}

/// What an extraction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries taken from the stream.
    pub entries: u64,
    /// Bytes of contents taken from the stream.
    pub bytes: u64,
    /// Of the entries, those that are at the target now: made, put in place of something else, or directories that
    /// were there. In a dry run, those that would be.
    pub written: u64,
    /// Bytes of their contents.
    pub written_bytes: u64,
    /// Files written with their last whole content; a newer one was not stored.
    pub pending: PathList,
    /// Files written with content that may mix several versions.
    pub torn: PathList,
    /// Files not written because their stored content could not be read.
    pub damaged: PathList,
    /// Files not written because no content was ever stored.
    pub missing: PathList,
    /// Directories that were not seen whole: they hold what was known last.
    pub unseen: PathList,
    /// What the stream says that it lacks.
    pub left_out: Listed<LeftOut>,
    /// What could not be done, path by path.
    pub problems: Listed<Problem>,
    /// What the stream's end says it holds; `None` until it was read.
    pub end: Option<Counts>,
}

impl Summary {
    /// Whether the target is exactly what was recorded, with nothing to remark.
    pub fn is_exact(&self) -> bool {
        self.pending.is_empty()
            && self.torn.is_empty()
            && self.damaged.is_empty()
            && self.missing.is_empty()
            && self.unseen.is_empty()
            && self.left_out.is_empty()
            && self.problems.is_empty()
    }
}
