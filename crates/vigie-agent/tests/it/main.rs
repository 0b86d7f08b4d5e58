//! An agent on a file system in memory, with a hub that only keeps the protocol.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of the test functions")]

mod bundles;
mod hub;
mod restart;
