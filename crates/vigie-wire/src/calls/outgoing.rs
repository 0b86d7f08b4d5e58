//! Our own requests.

use super::{Shared, cost, link_lost};
use crate::frame::{Failure, FailureCode, Frame, Notice, Reply, Request};
use crate::limits::{
    CALL_BODY_BYTES_MAX, CALL_DEADLINE_MAX, CALLS_MAX, NOTICES_WAITING_MAX, REPLY_WINDOW_BYTES,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A request that was sent, as the session's loop sees it.
#[derive(Debug)]
pub(super) struct Asked {
    parts: mpsc::UnboundedSender<Part>,
    /// What may still arrive before the reader takes something.
    window: u64,
}

#[derive(Debug)]
enum Part {
    More(Bytes),
    Last(Bytes),
    Failed(Failure),
}

impl Asked {
    /// Hands a part to its reader; `false` when it is more than was granted.
    pub(super) fn take_part(&mut self, reply: &Reply) -> bool {
        let part = match &reply.result {
            Err(failure) => Part::Failed(failure.clone()),
            Ok(body) => {
                let Some(rest) = self.window.checked_sub(cost(body)) else { return false };
                self.window = rest;
                if reply.more { Part::More(body.clone()) } else { Part::Last(body.clone()) }
            }
        };
        // A reader that is gone has removed this entry, or is about to.
        let _ = self.parts.send(part);
        true
    }

    pub(super) fn give_up(&mut self, failure: Failure) {
        let _ = self.parts.send(Part::Failed(failure));
    }
}

/// Asks the other side, from any task.
#[derive(Clone, Debug)]
pub struct Caller {
    shared: Arc<Shared>,
}

impl Caller {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Caller { shared }
    }

    /// Asks for `capability`. The answer's parts come from the stream; dropping it cancels the call.
    ///
    /// # Errors
    /// `Busy`: too many requests under way. `LinkLost`: the session is over. `Malformed`: the body is
    /// longer than [`CALL_BODY_BYTES_MAX`].
    pub fn request(&self, capability: &str, body: Bytes, deadline: Duration) -> Result<ReplyStream, Failure> {
        if body.len() > CALL_BODY_BYTES_MAX {
            let message = format!("a request of {} bytes is longer than {CALL_BODY_BYTES_MAX}", body.len());
            return Err(Failure::new(FailureCode::Malformed, message));
        }
        let deadline = deadline.clamp(Duration::from_millis(1), CALL_DEADLINE_MAX);
        let mut state = self.shared.lock();
        if state.ended {
            return Err(link_lost());
        }
        if state.asked.len() >= CALLS_MAX {
            let message = format!("{CALLS_MAX} requests to this machine are under way already");
            return Err(Failure::new(FailureCode::Busy, message));
        }
        let id = state.next_id;
        state.next_id += 1;
        let (sender, parts) = mpsc::unbounded_channel();
        state.asked.insert(id, Asked { parts: sender, window: REPLY_WINDOW_BYTES });
        let capability = capability.to_owned();
        let request = Request { id, capability, deadline, window: REPLY_WINDOW_BYTES, body };
        self.shared.push(&mut state, Frame::Request(request));
        drop(state);
        let until = Instant::now() + deadline;
        Ok(ReplyStream { id, parts, until, taken: 0, over: false, shared: Arc::clone(&self.shared) })
    }

    /// Tells the other side something that has no answer. It travels before blocks, in the order of telling.
    ///
    /// # Errors
    /// `Busy`: the session does not get to sending. `LinkLost`: it is over. `Malformed`: the body is longer than
    /// [`CALL_BODY_BYTES_MAX`].
    pub fn notify(&self, name: &str, body: Bytes) -> Result<(), Failure> {
        if body.len() > CALL_BODY_BYTES_MAX {
            let message = format!("a notice of {} bytes is longer than {CALL_BODY_BYTES_MAX}", body.len());
            return Err(Failure::new(FailureCode::Malformed, message));
        }
        let mut state = self.shared.lock();
        if state.ended {
            return Err(link_lost());
        }
        if state.queue.len() >= NOTICES_WAITING_MAX {
            return Err(Failure::new(FailureCode::Busy, "too much waits to be sent already"));
        }
        self.shared.push(&mut state, Frame::Notice(Notice { name: name.to_owned(), body }));
        Ok(())
    }

    /// Asks, and joins all parts of the answer, up to `max` bytes.
    ///
    /// # Errors
    /// As [`Self::request`], and whatever the other side or the deadline says.
    pub async fn call(
        &self,
        capability: &str,
        body: Bytes,
        deadline: Duration,
        max: usize,
    ) -> Result<Bytes, Failure> {
        let mut stream = self.request(capability, body, deadline)?;
        let mut all = Vec::new();
        while let Some(part) = stream.next().await {
            let part = part?;
            if all.len() + part.len() > max {
                let message = format!("the answer to `{capability}` is longer than {max} bytes");
                return Err(Failure::new(FailureCode::Failed, message));
            }
            all.extend_from_slice(&part);
        }
        Ok(all.into())
    }
}

/// The parts of one answer.
#[derive(Debug)]
pub struct ReplyStream {
    id: u64,
    parts: mpsc::UnboundedReceiver<Part>,
    until: Instant,
    /// Taken since the last grant.
    taken: u64,
    over: bool,
    shared: Arc<Shared>,
}

impl ReplyStream {
    /// The next part; `None` after the last. A failure is the last item. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        if self.over {
            return None;
        }
        let part = match tokio::time::timeout_at(self.until, self.parts.recv()).await {
            Ok(part) => part.unwrap_or_else(|| Part::Failed(link_lost())),
            Err(_) => {
                self.cancel();
                Part::Failed(Failure::new(FailureCode::Deadline, "there was no answer in time"))
            }
        };
        let last = !matches!(part, Part::More(_));
        self.over |= last;
        match part {
            Part::More(body) => {
                self.grant(cost(&body));
                Some(Ok(body))
            }
            // An answer may end without bytes of its own.
            Part::Last(body) if body.is_empty() => None,
            Part::Last(body) => Some(Ok(body)),
            Part::Failed(failure) => Some(Err(failure)),
        }
    }

    /// Lets the other side send more, once half of the window was taken.
    fn grant(&mut self, cost: u64) {
        self.taken += cost;
        if self.taken < REPLY_WINDOW_BYTES / 2 {
            return;
        }
        let bytes = std::mem::take(&mut self.taken);
        let mut state = self.shared.lock();
        if let Some(asked) = state.asked.get_mut(&self.id) {
            asked.window += bytes;
            self.shared.push(&mut state, Frame::Grant { id: self.id, bytes });
        }
    }

    fn cancel(&mut self) {
        self.over = true;
        let mut state = self.shared.lock();
        if state.asked.remove(&self.id).is_none() {
            return;
        }
        let unsent = state.queue.iter().position(|f| matches!(f, Frame::Request(r) if r.id == self.id));
        match unsent {
            // The other side never hears of it; and callers that come and go while the link stands still
            // do not make the queue grow.
            Some(at) => drop(state.queue.remove(at)),
            None => self.shared.push(&mut state, Frame::Cancel { id: self.id }),
        }
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        if !self.over {
            self.cancel();
        }
    }
}
