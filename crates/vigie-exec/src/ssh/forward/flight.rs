//! The requests of one connection: sent in order, many at once, each waited for so long.
//!
//! `russh` gives the words of a refusal to its handler, with the number of a channel that the asker never learns. But it
//! numbers channels one after the other in the order of the requests, so on a connection of our own the number of each
//! is known beforehand. That is checked against every reply, and whatever is out of step makes the whole flight void
//! instead of one port's answer another's.

use super::super::connect::Connection;
use super::super::overheard::Reply;
use super::{Answer, Probe, answer};
use crate::limits::{
    FORWARD_PAUSE, FORWARD_SLOW, FORWARD_STUCK_MAX, FORWARD_TRIES_MAX, FORWARD_WINDOW_FIRST,
    FORWARD_WINDOW_MAX, FORWARD_WINDOW_MIN,
};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use russh::Channel;
use russh::client::Msg;
use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The number that `russh` gives to the first channel of a connection.
const FIRST_CHANNEL: u32 = 2;

/// How a flight ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landed {
    /// Nothing is left to be asked.
    Done,
    /// The connection can take no more.
    Full,
    /// The connection broke, or its replies made no sense.
    Broken,
}

type Opened = Result<Channel<Msg>, russh::Error>;
type Opening<'a> = Pin<Box<dyn Future<Output = (u32, Opened)> + Send + 'a>>;

/// A request under way.
#[derive(Debug)]
struct Waiting {
    probe: usize,
    sent: Instant,
    /// Its time is over; a late answer is still an answer.
    is_stuck: bool,
    is_slow: bool,
}

/// See the module.
pub(super) struct Flight<'a> {
    connection: &'a Connection,
    replies: UnboundedReceiver<Reply>,
    probes: &'a mut Vec<Probe>,
    queue: &'a mut VecDeque<usize>,
    patience: Duration,
    openings: FuturesUnordered<Opening<'a>>,
    next_id: u32,
    waiting: HashMap<u32, Waiting>,
    /// Numbers in the order of sending, for the two looks at each: whether it is slow, and whether its time is over.
    sent: VecDeque<u32>,
    slow: VecDeque<u32>,
    /// Under way and neither slow nor stuck.
    quick: usize,
    window: usize,
    stuck: usize,
    /// Requests that `russh` says have ended, and whose reply has not come by yet.
    owed: HashSet<u32>,
    not_before: Instant,
}

// === impl Flight ===

