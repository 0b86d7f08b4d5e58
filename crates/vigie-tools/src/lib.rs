//! The small tools of a network: an echo, over TCP and UDP, that many clients may use at once.
//!
//! What it is not: a part of hub or agent. Nothing here knows of either, and each tool works with the ordinary
//! programs of its kind on the other side.
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`echo`] a server that answers with the time and what it was told, and its client ·
//! [`cast`] datagrams to one machine or to a group, numbered and counted ·
//! [`http`] a request, bounded in time and size, with failures that say what is wrong ·
//! [`ip`] the public address, as several operators see it.

pub mod cast;
pub mod echo;
pub mod http;
pub mod ip;
pub mod limits;
