//! The meter's reader against damage, and against real peers.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod damage;
mod golden;
mod influx;
mod line;
mod metrics;
mod mqtt;
mod world;
