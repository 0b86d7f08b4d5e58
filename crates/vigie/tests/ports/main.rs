//! `vigie ports` end to end: the real binary against real listeners, and beside it the real nmap, ndiff and xmllint.
//!
//! [`lab`] listeners and runs.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod ending;
mod formats;
mod lab;
mod names;
mod nmap;
mod scanning;
