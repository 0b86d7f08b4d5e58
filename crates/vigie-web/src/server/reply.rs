//! Answers: refusals, and streams that hold only a few pieces at a time.

use crate::limits::{PIECE_BYTES, PIECES_WAITING_MAX, RETRY_AFTER};
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
    let mut response = (status, axum::Json(body)).into_response();
    if error.kind == ErrorKind::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
    }
    response
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

/// A body and its writing end. The body keeps `slot` for as long as the client has not taken all of it.
pub(super) fn streamed(content_type: &'static str, slot: impl Send + 'static) -> (BodyWriter, Response) {
    let (pieces, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    // An error closes the connection with all that is not written yet: what came before it gets its turn.
    let stream = ReceiverStream::new(receiver).then(move |piece: io::Result<Bytes>| {
        let _held = &slot;
        async {
            if piece.is_err() {
                tokio::task::yield_now().await;
            }
            piece
        }
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
        for piece in self.take() {
            self.pieces.send(Ok(piece)).await.map_err(|_| Gone)?;
        }
        self.alive()
    }

    /// Sends what is buffered, from a blocking thread.
    pub(super) fn push_blocking(&mut self) -> Result<(), Gone> {
        for piece in self.take() {
            self.pieces.blocking_send(Ok(piece)).map_err(|_| Gone)?;
        }
        self.alive()
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

    /// What is buffered, in pieces: a line may be longer than one, and only so many pieces wait.
    fn take(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        let mut rest = Bytes::from(std::mem::take(&mut self.buffer));
        std::iter::from_fn(move || (!rest.is_empty()).then(|| rest.split_to(rest.len().min(PIECE_BYTES))))
    }

    fn alive(&self) -> Result<(), Gone> {
        if self.pieces.is_closed() { Err(Gone) } else { Ok(()) }
    }
}

/// Bytes written here travel to the client in pieces of [`PIECE_BYTES`]; for blocking threads.
impl io::Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(PIECE_BYTES);
        }
        let taken = bytes.len().min(PIECE_BYTES.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.is_full() {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push_blocking().map_err(|gone| io::Error::new(io::ErrorKind::BrokenPipe, gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    #[tokio::test]
    async fn a_reader_that_takes_nothing_costs_a_bounded_number_of_bounded_pieces() {
        let (mut writer, response) = streamed(NDJSON, ());
        let bytes = vec![7; 100 * PIECE_BYTES];
        let (sent, mut came) = (bytes.clone(), Vec::new());
        let writing = tokio::task::spawn_blocking(move || writer.write_all(&sent));
        let mut pieces = response.into_body().into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE_BYTES, "a piece of {} bytes", piece.len());
            came.extend_from_slice(&piece);
        }
        writing.await.unwrap().unwrap();
        assert!(came == bytes);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_line_is_cut_into_pieces() {
        let (mut writer, response) = streamed(NDJSON, ());
        writer.line(&"x".repeat(2 * PIECES_WAITING_MAX * PIECE_BYTES)).unwrap();
        let waits = tokio::time::timeout(Duration::from_secs(1), writer.push()).await;
        assert!(waits.is_err(), "all of it was taken though nobody reads");
        drop(response);
        assert_eq!(writer.push().await, Err(Gone));
    }

    #[tokio::test]
    async fn a_slot_is_free_when_the_client_has_gone() {
        let slot = std::sync::Arc::new(());
        let (writer, response) = streamed(NDJSON, slot.clone());
        drop(writer);
        assert_eq!(std::sync::Arc::strong_count(&slot), 2, "the client has not taken the end");
        drop(response);
        assert_eq!(std::sync::Arc::strong_count(&slot), 1);
    }
}
