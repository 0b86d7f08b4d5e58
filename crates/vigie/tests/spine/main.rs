//! The spine, end to end: real binaries, real directories, real tools that edit them, and `rsync` as the
//! judge of what comes back.
//!
//! [`process`] a child that is never left behind · [`world`] a hub and its agents · [`tree`] directories to
//! edit and to compare · [`roles`] members of a group, with a judge · [`log`] the lines of `vigie log --json`.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod away;
mod crashes;
mod damage;
mod edits;
mod enrolling;
mod follow;
mod log;
mod process;
mod refusals;
mod roles;
mod single;
mod tree;
mod unseen;
mod world;
