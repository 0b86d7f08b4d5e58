//! The wire over real sockets: one hub, its machines, and those who are neither.

mod bulk;
mod calls;
mod enrolment;
mod harness;
mod hostile;
mod sessions;
