//! The engines of both sides in a small world: members, an authority with a disk, messages that are late, lost or
//! reordered, connections that break, processes that freeze, clocks of different rates, restarts. `explore` tries
//! everything that can happen within a budget of mishaps; `walk` goes far, at random, with more members.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod explore;
mod walk;
mod world;
