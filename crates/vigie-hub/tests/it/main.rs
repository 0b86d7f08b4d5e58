//! A hub on a real store, and peers made by hand at the other end of links in memory.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod away;
mod backlog;
mod damaged;
mod flush;
mod held;
mod hostile;
mod leases;
mod peer;
mod room;
mod stopping;
mod tree;
mod unread;
