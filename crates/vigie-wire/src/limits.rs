//! Every bound of the wire, each with its reason. What arrives beyond a length is refused before memory
//! is taken for it; what is about to be sent beyond it is refused by the writer.

use std::time::Duration;
use vigie_model::limits::{BLOCK_BYTES_MAX, PAYLOAD_BYTES_MAX};

// === lengths ===

/// Largest frame of any kind, kind byte and body together: a few of the largest records there can be.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest frame from a peer that has shown no certificate: an enrolment, and nothing else, fits.
pub const STRANGER_FRAME_BYTES_MAX: usize = 16 * 1024;

/// Data of a block in one frame.
pub const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Data of a block that a sender puts into one frame: as much as one record of TLS holds. An urgent frame waits
/// behind one of these, an eighth of a second at 1 Mbit/s.
pub const PIECE_BYTES_AIM: usize = 16 * 1024;

/// Largest stored (perhaps compressed) form of a block: what the store takes. A codec that makes a block larger than it
/// was is not worth its name: send it raw.
pub const STORED_BYTES_MAX: usize = BLOCK_BYTES_MAX;

/// Bodies of `Hello` and `Welcome`: numbers and [`FEATURES_MAX`] short names.
pub const GREETING_BYTES_MAX: usize = 8 * 1024;

/// Features that one side may name.
pub const FEATURES_MAX: usize = 64;

/// Length of a feature's, capability's or notice's name: they are words of this program's own.
pub const WORD_BYTES_MAX: usize = 64;

/// Length of a reason, a failure's message or a software's name: a few lines for a log.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Records in one frame; with empty payloads they would otherwise cost the receiver forty times the
/// memory of the frame.
pub const RECORDS_PER_FRAME_MAX: usize = 4096;

/// At what weight ([`crate::frame::Records::weight`]) a sender should end a frame of records: large enough
/// to be cheap, small enough that an urgent one behind it waits a quarter of a second at 1 Mbit/s.
pub const RECORDS_FRAME_BYTES_AIM: usize = 32 * 1024;

/// Blocks in one offer: the answer should not wait for the look-up of more.
pub const OFFER_BLOCKS_MAX: usize = 4096;

/// Body of a request, one part of a reply, or a notice. Longer replies come in several parts.
pub const CALL_BODY_BYTES_MAX: usize = 1024 * 1024;

/// A certificate or a request for one, in DER. Ours have about 500 bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 4096;

/// Certificates of one chain: the machine's and the authority's, and room for one between them.
pub const CHAIN_MAX: usize = 3;

/// What the fields of protobuf around a frame's variable parts may add.
pub(crate) const FIELDS_BYTES: usize = 256;

// === buffers ===

/// What the reader asks of the transport at once, and keeps for the next frame: a frame of a block and
/// the start of the next.
pub const READ_BUFFER_BYTES: usize = 128 * 1024;

/// At what length the writer's buffer is written out by itself. What is in it can no longer be overtaken.
pub const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// What a sender that knows its link to be fast may gather there. Of an empty buffer, room for twice as much is kept.
pub const WRITE_BUFFER_BYTES_MAX: usize = 128 * 1024;

/// Bytes that TLS holds while the socket is full; they can't be overtaken either.
pub const TLS_BUFFER_BYTES: usize = 16 * 1024;

/// Capacity of a link in memory, each way: as a socket's buffer.
pub const MEMORY_LINK_BYTES: usize = 256 * 1024;

/// Unsent bytes the kernel may hold (`TCP_NOTSENT_LOWAT`) before a socket counts as full. What is in the
/// kernel can no longer be overtaken by a control frame: this is an eighth of a second of 1 Mbit/s, and the renewals
/// of leases pass there. Fast links lose nothing by it.
pub const NOTSENT_LOWAT_BYTES: u32 = 16 * 1024;

// === calls ===

/// Requests that may be under way at once, each way, on one connection.
pub const CALLS_MAX: usize = 64;

/// Bytes of the bodies of requests that may be under way at once, each way, on one connection: honest ones have a few
/// hundred.
pub const REQUESTS_BYTES_MAX: usize = 4 * CALL_BODY_BYTES_MAX;

/// Short frames that may wait to be written before a notice is refused: calls of both sides at their most, and some.
pub const NOTICES_WAITING_MAX: usize = 4 * CALLS_MAX;

/// Bytes of one reply that may be under way before its reader takes some: a few of the largest parts, so
/// that some are read while others travel.
pub const REPLY_WINDOW_BYTES: u64 = 4 * 1024 * 1024;

/// What a part of a reply counts for beside its bytes: empty parts must not be free.
pub const REPLY_PART_COST_BYTES: u64 = 256;

/// Longest deadline a request may state.
pub const CALL_DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);

// === connections and enrolment ===

/// Connections that may at once be in their TLS handshake or have shown no certificate. An honest one
/// takes milliseconds.
pub const STRANGERS_MAX: usize = 256;

/// The same for one IPv4 address or one IPv6 /64: many machines may come back at once from behind one
/// router, and try again soon.
pub const STRANGERS_EACH_MAX: usize = 64;

/// Invites that are remembered.
pub const INVITES_MAX: usize = 10_000;

/// What is read and thrown away from a peer that was refused.
pub const LINGER_BYTES_MAX: usize = 256 * 1024;

// === waits ===

/// From the accepted connection to the end of the TLS handshake, and again to the first frame. A peer
/// slower than this has no use for the link, or means harm.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// From the question of an unenrolled machine to the hub's answer: two durable writes, on a busy disk.
pub const ENROL_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a side that refused its peer waits for the peer to hang up first, so that the refusal is
/// read before a reset can overtake it.
pub const LINGER_TIME_MAX: Duration = Duration::from_secs(1);

/// From the start of a connection to one address until it stands.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// Silence after which a `Ping` is sent.
pub const PING_AFTER: Duration = Duration::from_secs(15);

/// Silence after which the peer counts as gone: three unanswered pings.
pub const DEAD_AFTER: Duration = Duration::from_secs(45);

/// How long a closing side waits for its last frame to leave.
pub const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

/// First, quick try after a connection broke: most breaks are a hub's restart or a blip.
pub const RETRY_QUICK: Duration = Duration::from_millis(100);

/// First wait of the growing kind.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);

/// Longest wait: someone who mends a hub expects its machines back within a minute.
pub const RETRY_MAX: Duration = Duration::from_secs(60);

const _: () = assert!(PAYLOAD_BYTES_MAX + FIELDS_BYTES < FRAME_BYTES_MAX);
const _: () = assert!(2 * CERTIFICATE_BYTES_MAX < STRANGER_FRAME_BYTES_MAX);
const _: () = assert!(CALL_BODY_BYTES_MAX as u64 + REPLY_PART_COST_BYTES <= REPLY_WINDOW_BYTES / 2);
