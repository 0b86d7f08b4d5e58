//! The frames of requests, replies and notices. They go both ways.

use super::{Body, open_code, peer_text, peer_word, proto, shortened};
use crate::limits::{CALL_BODY_BYTES_MAX, CALL_DEADLINE_MAX, REPLY_PART_COST_BYTES};
use bytes::Bytes;
use std::time::Duration;

/// Asks the other side to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the side that asks; unique among its own on this connection.
    pub id: u64,
    /// Name of what is asked for.
    pub capability: String,
    /// From now, how long an answer is of use. Whole milliseconds, at least one.
    pub deadline: Duration,
    /// Bytes of the answer that may be sent before the first [`super::Frame::Grant`]; at least what one part
    /// counts for at the most.
    pub window: u64,
    /// What the capability needs to know; its format is the capability's.
    pub body: Bytes,
}

/// One part of the answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request's number.
    pub id: u64,
    /// Further parts follow. Never with a failure.
    pub more: bool,
    /// A part of the answer, or why there is none (nor any more).
    pub result: Result<Bytes, Failure>,
}

open_code! {
    /// What kind of failure ended a call.
    FailureCode {
        /// The other side has no such capability: it is older, or set up without it.
        UnknownCapability = 1,
        /// There was no answer in time.
        Deadline = 2,
        /// Too many requests are under way.
        Busy = 3,
        /// The side that asked gave up.
        Cancelled = 4,
        /// The other side does not allow it.
        Refused = 5,
        /// It was tried and failed.
        Failed = 6,
        /// The request's body is not what the capability expects.
        Malformed = 7,
        /// The connection ended first. Never sent: a side tells itself.
        LinkLost = 8,
    }
}

/// Why a call ended without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// For people.
    pub message: String,
}

impl Failure {
    /// A failure with its message.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }
}

/// Something worth knowing, without an answer. A name that is not known is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub name: String,
    /// Its format belongs to the name.
    pub body: Bytes,
}

fn call_body(body: Vec<u8>) -> Result<Bytes, &'static str> {
    if body.len() > CALL_BODY_BYTES_MAX {
        return Err("its body is too long");
    }
    Ok(body.into())
}

impl Body for Request {
    type Proto = proto::Request;

    fn to_proto(&self) -> proto::Request {
        let deadline = self.deadline.clamp(Duration::from_millis(1), CALL_DEADLINE_MAX);
        proto::Request {
            id: self.id,
            capability: self.capability.clone(),
            deadline_ms: deadline.as_millis() as u32,
            window: self.window,
            body: self.body.to_vec(),
        }
    }

    fn from_proto(p: proto::Request) -> Result<Self, &'static str> {
        let deadline = Duration::from_millis(p.deadline_ms.into());
        if deadline.is_zero() || deadline > CALL_DEADLINE_MAX {
            return Err("its deadline is none or too far");
        }
        if p.window < CALL_BODY_BYTES_MAX as u64 + REPLY_PART_COST_BYTES {
            return Err("its window is too small for a part of an answer");
        }
        let capability = peer_word(p.capability)?;
        Ok(Request { id: p.id, capability, deadline, window: p.window, body: call_body(p.body)? })
    }
}

impl Body for Reply {
    type Proto = proto::Reply;

    fn to_proto(&self) -> proto::Reply {
        let (body, failure) = match &self.result {
            Ok(body) => (body.to_vec(), None),
            Err(failure) => {
                let message = shortened(&failure.message);
                (Vec::new(), Some(proto::Failure { code: failure.code.number(), message }))
            }
        };
        proto::Reply { id: self.id, more: self.more, body, failure }
    }

    fn from_proto(p: proto::Reply) -> Result<Self, &'static str> {
        let result = match p.failure {
            None => Ok(call_body(p.body)?),
            Some(_) if p.more => return Err("more is to follow a failure"),
            Some(f) => Err(Failure::new(FailureCode::from_number(f.code), peer_text(f.message)?)),
        };
        Ok(Reply { id: p.id, more: p.more, result })
    }
}

impl Body for Notice {
    type Proto = proto::Notice;

    fn to_proto(&self) -> proto::Notice {
        proto::Notice { name: self.name.clone(), body: self.body.to_vec() }
    }

    fn from_proto(p: proto::Notice) -> Result<Self, &'static str> {
        Ok(Notice { name: peer_word(p.name)?, body: call_body(p.body)? })
    }
}
