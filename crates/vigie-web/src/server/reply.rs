//! Answers: refusals, and streams that hold only a few pieces at a time.

use crate::limits::{PIECE_BYTES, PIECES_WAITING_MAX};
use crate::messages::{ApiError, ErrorBody, ErrorKind};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use std::io;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// A refusal as a handler returns it.
#[derive(Debug)]
pub(super) struct Refused(pub(super) ApiError);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Refused(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refusal(&self.0)
    }
}

/// A refusal as an answer of its own.
pub(super) fn refusal(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if error.kind == ErrorKind::Internal {
        tracing::error!(error = %error.message, "the API could not answer");
    }
    let body = ErrorBody { error: error.clone() };
    (status, axum::Json(body)).into_response()
}

/// The client has gone: stop working for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has gone")]
pub(super) struct Gone;

/// The writing end of a streamed body, for blocking threads and tasks alike.
///
/// At most [`PIECES_WAITING_MAX`] pieces wait for the client: then the writer waits, and when the client
/// goes, writing fails.
#[derive(Debug)]
pub(super) struct BodyWriter {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

/// A body and its writing end.
pub(super) fn streamed(content_type: &'static str) -> (BodyWriter, Response) {
    let (pieces, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    // An error closes the connection with all that is not written yet: what came before it gets its turn.
    let stream = ReceiverStream::new(receiver).then(|piece: io::Result<Bytes>| async {
        if piece.is_err() {
            tokio::task::yield_now().await;
        }
        piece
    });
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    (BodyWriter { pieces, buffer: Vec::new() }, response)
}

/// Content type of streams of JSON lines.
pub(super) const NDJSON: &str = "application/x-ndjson";

impl BodyWriter {
    /// Puts one JSON line into the buffer.
    pub(super) fn line<T: Serialize>(&mut self, line: &T) -> Result<(), Gone> {
        // Only a map with keys that are not text could fail, and no answer has one.
        serde_json::to_writer(&mut self.buffer, line).map_err(|_| Gone)?;
        self.buffer.push(b'\n');
        Ok(())
    }

    /// Whether enough is buffered to be sent.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= PIECE_BYTES
    }

    /// Sends what is buffered.
    pub(super) async fn push(&mut self) -> Result<(), Gone> {
        match self.take() {
            Some(piece) => self.pieces.send(Ok(piece)).await.map_err(|_| Gone),
            None => self.alive(),
        }
    }

    /// Sends what is buffered, from a blocking thread.
    pub(super) fn push_blocking(&mut self) -> Result<(), Gone> {
        match self.take() {
            Some(piece) => self.pieces.blocking_send(Ok(piece)).map_err(|_| Gone),
            None => self.alive(),
        }
    }

    /// Sends a piece as it is, from a blocking thread.
    pub(super) fn piece_blocking(&mut self, piece: Bytes) -> Result<(), Gone> {
        self.push_blocking()?;
        self.pieces.blocking_send(Ok(piece)).map_err(|_| Gone)
    }

    /// Puts the reason why a stream of lines had to stop into the buffer, as its last line.
    pub(super) fn last_words(&mut self, error: ApiError) -> Result<(), Gone> {
        tracing::warn!(error = %error.message, "an answer of the API had to stop");
        self.line(&ErrorBody { error })
    }

    /// Breaks a stream of bytes off, so that the client cannot take it for whole; from a blocking thread.
    pub(super) fn break_off(mut self, why: io::Error) {
        tracing::warn!(error = %why, "an answer of the API was broken off");
        if self.push_blocking().is_ok() && self.pieces.blocking_send(Err(why)).is_err() {
            tracing::debug!("nobody was left to be told");
        }
    }

    /// Ends when the client has gone.
    pub(super) async fn closed(&self) {
        self.pieces.closed().await;
    }

    fn take(&mut self) -> Option<Bytes> {
        (!self.buffer.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.buffer)))
    }

    fn alive(&self) -> Result<(), Gone> {
        if self.pieces.is_closed() { Err(Gone) } else { Ok(()) }
    }
}

/// Bytes written here travel to the client in pieces of [`PIECE_BYTES`]; for blocking threads.
impl io::Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(2 * PIECE_BYTES);
        }
        self.buffer.extend_from_slice(bytes);
        if self.is_full() {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push_blocking().map_err(|gone| io::Error::new(io::ErrorKind::BrokenPipe, gone))
    }
}
