//! Frames: what two sides say to each other.
//!
//! ```text
//! frame = length u32 · kind u8 · body          numbers are little-endian
//!         └ of kind and body together: 1 ..= FRAME_BYTES_MAX, and at most what the kind allows
//! body  = protobuf (proto/vigie.proto)         all kinds but these two:
//!         BlockStart: block head · piece       piece: 0 ..= PIECE_BYTES_MAX bytes, to the frame's end
//!         BlockMore:  piece
//! ```
//! Each kind lives in the file of its subject, with its reading and writing side by side.

mod blocks;
mod calls;
mod codec;
mod enrol;
mod kind;
mod records;
mod session;
#[cfg(test)]
mod tests;

pub use blocks::{BlockHead, BlockStart, Need, Offer};
pub use calls::{Failure, FailureCode, Notice, Reply, Request};
pub use codec::{Decoded, FrameError, decode_frame};
pub(crate) use codec::{Decoder, encode};
pub use enrol::{Enroll, Enrolled};
pub(crate) use enrol::{Renew, Renewed};
pub use kind::{Kind, MAY_SKIP_FROM};
pub use records::Records;
pub use session::{Close, CloseCode, Hello, InstanceId, LastRecord, Refuse, RefuseCode, Versions, Welcome};

use bytes::Bytes;
use vigie_model::RecordNo;

/// The bodies of frames as protobuf has them; nothing outside of this module sees them.
mod proto {
    #![allow(missing_docs, unreachable_pub)]
    include!(concat!(env!("OUT_DIR"), "/vigie.wire.rs"));
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The agent's first frame.
    Hello(Hello),
    /// The hub's answer: the session begins.
    Welcome(Welcome),
    /// The hub's other answer.
    Refuse(Refuse),
    /// The last frame of either side.
    Close(Close),
    /// Are you there? Answered by a [`Frame::Pong`] with the same token.
    Ping {
        /// Any number.
        token: u64,
    },
    /// I am.
    Pong {
        /// The ping's number.
        token: u64,
    },
    /// An unenrolled machine asks for a certificate.
    Enroll(Enroll),
    /// The certificate.
    Enrolled(Enrolled),
    /// Facts, numbered without holes.
    Records(Records),
    /// All records of this session's incarnation up to this number are durable.
    Ack {
        /// The last durable number.
        n: RecordNo,
    },
    /// More may be sent: these are added to what was granted before.
    Credit {
        /// Bytes of blocks, in stored form.
        blocks: u64,
        /// Records.
        records: u64,
    },
    /// Blocks that the agent could send.
    Offer(Offer),
    /// Which of them the hub lacks.
    Need(Need),
    /// A block's head and first piece.
    BlockStart(BlockStart),
    /// The next piece of the block begun last.
    BlockMore(Bytes),
    /// Do something for me.
    Request(Request),
    /// One part of the answer.
    Reply(Reply),
    /// I no longer want the answer.
    Cancel {
        /// The request's number.
        id: u64,
    },
    /// More of the answer may be sent: these bytes are added to the request's window.
    Grant {
        /// The request's number.
        id: u64,
        /// Bytes, counted as `limits::REPLY_PART_COST_BYTES` says.
        bytes: u64,
    },
    /// Something worth knowing, without an answer.
    Notice(Notice),
}

impl Frame {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Frame::Hello(_) => Kind::Hello,
            Frame::Welcome(_) => Kind::Welcome,
            Frame::Refuse(_) => Kind::Refuse,
            Frame::Close(_) => Kind::Close,
            Frame::Ping { .. } => Kind::Ping,
            Frame::Pong { .. } => Kind::Pong,
            Frame::Enroll(_) => Kind::Enroll,
            Frame::Enrolled(_) => Kind::Enrolled,
            Frame::Records(_) => Kind::Records,
            Frame::Ack { .. } => Kind::Ack,
            Frame::Credit { .. } => Kind::Credit,
            Frame::Offer(_) => Kind::Offer,
            Frame::Need(_) => Kind::Need,
            Frame::BlockStart(_) => Kind::BlockStart,
            Frame::BlockMore(_) => Kind::BlockMore,
            Frame::Request(_) => Kind::Request,
            Frame::Reply(_) => Kind::Reply,
            Frame::Cancel { .. } => Kind::Cancel,
            Frame::Grant { .. } => Kind::Grant,
            Frame::Notice(_) => Kind::Notice,
        }
    }
}

/// The protobuf side of one kind of frame. An error is the end of the sentence "the frame is damaged: …".
trait Body: Sized {
    /// The generated message.
    type Proto: prost::Message + Default;
    /// What to write.
    fn to_proto(&self) -> Self::Proto;
    /// Checks what was read.
    fn from_proto(proto: Self::Proto) -> Result<Self, &'static str>;
}

/// A number that newer programs may give new values: those are kept as `Other`.
macro_rules! open_code {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A number of a newer program.
            Other(u32),
        }

        impl $name {
            pub(crate) fn number(self) -> u32 {
                match self {
                    $($name::$variant => $number,)*
                    $name::Other(number) => number,
                }
            }

            pub(crate) fn from_number(number: u32) -> Self {
                match number {
                    $($number => $name::$variant,)*
                    other => $name::Other(other),
                }
            }
        }
    };
}
use open_code;

/// Cuts a text of our own to what a frame takes, at a character's end.
fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(crate::limits::TEXT_BYTES_MAX)].to_owned()
}

/// Takes a text of the peer's for logs and messages: bounded, and without control characters, which could
/// rewrite a terminal.
fn peer_text(text: String) -> Result<String, &'static str> {
    if text.len() > crate::limits::TEXT_BYTES_MAX {
        return Err("a text is too long");
    }
    if text.chars().any(char::is_control) {
        return Ok(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
    }
    Ok(text)
}

/// Takes a name of a feature, a capability or a notice.
fn peer_word(word: String) -> Result<String, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'/');
    if word.is_empty() || word.len() > crate::limits::WORD_BYTES_MAX || !word.bytes().all(plain) {
        return Err("a name of a feature, a capability or a notice is not a plain word");
    }
    Ok(word)
}
