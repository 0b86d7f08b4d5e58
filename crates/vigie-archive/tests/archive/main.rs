//! Streams against real disks and other programs. What needs root is named `root_…` and says when it is skipped.

mod cut;
mod force;
mod hostile;
mod interop;
mod roundtrip;
mod support;
mod target;
mod unprivileged;
