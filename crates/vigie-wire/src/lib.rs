//! How agents and hub talk: one connection, mutually authenticated, carrying frames both ways. What a
//! session says and when is in `docs/protocol.md`; this crate knows the words, not the conversation.
//!
//! In reading order:
//! [`limits`] every bound, with its reason ·
//! [`frame`] what is said, as bytes and as types ·
//! [`link`] a stream of frames to a known peer ·
//! [`memory`] such a stream within one process ·
//! [`blocks`] whole blocks from frames ·
//! [`calls`] requests and replies, both ways ·
//! [`keepalive`] when silence means death ·
//! [`backoff`] when to try again.

pub mod backoff;
pub mod blocks;
pub mod calls;
pub mod frame;
pub mod keepalive;
pub mod limits;
pub mod link;
pub mod memory;
mod tls;

pub use backoff::Backoff;
pub use blocks::{BlockAssembler, WireBlock, block_frames};
pub use calls::{Caller, Calls, IncomingCall, ReplyStream};
pub use frame::{Decoded, Failure, FailureCode, Frame, FrameError, decode_frame};
pub use keepalive::{Keepalive, Pulse};
pub use link::{FrameReader, FrameWriter, Link, MachineCard, Peer, WireError};
pub use memory::{Cut, memory_pair};

/// The capability under which a hub renews certificates.
pub const RENEW: &str = "renew";
