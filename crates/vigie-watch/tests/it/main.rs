//! The engine as its users see it: on a file system in memory, driven at random, and on the real kernel.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of the test functions")]

mod comparing;
mod driver;
mod fake;
mod mounts;
mod moving;
mod random;
mod real;
mod replica;
mod snapshot;
mod unseen;