impl<'a> Flight<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        probes: &'a mut Vec<Probe>,
        queue: &'a mut VecDeque<usize>,
        patience: Duration,
    ) -> Self {
        let next_id = FIRST_CHANNEL + connection.overheard.requests();
        Flight {
            connection,
            replies: connection.overheard.replies(),
            probes,
            queue,
            patience,
            openings: FuturesUnordered::new(),
            next_id,
            waiting: HashMap::new(),
            sent: VecDeque::new(),
            slow: VecDeque::new(),
            quick: 0,
            window: FORWARD_WINDOW_FIRST,
            stuck: 0,
            owed: HashSet::new(),
            not_before: Instant::now(),
        }
    }

    /// Whether there are requests that will hold something over there until the connection ends.
    pub(super) fn has_stuck(&self) -> bool {
        self.stuck > 0
    }

    /// Asks until nothing is left to be asked or the connection can take no more.
    pub(super) async fn fly(&mut self, mut stop: watch::Receiver<bool>) -> Landed {
        loop {
            self.send_all().await;
            let is_full = self.stuck + FORWARD_WINDOW_MIN > FORWARD_STUCK_MAX;
            if self.waiting.len() == self.stuck && self.owed.is_empty() {
                if self.queue.is_empty() {
                    return Landed::Done;
                } else if is_full {
                    return Landed::Full;
                }
            }
            let due = self.due();
            tokio::select! {
                reply = self.replies.recv() => {
                    let Some(reply) = reply else { return self.broken() };
                    if !self.take(reply) {
                        return self.broken();
                    }
                }
                Some((id, opened)) = self.openings.next(), if !self.openings.is_empty() => {
                    if !self.has_ended(id, opened) {
                        return self.broken();
                    }
                }
                () = sleep_until(due) => self.look_at_clock(),
                _ = stop.wait_for(|stop| *stop) => {
                    self.queue.clear();
                    return Landed::Full;
                }
            }
        }
    }

    /// Sends what the window lets through.
    async fn send_all(&mut self) {
        while self.quick < self.window
            && self.waiting.len() < FORWARD_STUCK_MAX
            && Instant::now() >= self.not_before
            && let Some(probe) = self.queue.pop_front()
        {
            let (id, asked) = (self.next_id, &mut self.probes[probe]);
            asked.tries += 1;
            let (host, port, handle) =
                (asked.address.to_string(), u32::from(asked.port), &self.connection.handle);
            let mut opening: Opening<'a> =
                Box::pin(
                    async move { (id, handle.channel_open_direct_tcpip(host, port, "127.0.0.1", 0).await) },
                );
            // Its first poll takes its place in the queue of requests, which is first come, first served.
            let first = std::future::poll_fn(|context| Poll::Ready(opening.as_mut().poll(context))).await;
            self.next_id += 1;
            self.connection.overheard.count_request();
            let waiting = Waiting { probe, sent: Instant::now(), is_stuck: false, is_slow: false };
            self.waiting.insert(id, waiting);
            self.quick += 1;
            self.sent.push_back(id);
            self.slow.push_back(id);
            match first {
                Poll::Pending => self.openings.push(opening),
                Poll::Ready(ended) => self.openings.push(Box::pin(std::future::ready(ended))),
            }
        }
    }

    /// When to look at the clock next.
    fn due(&self) -> Instant {
        let at = |id: Option<&u32>, after: Duration| {
            id.and_then(|id| self.waiting.get(id)).map(|waiting| waiting.sent + after)
        };
        let pause = (!self.queue.is_empty()).then_some(self.not_before).filter(|at| *at > Instant::now());
        let dues = [at(self.sent.front(), self.patience), at(self.slow.front(), FORWARD_SLOW), pause];
        // Nothing is due: then only replies matter.
        dues.into_iter().flatten().min().unwrap_or_else(|| Instant::now() + self.patience)
    }

    fn look_at_clock(&mut self) {
        let now = Instant::now();
        while let Some(id) = self.slow.front() {
            match self.waiting.get_mut(id) {
                Some(waiting) if waiting.sent + FORWARD_SLOW > now => break,
                Some(waiting) => {
                    waiting.is_slow = true;
                    self.quick -= 1;
                }
                None => {}
            }
            self.slow.pop_front();
        }
        while let Some(id) = self.sent.front() {
            match self.waiting.get_mut(id) {
                Some(waiting) if waiting.sent + self.patience > now => break,
                Some(waiting) => {
                    waiting.is_stuck = true;
                    self.stuck += 1;
                    self.probes[waiting.probe].answer = Some(Answer::Silent);
                }
                None => {}
            }
            self.sent.pop_front();
        }
    }

    /// Takes a reply; false when it makes no sense.
    fn take(&mut self, reply: Reply) -> bool {
        self.owed.remove(&reply.id);
        let Some(waiting) = self.waiting.remove(&reply.id) else { return false };
        while self.sent.front().is_some_and(|id| !self.waiting.contains_key(id)) {
            self.sent.pop_front();
        }
        while self.slow.front().is_some_and(|id| !self.waiting.contains_key(id)) {
            self.slow.pop_front();
        }
        self.quick -= usize::from(!waiting.is_slow);
        self.stuck -= usize::from(waiting.is_stuck);
        let answer = match &reply.refused {
            None => Answer::Open,
            Some((reason, text)) => answer::of_refusal(reason, text),
        };
        let probe = &mut self.probes[waiting.probe];
        if matches!(answer, Answer::Failed(_)) {
            if self.waiting.len() >= FORWARD_WINDOW_MIN {
                // It lacks something because of us.
                self.window = (self.window / 2).max(FORWARD_WINDOW_MIN);
            }
            if probe.tries < FORWARD_TRIES_MAX && !waiting.is_stuck {
                self.not_before = Instant::now() + FORWARD_PAUSE;
                self.queue.push_back(waiting.probe);
                return true;
            }
        } else if self.window < FORWARD_WINDOW_MAX {
            self.window += 1;
        }
        probe.answer = Some(answer);
        true
    }

    /// Takes the end of a request as `russh` tells it; false when the connection broke, or it is another's.
    fn has_ended(&mut self, id: u32, opened: Opened) -> bool {
        match opened {
            Ok(channel) if channel.id().number() != id => return false,
            Ok(_) | Err(russh::Error::ChannelOpenFailure(_)) => {}
            Err(_) => return false,
        }
        if self.waiting.contains_key(&id) {
            self.owed.insert(id);
        }
        true
    }

    /// What has no answer is to be asked again.
    fn broken(&mut self) -> Landed {
        let mut again: Vec<usize> =
            self.waiting.values().filter(|waiting| !waiting.is_stuck).map(|waiting| waiting.probe).collect();
        again.sort_unstable();
        again.into_iter().rev().for_each(|probe| self.queue.push_front(probe));
        Landed::Broken
    }
}
