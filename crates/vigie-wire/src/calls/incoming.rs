//! The other side's requests.

use super::{Shared, cost, failed};
use crate::frame::{Failure, FailureCode, Frame, Reply, Request};
use crate::limits::{CALL_BODY_BYTES_MAX, REPLY_WINDOW_BYTES};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A request that is being answered, as the session's loop sees it.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) cancelled: CancellationToken,
    /// Bytes of the reply that may be sent.
    credit: Arc<Semaphore>,
    /// Bytes of the request.
    pub(super) bytes: usize,
}

impl Answering {
    pub(super) fn new(request: &Request) -> Self {
        let window = request.window.min(CREDIT_MAX) as usize;
        Answering {
            cancelled: CancellationToken::new(),
            credit: Arc::new(Semaphore::new(window)),
            bytes: request.body.len(),
        }
    }

    pub(super) fn grant(&mut self, bytes: u64) {
        let room = CREDIT_MAX.saturating_sub(self.credit.available_permits() as u64);
        self.credit.add_permits(bytes.min(room) as usize);
    }
}

/// More credit than this is not counted: it is far beyond what an honest reader grants.
const CREDIT_MAX: u64 = 16 * REPLY_WINDOW_BYTES;

/// The one who asked has cancelled, is gone, or its deadline has passed: stop working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call was given up by the side that asked")]
pub struct Gone;

/// A request to be answered. Dropping it unanswered answers with a failure.
#[derive(Debug)]
pub struct IncomingCall {
    request: Request,
    until: Instant,
    cancelled: CancellationToken,
    credit: Arc<Semaphore>,
    parts: mpsc::Sender<Frame>,
    shared: Arc<Shared>,
    answered: bool,
}

impl IncomingCall {
    pub(super) fn new(
        request: Request,
        answering: &Answering,
        shared: Arc<Shared>,
        parts: mpsc::Sender<Frame>,
    ) -> Self {
        let until = Instant::now() + request.deadline;
        let cancelled = answering.cancelled.clone();
        let credit = Arc::clone(&answering.credit);
        IncomingCall { request, until, cancelled, credit, parts, shared, answered: false }
    }

    /// What is asked for.
    pub fn capability(&self) -> &str {
        &self.request.capability
    }

    /// What the capability needs to know.
    pub fn body(&self) -> &Bytes {
        &self.request.body
    }

    /// How long an answer is still of use.
    pub fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Returns when the side that asked gave up, its deadline passed, or the session ended. Cancel-safe.
    pub async fn gone(&self) -> Gone {
        tokio::select! {
            () = self.cancelled.cancelled() => Gone,
            () = tokio::time::sleep_until(self.until) => Gone,
        }
    }

    /// Sends a part of the answer, more to follow. Waits while the reader is behind.
    ///
    /// # Errors
    /// [`Gone`]: nobody waits for it any more.
    pub async fn part(&mut self, body: Bytes) -> Result<(), Gone> {
        self.send(body, true).await
    }

    /// Sends the last part, which may be empty. Longer ones are cut into parts.
    ///
    /// # Errors
    /// [`Gone`]: nobody waits for it any more.
    pub async fn finish(mut self, body: Bytes) -> Result<(), Gone> {
        self.send(body, false).await
    }

    /// Answers with a failure, behind the parts that were sent.
    pub async fn fail(mut self, failure: Failure) {
        let reply = failed(self.request.id, failure);
        // Whoever gave up needs no failure any more.
        let _ = self.hand_over(reply, true).await;
    }

    /// Answers that there is no such capability.
    pub async fn unknown(self) {
        let message = format!("there is no capability `{}` here", self.request.capability);
        self.fail(Failure::new(FailureCode::UnknownCapability, message)).await;
    }

    async fn send(&mut self, mut body: Bytes, more: bool) -> Result<(), Gone> {
        let id = self.request.id;
        while body.len() > CALL_BODY_BYTES_MAX {
            let piece = body.split_to(CALL_BODY_BYTES_MAX);
            self.pay(&piece).await?;
            self.hand_over(Frame::Reply(Reply { id, more: true, result: Ok(piece) }), false).await?;
        }
        self.pay(&body).await?;
        self.hand_over(Frame::Reply(Reply { id, more, result: Ok(body) }), !more).await
    }

    /// Waits until the reader has granted what this part counts for.
    async fn pay(&self, part: &[u8]) -> Result<(), Gone> {
        let price = u32::try_from(cost(part)).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            gone = self.gone() => Err(gone),
            permits = self.credit.acquire_many(price) => permits.map(|p| p.forget()).map_err(|_| Gone),
        }
    }

    async fn hand_over(&mut self, frame: Frame, last: bool) -> Result<(), Gone> {
        let handed = tokio::select! {
            biased;
            gone = self.gone() => Err(gone),
            sent = self.parts.send(frame) => sent.map_err(|_| Gone),
        };
        if last && handed.is_ok() {
            self.answered = true;
        }
        handed
    }
}

impl Drop for IncomingCall {
    fn drop(&mut self) {
        let id = self.request.id;
        let mut state = self.shared.lock();
        let known = state.answering.remove(&id).is_some();
        if known && !self.answered && !self.cancelled.is_cancelled() {
            // Whoever stops because the time is over has not failed, and may say so before the asker's clock does.
            let failure = if self.time_left().is_zero() {
                Failure::new(FailureCode::Deadline, "there was no answer in time")
            } else {
                Failure::new(FailureCode::Failed, "the call was dropped without an answer")
            };
            self.shared.push(&mut state, failed(id, failure));
        }
    }
}
