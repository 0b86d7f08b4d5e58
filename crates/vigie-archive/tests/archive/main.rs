//! Streams against real disks and other programs. What needs root is named `root_…` and says when it is skipped.

// The lint knows tests by their attribute, not by their directory.
#![allow(clippy::unwrap_used)]

mod cut;
mod force;
mod hostile;
mod interop;
mod roundtrip;
mod support;
mod target;
mod unprivileged;
