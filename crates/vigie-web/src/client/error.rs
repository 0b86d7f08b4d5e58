//! Why a question got no answer.

use super::place::Place;
use crate::messages::{ApiError, ErrorBody, ErrorKind};
use std::io;

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error("cannot reach {place}")]
    Unreachable {
        /// Where it was tried.
        place: Place,
        /// What the kernel said.
        source: io::Error,
    },
    /// The question could not be put as a request.
    #[error("cannot ask for {act}")]
    Request {
        /// Last part of the address.
        act: &'static str,
        /// What is wrong with it.
        source: hyper::http::Error,
    },
    /// The question could not be written as JSON.
    #[error("cannot write the question for {act}")]
    Write {
        /// Last part of the address.
        act: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It said no.
    #[error("{0}")]
    Refused(ApiError),
    /// The connection broke, or what came was not HTTP.
    #[error("the answer of {place} was cut off")]
    CutOff {
        /// Who answered.
        place: Place,
        /// How it broke.
        source: hyper::Error,
    },
    /// The answer, or one line of it, is longer than any honest one.
    #[error("{place} answered with more than {max} bytes where less was expected")]
    TooLong {
        /// Who answered.
        place: Place,
        /// The limit.
        max: usize,
    },
    /// The answer is not what `docs/api.md` promises.
    #[error("{place}: {what} is not what this version understands")]
    Decode {
        /// Who answered.
        place: Place,
        /// What could not be read.
        what: &'static str,
        /// Where the decoder stopped.
        source: serde_json::Error,
    },
}

impl ClientError {
    /// The refusal in a body that came with an HTTP status other than 200.
    pub(super) fn from_refusal(place: &Place, status: u16, body: &[u8]) -> Self {
        let said = serde_json::from_slice::<ErrorBody>(body).map(|b| b.error);
        ClientError::Refused(said.unwrap_or_else(|_| {
            ApiError::new(ErrorKind::Unknown, format!("{place} answered with HTTP status {status}"))
                .hint("is this the API of a Vigie hub?")
        }))
    }

    /// Whether there was nobody to ask, so that another place may be tried.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, ClientError::Unreachable { .. })
    }
}
