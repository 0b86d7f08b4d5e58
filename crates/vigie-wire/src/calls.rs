//! Requests, replies and notices over one connection, both ways. The session's loop owns [`Calls`] and
//! drives it: it feeds in what arrives ([`Calls::take`]) and sends what [`Calls::next_frame`] gives. Tasks beside the loop
//! ask through a [`Caller`] and answer through an [`IncomingCall`].
//!
//! Bounds: [`CALLS_MAX`] requests each way, and [`REQUESTS_BYTES_MAX`] of their bodies; a reply has at most [`REPLY_WINDOW_BYTES`] under way that
//! its reader has not taken, so a slow reader stops its writer and nobody else.

mod incoming;
mod outgoing;

pub use incoming::{Gone, IncomingCall};
pub use outgoing::{Caller, ReplyStream};

use crate::frame::{Failure, FailureCode, Frame, Reply, Request};
use crate::limits::{CALLS_MAX, REPLY_PART_COST_BYTES, REPLY_WINDOW_BYTES, REQUESTS_BYTES_MAX};
use incoming::Answering;
use outgoing::Asked;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc};

/// Parts of replies that wait for the session's loop.
const PARTS_WAITING: usize = 4;

/// The calls of one session.
#[derive(Debug)]
pub struct Calls {
    shared: Arc<Shared>,
    /// Kept to be handed to every incoming call.
    parts_in: mpsc::Sender<Frame>,
    parts_out: mpsc::Receiver<Frame>,
}

/// What the loop and the tasks beside it share. The lock is never held across a wait.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    queued: Notify,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    next_id: u64,
    asked: HashMap<u64, Asked>,
    answering: HashMap<u64, Answering>,
    /// Requests, cancellations, grants and failures: short frames, at most a few for each call.
    queue: VecDeque<Frame>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left whole values behind: every change is one assignment.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn push(&self, state: &mut State, frame: Frame) {
        state.queue.push_back(frame);
        self.queued.notify_one();
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

impl Calls {
    /// For a session that begins.
    pub fn new() -> Self {
        let (parts_in, parts_out) = mpsc::channel(PARTS_WAITING);
        Calls { shared: Arc::default(), parts_in, parts_out }
    }

    /// A handle to ask with, for any task.
    pub fn caller(&self) -> Caller {
        Caller::new(Arc::clone(&self.shared))
    }

    /// Takes a frame that arrived, if it is of a call, and gives the request that is to be answered, if it is one.
    ///
    /// # Errors
    /// The frame itself, when it is of no call.
    pub fn take(&mut self, frame: Frame) -> Result<Option<IncomingCall>, Frame> {
        match frame {
            Frame::Request(request) => return Ok(self.on_request(request)),
            Frame::Reply(reply) => self.on_reply(reply),
            Frame::Cancel { id } => self.on_cancel(id),
            Frame::Grant { id, bytes } => self.on_grant(id, bytes),
            other => return Err(other),
        }
        Ok(None)
    }

    /// Takes a request that arrived. `None`: it was refused, and the refusal is queued.
    fn on_request(&mut self, request: Request) -> Option<IncomingCall> {
        let mut state = self.shared.lock();
        let id = request.id;
        let failure = if state.answering.contains_key(&id) {
            Failure::new(FailureCode::Malformed, format!("request {id} is under way already"))
        } else if state.answering.len() >= CALLS_MAX {
            Failure::new(FailureCode::Busy, format!("{CALLS_MAX} requests are under way already"))
        } else if state.answering.values().map(|a| a.bytes).sum::<usize>() + request.body.len()
            > REQUESTS_BYTES_MAX
        {
            let message = format!("requests of {REQUESTS_BYTES_MAX} bytes are under way already");
            Failure::new(FailureCode::Busy, message)
        } else {
            let answering = Answering::new(&request);
            let call =
                IncomingCall::new(request, &answering, Arc::clone(&self.shared), self.parts_in.clone());
            state.answering.insert(id, answering);
            return Some(call);
        };
        if state.queue.len() < QUEUE_MAX {
            self.shared.push(&mut state, failed(id, failure));
        }
        None
    }

    /// Takes a part of a reply that arrived. Parts of calls that are over are dropped.
    fn on_reply(&mut self, reply: Reply) {
        let mut state = self.shared.lock();
        let Some(asked) = state.asked.get_mut(&reply.id) else { return };
        let fits = asked.take_part(&reply);
        if !fits {
            asked.give_up(Failure::new(
                FailureCode::Malformed,
                format!("the reply exceeds the {REPLY_WINDOW_BYTES} bytes that may be under way"),
            ));
            let id = reply.id;
            self.shared.push(&mut state, Frame::Cancel { id });
        }
        if !fits || !reply.more {
            state.asked.remove(&reply.id);
        }
    }

    /// Takes a cancellation that arrived.
    fn on_cancel(&mut self, id: u64) {
        if let Some(answering) = self.shared.lock().answering.get(&id) {
            answering.cancelled.cancel();
        }
    }

    /// Takes a grant that arrived: more of a reply may be sent.
    fn on_grant(&mut self, id: u64, bytes: u64) {
        if let Some(answering) = self.shared.lock().answering.get_mut(&id) {
            answering.grant(bytes);
        }
    }

    /// The next frame to send, waiting until there is one. Cancel-safe.
    pub async fn next_frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.pop() {
                return frame;
            }
            tokio::select! {
                biased;
                () = self.shared.queued.notified() => {}
                Some(frame) = self.parts_out.recv() => return frame,
            }
        }
    }

    /// Requests under way: ours, and the other side's.
    pub fn under_way(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.asked.len(), state.answering.len())
    }

    fn pop(&self) -> Option<Frame> {
        self.shared.lock().queue.pop_front()
    }
}

impl Drop for Calls {
    /// The session is over: whoever waits for a reply is told, whoever works on one is cancelled.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.queue.clear();
        for (_, mut asked) in state.asked.drain() {
            asked.give_up(link_lost());
        }
        for (_, answering) in state.answering.drain() {
            answering.cancelled.cancel();
        }
    }
}

/// Frames in the queue beyond which refusals are no longer answered: a peer that sends requests faster
/// than it reads refusals is left to its deadlines.
const QUEUE_MAX: usize = 8 * CALLS_MAX;

fn failed(id: u64, failure: Failure) -> Frame {
    Frame::Reply(Reply { id, more: false, result: Err(failure) })
}

fn link_lost() -> Failure {
    Failure::new(FailureCode::LinkLost, "the connection ended before the answer")
}

/// What a part of a reply counts for: its bytes, and something for the part itself.
fn cost(part: &[u8]) -> u64 {
    part.len() as u64 + REPLY_PART_COST_BYTES
}
