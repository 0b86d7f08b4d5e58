//! Datagrams, to one machine or to a group: sent with numbers and times, received and counted.
//!
//! In reading order: [`datagram`] what is sent · [`counter`] what was lost, duplicated, reordered, late, and the jitter ·
//! [`endpoint`] groups, interfaces and sockets · [`send`] and [`listen`] the two sides. Within: `batch` many datagrams
//! with one system call.

mod batch;
pub mod counter;
pub mod datagram;
pub mod endpoint;
pub mod listen;
pub mod send;
