//! The API as its clients see it: a real store with records made by hand, served on a real socket.
//!
//! [`world`] the store and its server · then one file for each address.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod control;
mod crowd;
mod guard;
mod health;
mod log;
mod tree;
mod world;
