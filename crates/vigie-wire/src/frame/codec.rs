//! Bytes to frames and back. Nothing here waits or keeps state; [`crate::link`] adds the buffers.

use super::records::RECORDS_FIELD;
use super::{BlockStart, Body, Frame, Kind, MAY_SKIP_FROM, proto};
use crate::limits::{FRAME_BYTES_MAX, RECORDS_PER_FRAME_MAX};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use vigie_model::RecordNo;

/// Length and kind.
const HEADER: usize = 5;

/// Why bytes are not a frame, or a frame cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length of 0: there is not even a kind.
    #[error("a frame without a kind")]
    Empty,
    /// A length beyond the limit of its kind, of its sender, or of all frames. Nothing was allocated.
    #[error("a frame of kind {kind} with {len} bytes, where {max} are allowed")]
    TooLong {
        /// Its kind's number.
        kind: u8,
        /// Stated length of kind and body.
        len: usize,
        /// Longest length allowed here.
        max: usize,
    },
    /// A kind that this version does not know and may not skip.
    #[error("a frame of the unknown kind {0}: the other side is newer, or this is not Vigie")]
    UnknownKind(u8),
    /// A body that is not what its kind says.
    #[error("a damaged {} frame: {why}", kind.name())]
    Body {
        /// Its kind.
        kind: Kind,
        /// What the decoder met.
        why: String,
    },
}

impl FrameError {
    fn body(kind: Kind, why: impl ToString) -> Self {
        FrameError::Body { kind, why: why.to_string() }
    }
}

/// What the first bytes of a stream are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A frame, and how many bytes it took.
    Frame(Frame, usize),
    /// A frame of a newer version that may be skipped: its kind, and how many bytes to skip.
    Skip(u8, usize),
    /// Not a whole frame yet: this many bytes are needed in all.
    Needs(usize),
}

/// Reads the first frame of a stream of bytes, from anyone. This is the whole decoder, as a plain
/// function, for tests and for fuzzing.
pub fn decode_frame(bytes: &[u8]) -> Result<Decoded, FrameError> {
    let decoder = Decoder { frame_max: FRAME_BYTES_MAX };
    let Some(head) = decoder.head(bytes)? else { return Ok(Decoded::Needs(HEADER)) };
    let Some(body) = bytes.get(HEADER..head.total) else { return Ok(Decoded::Needs(head.total)) };
    match head.kind {
        Ok(kind) => Ok(Decoded::Frame(decode_body(kind, Bytes::copy_from_slice(body))?, head.total)),
        Err(number) => Ok(Decoded::Skip(number, head.total)),
    }
}

/// The decoder with the limit of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder {
    /// Longest frame of any kind, kind byte included.
    pub(crate) frame_max: usize,
}

/// What a frame says before its body.
struct Head {
    /// A known kind, or the number of one that may be skipped.
    kind: Result<Kind, u8>,
    /// Length of the frame with its header.
    total: usize,
}

impl Decoder {
    /// Takes the first frame out of the buffer, skipping those that may be skipped. `Err(n)` inside `Ok`: at
    /// least `n` more bytes are needed.
    pub(crate) fn take(&self, buffer: &mut BytesMut) -> Result<Result<Frame, usize>, FrameError> {
        loop {
            let Some(head) = self.head(buffer)? else { return Ok(Err(HEADER - buffer.len())) };
            if buffer.len() < head.total {
                return Ok(Err(head.total - buffer.len()));
            }
            let mut body = buffer.split_to(head.total);
            body.advance(HEADER);
            match head.kind {
                Ok(kind) => return decode_body(kind, body.freeze()).map(Ok),
                Err(kind) => tracing::debug!(kind, "skipped a frame of a newer version"),
            }
        }
    }

    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, FrameError> {
        let Some(&[a, b, c, d, number]) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len == 0 {
            return Err(FrameError::Empty);
        }
        let kind = match Kind::from_number(number) {
            Some(kind) => Ok(kind),
            None if number >= MAY_SKIP_FROM => Err(number),
            None => return Err(FrameError::UnknownKind(number)),
        };
        let max = kind.map_or(self.frame_max, |k| self.frame_max.min(1 + k.body_max()));
        if len > max {
            return Err(FrameError::TooLong { kind: number, len, max });
        }
        Ok(Some(Head { kind, total: HEADER - 1 + len }))
    }
}

/// Appends a frame to `out`. On an error, `out` is as before.
pub(crate) fn encode(frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
    match frame {
        Frame::Hello(body) => put_message(Kind::Hello, &body.to_proto(), out),
        Frame::Welcome(body) => put_message(Kind::Welcome, &body.to_proto(), out),
        Frame::Refuse(body) => put_message(Kind::Refuse, &body.to_proto(), out),
        Frame::Close(body) => put_message(Kind::Close, &body.to_proto(), out),
        Frame::Ping { token } => put_message(Kind::Ping, &proto::Ping { token: *token }, out),
        Frame::Pong { token } => put_message(Kind::Pong, &proto::Pong { token: *token }, out),
        Frame::Enroll(body) => put_message(Kind::Enroll, &body.to_proto(), out),
        Frame::Enrolled(body) => put_message(Kind::Enrolled, &body.to_proto(), out),
        Frame::Records(body) => put_message(Kind::Records, &body.to_proto(), out),
        Frame::Ack { n } => put_message(Kind::Ack, &proto::Ack { n: n.0 }, out),
        Frame::Credit { blocks, records } => {
            put_message(Kind::Credit, &proto::Credit { blocks: *blocks, records: *records }, out)
        }
        Frame::Offer(body) => put_message(Kind::Offer, &body.to_proto(), out),
        Frame::Need(body) => put_message(Kind::Need, &body.to_proto(), out),
        Frame::BlockStart(start) => {
            put(Kind::BlockStart, super::BlockHead::LEN + start.piece.len(), out, |out| {
                BlockStart::put(&start.head, &start.piece, out);
            })
        }
        Frame::BlockMore(piece) => put(Kind::BlockMore, piece.len(), out, |out| out.put_slice(piece)),
        Frame::Request(body) => put_message(Kind::Request, &body.to_proto(), out),
        Frame::Reply(body) => put_message(Kind::Reply, &body.to_proto(), out),
        Frame::Cancel { id } => put_message(Kind::Cancel, &proto::Cancel { id: *id }, out),
        Frame::Grant { id, bytes } => put_message(Kind::Grant, &proto::Grant { id: *id, bytes: *bytes }, out),
        Frame::Notice(body) => put_message(Kind::Notice, &body.to_proto(), out),
    }
}

