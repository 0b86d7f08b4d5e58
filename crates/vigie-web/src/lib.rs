//! The HTTP API: what a hub and an agent answer, and the client that every command is built on. Whatever
//! the command line can do, a script can do with curl; `docs/api.md` is the contract.
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`text`] bytes, times and instants as text ·
//! [`messages`] the questions and answers as types, shared by both ends ·
//! [`journal`] records as lines of the log ·
//! [`server`] the answering end, on a Unix socket and on loopback ·
//! [`client`] the asking end.

pub mod client;
pub mod journal;
pub mod limits;
pub mod messages;
pub mod server;
pub mod text;
