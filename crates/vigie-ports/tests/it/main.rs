//! Scans through a real kernel. Most need network namespaces, and so root; elsewhere they say so and pass.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod forger;
mod hostile;
mod lab;
mod matrix;
mod rough;
mod there;
