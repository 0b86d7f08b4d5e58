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
//! [`backoff`] when to try again ·
//! [`authority`] who signs certificates ·
//! [`card`] the names in them ·
//! [`token`] and [`invites`] what lets a machine in, and the hub's list of it ·
//! [`identity`] a machine's key and certificate ·
//! [`enrol`](mod@enrol) how it gets them ·
//! [`tls`] links that prove who is there ·
//! [`private`] files that nobody else may read ·
//! [`socket`] the sockets below ·
//! [`fuzzing`] decoders that only a fuzzer calls from outside.
//!
//! ```
//! use vigie_wire::{Frame, Peer, memory_pair};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), vigie_wire::WireError> {
//! let hub = Peer::Hub { hub: vigie_model::MachineId([1; 16]) };
//! let (agent, hub, _cut) = memory_pair(hub, Peer::Unenrolled);
//! let (_reader, mut writer) = agent.split();
//! let (mut reader, _writer) = hub.split();
//! writer.send(&Frame::Ping { token: 1 }).await?;
//! writer.flush().await?;
//! assert_eq!(reader.next().await?, Some(Frame::Ping { token: 1 }));
//! # Ok(())
//! # }
//! ```

pub mod authority;
pub mod backoff;
pub mod blocks;
pub mod calls;
pub mod card;
pub mod enrol;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod identity;
pub mod invites;
pub mod keepalive;
pub mod limits;
pub mod link;
pub mod memory;
pub mod private;
pub mod socket;
pub mod tls;
pub mod token;

pub use authority::AuthorityError;
pub use backoff::Backoff;
pub use blocks::{BlockAssembler, WireBlock, block_frames};
pub use calls::{Caller, Calls, IncomingCall, ReplyStream};
pub use card::AuthorityPrint;
pub use enrol::{EnrolError, Enroller, NewMachine, StrangerError, enrol, serve_stranger};
pub use frame::{Decoded, Failure, FailureCode, Frame, FrameError, decode_frame};
pub use identity::{EnrolKey, Identity, IdentityError, Renewal};
pub use invites::{Invites, InvitesError};
pub use keepalive::{Keepalive, Pulse};
pub use link::{FrameReader, FrameWriter, Link, MachineCard, Peer, WireError, farewell};
pub use memory::{Cut, memory_pair};
pub use socket::listen;
pub use tls::{AcceptError, AgentTls, ConnectError, HubTls};
pub use token::{Token, TokenError};

/// The feature of blocks that come in bundles: [`vigie_model::StoredKind::Bundle`].
pub const BUNDLES: &str = "bundles";

/// The features of this version.
pub const FEATURES: [&str; 1] = [BUNDLES];

/// The capability under which a hub renews certificates.
pub const RENEW: &str = "renew";

/// The capability under which an agent answers once every change before the question is written to the
/// link: [`vigie_model::ask::Flushed`].
pub const FLUSH: &str = "flush";

/// The capability under which an agent tells its [`vigie_model::status::AgentStatus`], as JSON.
pub const STATUS: &str = "status";

/// The capability under which a hub tells an agent what is recorded of its machine: parts of whole
/// [`vigie_model::KnownEdge`]s in CBOR, one behind the other.
pub const TREE: &str = "tree";
