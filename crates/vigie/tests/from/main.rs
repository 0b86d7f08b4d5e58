//! The same ports from several places: network namespaces with real SSH servers in them, a target behind a router, and
//! differences that the router's rules plant. Needs root, `ip`, `nft` and `sshd`; elsewhere the tests say so and skip.
//!
//! [`lab`] the namespaces · [`replies`] what servers reply to a wish to forward, all rows of the table · [`planted`]
//! exactly the planted differences are found · [`programs`] other ways to look · [`drift`] baselines.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod drift;
mod lab;
mod planted;
mod programs;
mod replies;
