//! Output read as data, beside `jc` and beside the truth: from `/proc`, `/sys`, `/etc`, system calls, or written by hand for
//! recorded outputs. In a French locale, as of a user whose scripts must not care.
//!
//! [`score`] what is right, wrong or withheld · [`live`] commands of this machine · [`recorded`] outputs that need a
//! booted machine · [`others`] outputs that no reader was made for ·
//! [`spacing`] made-up tables · [`table`] the comparison.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod live;
mod others;
mod recorded;
mod score;
mod spacing;
mod table;