fn put_message(kind: Kind, message: &impl Message, out: &mut BytesMut) -> Result<(), FrameError> {
    put(kind, message.encoded_len(), out, |out| {
        message.encode(out).expect("a BytesMut grows as needed");
    })
}

fn put(
    kind: Kind,
    len: usize,
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut),
) -> Result<(), FrameError> {
    if len > kind.body_max() {
        return Err(FrameError::TooLong { kind: kind as u8, len: 1 + len, max: 1 + kind.body_max() });
    }
    out.reserve(HEADER + len);
    out.put_u32_le(1 + len as u32);
    out.put_u8(kind as u8);
    let before = out.len();
    body(out);
    debug_assert_eq!(out.len(), before + len, "a {} frame of another length than stated", kind.name());
    Ok(())
}

fn decode_body(kind: Kind, body: Bytes) -> Result<Frame, FrameError> {
    Ok(match kind {
        Kind::Hello => Frame::Hello(message(kind, body)?),
        Kind::Welcome => Frame::Welcome(message(kind, body)?),
        Kind::Refuse => Frame::Refuse(message(kind, body)?),
        Kind::Close => Frame::Close(message(kind, body)?),
        Kind::Ping => Frame::Ping { token: plain::<proto::Ping>(kind, body)?.token },
        Kind::Pong => Frame::Pong { token: plain::<proto::Pong>(kind, body)?.token },
        Kind::Enroll => Frame::Enroll(message(kind, body)?),
        Kind::Enrolled => Frame::Enrolled(message(kind, body)?),
        Kind::Records => {
            count_records(&body).map_err(|why| FrameError::body(kind, why))?;
            Frame::Records(message(kind, body)?)
        }
        Kind::Ack => Frame::Ack { n: RecordNo(plain::<proto::Ack>(kind, body)?.n) },
        Kind::Credit => {
            let credit = plain::<proto::Credit>(kind, body)?;
            Frame::Credit { blocks: credit.blocks, records: credit.records }
        }
        Kind::Offer => Frame::Offer(message(kind, body)?),
        Kind::Need => Frame::Need(message(kind, body)?),
        Kind::BlockStart => {
            Frame::BlockStart(BlockStart::read(body).map_err(|why| FrameError::body(kind, why))?)
        }
        Kind::BlockMore if body.is_empty() => return Err(FrameError::body(kind, "it has no bytes")),
        Kind::BlockMore => Frame::BlockMore(body),
        Kind::Request => Frame::Request(message(kind, body)?),
        Kind::Reply => Frame::Reply(message(kind, body)?),
        Kind::Cancel => Frame::Cancel { id: plain::<proto::Cancel>(kind, body)?.id },
        Kind::Grant => {
            let grant = plain::<proto::Grant>(kind, body)?;
            Frame::Grant { id: grant.id, bytes: grant.bytes }
        }
        Kind::Notice => Frame::Notice(message(kind, body)?),
    })
}

/// Reads a body that is not in a frame of its own but in a call.
pub(super) fn read_body<B: Body>(bytes: &[u8]) -> Result<B, String> {
    let proto = B::Proto::decode(bytes).map_err(|e| e.to_string())?;
    B::from_proto(proto).map_err(str::to_owned)
}

/// Writes such a body.
pub(super) fn write_body(body: &impl Body) -> Bytes {
    body.to_proto().encode_to_vec().into()
}

fn plain<P: Message + Default>(kind: Kind, body: Bytes) -> Result<P, FrameError> {
    P::decode(body).map_err(|e| FrameError::body(kind, e))
}

fn message<B: Body>(kind: Kind, body: Bytes) -> Result<B, FrameError> {
    B::from_proto(plain(kind, body)?).map_err(|why| FrameError::body(kind, why))
}

/// Counts the records of a frame before memory is taken for them: an empty one has two bytes on the wire
/// and forty times as many behind it.
fn count_records(body: &[u8]) -> Result<(), String> {
    let mut rest = body;
    let mut count = 0;
    while rest.has_remaining() {
        let (tag, wire_type) = decode_key(&mut rest).map_err(|e| e.to_string())?;
        skip_field(wire_type, tag, &mut rest, DecodeContext::default()).map_err(|e| e.to_string())?;
        count += usize::from(tag == RECORDS_FIELD);
        if count > RECORDS_PER_FRAME_MAX {
            return Err(format!("it has more than {RECORDS_PER_FRAME_MAX} records"));
        }
    }
    Ok(())
}
