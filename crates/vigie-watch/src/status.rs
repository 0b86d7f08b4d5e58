//! What an engine says of itself.

use crate::files::Tier;
use vigie_model::{BytePath, GapCause, UnixNanos};

/// How an engine does.
#[derive(Clone, Debug)]
pub struct Status {
    /// How the kernel tells of changes.
    pub backend: &'static str,
    /// One for each configured root, in that order.
    pub roots: Vec<RootStatus>,
    /// Nodes known, over all roots.
    pub nodes: u64,
    /// Directories that the kernel watches.
    pub watches: u64,
    /// Names that wait to be looked at.
    pub dirty: u64,
    /// Files that wait to be read or are being read.
    pub reads: u64,
    /// Facts that wait to be taken.
    pub outbox: u64,
    /// What was left out or is not seen, and why: pruned file systems, directories mounted twice or that cannot be
    /// listed.
    pub notices: Vec<String>,
}

/// State of one root.
#[derive(Clone, Debug)]
pub struct RootStatus {
    /// Its path.
    pub path: BytePath,
    /// What is going on.
    pub state: RootState,
    /// What its node ids rest on: the worst of the file systems below it.
    pub tier: Tier,
    /// Name of the file system of the root itself.
    pub file_system: String,
    /// Nodes known below it, itself included.
    pub nodes: u64,
    /// Directories watched below it, itself included.
    pub watches: u64,
    /// Files below it whose content could not be read when they were looked at last.
    pub unreadable: u64,
    /// Directories below it that are not seen whole.
    pub unseen: u64,
    /// Gaps that are open, with the time since when changes may be missing.
    pub gaps: Vec<(GapCause, Option<UnixNanos>)>,
    /// What the person in charge should know.
    pub warning: Option<String>,
}

/// What is going on with a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootState {
    /// All is watched.
    Watching,
    /// It is being compared with what is recorded.
    Scanning,
    /// It is not there.
    Lost,
}

impl RootState {
    /// The word for `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            RootState::Watching => "watching",
            RootState::Scanning => "scanning",
            RootState::Lost => "lost",
        }
    }
}
