//! Bodies of answers, as they come.

use super::error::ClientError;
use super::place::Place;
use crate::limits::LINE_BYTES_MAX;
use crate::messages::ErrorBody;
use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

pub use bytes::Bytes;

/// How a line begins that says why a stream had to stop.
const ERROR_LINE: &[u8] = b"{\"error\":";

/// A body in pieces of any size. Dropping it closes the connection.
#[derive(Debug)]
pub struct Pieces {
    body: Incoming,
    place: Place,
}

impl Pieces {
    pub(super) fn new(body: Incoming, place: Place) -> Self {
        Pieces { body, place }
    }

    /// Length of what is to come, when the answer told it.
    pub fn len_hint(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece; none at the proper end. A stream that breaks is [`ClientError::CutOff`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|source| ClientError::CutOff { place: self.place.clone(), source })?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// All of it, up to `max` bytes.
    pub async fn whole(mut self, max: usize) -> Result<Bytes, ClientError> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if all.len() + piece.len() > max {
                return Err(ClientError::TooLong { place: self.place, max });
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

/// A stream of JSON lines, each of them a `T`.
#[derive(Debug)]
pub struct Lines<T> {
    pieces: Pieces,
    buffer: BytesMut,
    /// Bytes at the front of the buffer that are known to hold no line end.
    searched: usize,
    item: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    pub(super) fn new(pieces: Pieces) -> Self {
        Lines { pieces, buffer: BytesMut::new(), searched: 0, item: PhantomData }
    }

    /// The next line as it came, without its end: what `--json` prints, fields of newer hubs included.
    ///
    /// A line in which the hub says why it had to stop is [`ClientError::Refused`].
    pub async fn next_raw(&mut self) -> Result<Option<Bytes>, ClientError> {
        let Some(line) = self.line().await? else { return Ok(None) };
        if line.starts_with(ERROR_LINE)
            && let Ok(body) = serde_json::from_slice::<ErrorBody>(&line)
        {
            return Err(ClientError::Refused(body.error));
        }
        Ok(Some(line))
    }

    /// The next line, read.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        match self.next_raw().await? {
            Some(line) => self.read(&line).map(Some),
            None => Ok(None),
        }
    }

    /// Reads a line that [`Lines::next_raw`] gave.
    pub fn read(&self, line: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(line).map_err(|source| ClientError::Decode {
            place: self.pieces.place.clone(),
            what: "a line of the answer",
            source,
        })
    }

    /// Whether another line has come already, so that [`Lines::next_raw`] would not wait.
    pub fn has_next_line(&self) -> bool {
        self.buffer.contains(&b'\n')
    }

    async fn line(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let end = self.buffer[self.searched..].iter().position(|b| *b == b'\n');
            if let Some(end) = end {
                let mut line = self.buffer.split_to(self.searched + end + 1);
                line.truncate(line.len() - 1);
                self.searched = 0;
                return Ok(Some(line.freeze()));
            }
            self.searched = self.buffer.len();
            if self.searched > LINE_BYTES_MAX {
                return Err(ClientError::TooLong { place: self.pieces.place.clone(), max: LINE_BYTES_MAX });
            }
            match self.pieces.next().await? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    // The proper end of a body always follows the end of a line; an unfinished one is
                    // handed on, and fails to be read.
                    self.searched = 0;
                    return Ok(Some(self.buffer.split().freeze()));
                }
            }
        }
    }
}
