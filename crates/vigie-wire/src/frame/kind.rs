//! The one place where frames get their numbers.

use crate::limits::*;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, max $max:expr;)*) => {
        /// Kind of a frame: the byte behind its length. A retired number keeps its line here and in
        /// `docs/protocol.md`, with its story; none is retired yet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// Every kind, in the order of the numbers.
            pub const ALL: &[Kind] = &[$(Kind::$name),*];

            /// The kind with this number, if this version knows one.
            pub fn from_number(number: u8) -> Option<Kind> {
                match number {
                    $($number => Some(Kind::$name),)*
                    _ => None,
                }
            }

            /// Longest body in bytes.
            pub fn body_max(self) -> usize {
                match self {
                    $(Kind::$name => $max,)*
                }
            }

            /// The name, as in `docs/protocol.md`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$name => stringify!($name),)*
                }
            }
        }
    };
}

/// A body of a few numbers.
const NUMBERS: usize = 64;
/// A code and a text.
const REASON: usize = TEXT_BYTES_MAX + NUMBERS;

kinds! {
    /// The agent's first frame.
    Hello = 1, max GREETING_BYTES_MAX;
    /// The hub's answer: the session begins.
    Welcome = 2, max GREETING_BYTES_MAX;
    /// The hub's other answer: there will be no session, or no certificate.
    Refuse = 3, max REASON;
    /// The last frame of either side.
    Close = 4, max REASON;
    /// Are you there?
    Ping = 5, max NUMBERS;
    /// I am.
    Pong = 6, max NUMBERS;
    /// An unenrolled machine's first and only frame.
    Enroll = 8, max 2 * CERTIFICATE_BYTES_MAX;
    /// The hub's answer: a certificate.
    Enrolled = 9, max CHAIN_MAX * CERTIFICATE_BYTES_MAX + FIELDS_BYTES;
    /// Facts, numbered without holes.
    Records = 16, max FRAME_BYTES_MAX - 1;
    /// All records up to this number are durable.
    Ack = 17, max NUMBERS;
    /// More may be sent.
    Credit = 18, max NUMBERS;
    /// Blocks that the agent could send.
    Offer = 19, max OFFER_BLOCKS_MAX * 33 + NUMBERS;
    /// Which of them the hub lacks.
    Need = 20, max OFFER_BLOCKS_MAX / 8 + NUMBERS;
    /// A block's head and its first piece.
    BlockStart = 21, max super::BlockHead::LEN + PIECE_BYTES_MAX;
    /// The next piece of the block begun last.
    BlockMore = 22, max PIECE_BYTES_MAX;
    /// Do something for me.
    Request = 32, max CALL_BODY_BYTES_MAX + FIELDS_BYTES;
    /// One part of the answer.
    Reply = 33, max CALL_BODY_BYTES_MAX + FIELDS_BYTES + REASON;
    /// I no longer want the answer.
    Cancel = 34, max NUMBERS;
    /// More of the answer may be sent.
    Grant = 35, max NUMBERS;
    /// Something worth knowing, without an answer.
    Notice = 36, max CALL_BODY_BYTES_MAX + FIELDS_BYTES;
}

/// First number of the kinds that a receiver may skip when it does not know them; an unknown kind below
/// ends the connection, because to skip it would change the meaning of what follows.
pub const MAY_SKIP_FROM: u8 = 128;
