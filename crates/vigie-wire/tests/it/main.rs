//! The wire over real sockets: one hub, its machines, and those who are neither.

#![allow(clippy::unwrap_used)]

mod bulk;
mod calls;
mod enrolment;
mod harness;
mod hostile;
mod sessions;
