//! Probing with `connect(2)`: needs no privilege, and the kernel does the handshake.
//!
//! Two threads, each with its own epoll instance and its own sockets; they only take and hand in probes. In reading
//! order: `worker` a thread · `socket` one attempt · `budget` how many at once · `sys` system calls without a wrapper.

pub(crate) mod budget;
mod socket;
pub(crate) mod sys;
pub(crate) mod worker;
