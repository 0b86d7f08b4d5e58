//! The requests of one connection: what may be asked when, and what replies, their absence and the clock come to. Without
//! a connection: the handler of one asks it what to send and tells it what was heard, `flight` looks at the clock.

use super::answer::{Answer, of_refusal};
use crate::limits::{
    FORWARD_PAUSE, FORWARD_SLOW, FORWARD_STUCK_MAX, FORWARD_TRIES_MAX, FORWARD_WINDOW_FIRST,
    FORWARD_WINDOW_MAX, FORWARD_WINDOW_MIN,
};
use russh::ChannelOpenFailure;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A port that is to be asked, and what is known of it.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) address: SocketAddr,
    pub(super) tries: u8,
    pub(super) answer: Option<Answer>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Something is under way, or may be asked.
    Going,
    /// Nothing is left to be asked.
    Done,
    /// The connection can take no more.
    Full,
}

/// A request under way.
#[derive(Debug)]
struct Waiting {
    probe: usize,
    sent: Instant,
    /// It no longer keeps others from being sent.
    is_slow: bool,
    /// Its time is over; a late answer is still an answer.
    is_stuck: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Course {
    pub(super) probes: Vec<Probe>,
    pub(super) queue: VecDeque<usize>,
    patience: Duration,
    /// By the number of the channel.
    waiting: HashMap<u32, Waiting>,
    /// Numbers in the order of sending, up to those that were looked at for being slow, or for being late.
    slow: VecDeque<u32>,
    late: VecDeque<u32>,
    /// Under way and not slow.
    quick: usize,
    stuck: usize,
    window: usize,
    /// After the server lacked something nothing is sent for a moment.
    not_before: Option<Instant>,
    /// Counts answers, for whoever shows the progress.
    answered: Arc<AtomicU64>,
}

// === impl Probe ===

impl Probe {
    fn take(&mut self, answer: Answer, answered: &AtomicU64) {
        if self.answer.replace(answer).is_none() {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// === impl Course ===

impl Course {
    pub(super) fn new(
        probes: Vec<Probe>,
        queue: VecDeque<usize>,
        patience: Duration,
        answered: &Arc<AtomicU64>,
    ) -> Self {
        Course {
            answered: Arc::clone(answered),
            probes,
            queue,
            patience,
            waiting: HashMap::new(),
            slow: VecDeque::new(),
            late: VecDeque::new(),
            quick: 0,
            stuck: 0,
            window: FORWARD_WINDOW_FIRST,
            not_before: None,
        }
    }

    /// Whether something may be sent.
    pub(super) fn may_send(&self, now: Instant) -> bool {
        !self.queue.is_empty()
            && self.quick < self.window
            && self.waiting.len() < FORWARD_STUCK_MAX
            && self.not_before.is_none_or(|at| now >= at)
    }

    /// What is to be sent next.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(usize, SocketAddr)> {
        let probe = self.may_send(now).then(|| self.queue.pop_front()).flatten()?;
        self.probes.get(probe).map(|asked| (probe, asked.address))
    }

    /// It was sent, as this channel.
    pub(crate) fn sent(&mut self, id: u32, probe: usize, now: Instant) {
        if let Some(asked) = self.probes.get_mut(probe) {
            asked.tries += 1;
            self.waiting.insert(id, Waiting { probe, sent: now, is_slow: false, is_stuck: false });
            self.slow.push_back(id);
            self.late.push_back(id);
            self.quick += 1;
        }
    }

    /// A reply. One to a request that is not of this course says nothing.
    pub(crate) fn heard(&mut self, id: u32, refused: Option<(ChannelOpenFailure, &str)>, now: Instant) {
        let Some(waiting) = self.waiting.remove(&id) else { return };
        self.quick -= usize::from(!waiting.is_slow);
        self.stuck -= usize::from(waiting.is_stuck);
        let Some(probe) = self.probes.get_mut(waiting.probe) else { return };
        let answer = match refused {
            None => Answer::Open,
            Some((reason, text)) => of_refusal(&reason, text),
        };
        if !matches!(answer, Answer::Failed(_)) {
            self.window = (self.window + 1).min(FORWARD_WINDOW_MAX);
            probe.take(answer, &self.answered);
            return;
        }
        if self.waiting.len() >= FORWARD_WINDOW_MIN {
            // It lacks something because of us.
            self.window = (self.window / 2).max(FORWARD_WINDOW_MIN);
        }
        if probe.tries < FORWARD_TRIES_MAX && !waiting.is_stuck {
            self.not_before = Some(now + FORWARD_PAUSE);
            self.queue.push_back(waiting.probe);
        } else {
            probe.take(answer, &self.answered);
        }
    }

    /// Lets slow ones no longer keep others from being sent.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some(id) = self.slow.front() {
            if let Some(waiting) = self.waiting.get_mut(id) {
                if waiting.sent + FORWARD_SLOW > now {
                    break;
                }
                waiting.is_slow = true;
                self.quick -= 1;
            }
            self.slow.pop_front();
        }
    }

    /// Whether the time of something is over.
    pub(super) fn is_late(&mut self, now: Instant) -> bool {
        while self.late.front().is_some_and(|id| !self.waiting.contains_key(id)) {
            self.late.pop_front();
        }
        let first = self.late.front().and_then(|id| self.waiting.get(id));
        first.is_some_and(|waiting| waiting.sent + self.patience <= now)
    }

    /// The server has answered something that was asked at this time; so what was late then is silence, and no sign that
    /// the connection is gone.
    pub(super) fn was_alive(&mut self, then: Instant) {
        while let Some(id) = self.late.front() {
            if let Some(waiting) = self.waiting.get_mut(id) {
                if waiting.sent + self.patience > then {
                    break;
                }
                waiting.is_stuck = true;
                self.stuck += 1;
                if let Some(probe) = self.probes.get_mut(waiting.probe) {
                    probe.take(Answer::Silent, &self.answered);
                }
            }
            self.late.pop_front();
        }
    }

    /// When to look at the clock next.
    pub(super) fn due(&self) -> Option<Instant> {
        let sent =
            |ids: &VecDeque<u32>| ids.iter().find_map(|id| self.waiting.get(id)).map(|waiting| waiting.sent);
        let slow = sent(&self.slow).map(|sent| sent + FORWARD_SLOW);
        let late = sent(&self.late).map(|sent| sent + self.patience);
        let pause = self.not_before.filter(|_| !self.queue.is_empty());
        [slow, late, pause].into_iter().flatten().min()
    }

    pub(super) fn progress(&self) -> Progress {
        match self.waiting.len() == self.stuck {
            true if self.queue.is_empty() => Progress::Done,
            true if self.stuck + FORWARD_WINDOW_MIN > FORWARD_STUCK_MAX => Progress::Full,
            _ => Progress::Going,
        }
    }

    /// Whether something is left over there that only the end of the connection frees.
    pub(super) fn has_stuck(&self) -> bool {
        self.stuck > 0
    }

    /// The end of the connection: what has no answer is to be asked again.
    pub(super) fn into_parts(mut self) -> (Vec<Probe>, VecDeque<usize>) {
        let mut again: Vec<usize> =
            self.waiting.values().filter(|waiting| !waiting.is_stuck).map(|waiting| waiting.probe).collect();
        again.sort_unstable();
        again.into_iter().rev().for_each(|probe| self.queue.push_front(probe));
        (self.probes, self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChannelOpenFailure::ConnectFailed;

    fn course(ports: u16) -> Course {
        let probe =
            |port| Probe { address: SocketAddr::from(([192, 0, 2, 1], port)), tries: 0, answer: None };
        Course::new(
            (1..=ports).map(probe).collect(),
            (0..usize::from(ports)).collect(),
            Duration::from_secs(2),
            &Arc::default(),
        )
    }

    /// Sends what may be sent, numbered from `id`.
    fn send(course: &mut Course, mut id: u32, now: Instant) -> u32 {
        while let Some((probe, _)) = course.next(now) {
            course.sent(id, probe, now);
            id += 1;
        }
        id
    }

    #[test]
    fn answers_widen_the_window_and_silence_does_not_narrow_it() {
        let (mut course, now) = (course(2000), Instant::now());
        let mut next = send(&mut course, 0, now);
        assert_eq!(next as usize, FORWARD_WINDOW_FIRST);
        for id in 0..32 {
            course.heard(id, Some((ConnectFailed, "Connection refused")), now);
        }
        next = send(&mut course, next, now);
        assert_eq!(next as usize, FORWARD_WINDOW_FIRST + 64);
        let later = now + FORWARD_SLOW;
        assert!(!course.may_send(now));
        course.tick(later);
        assert!(course.may_send(later));
        send(&mut course, next, later);
        assert_eq!(course.progress(), Progress::Going);
    }

    #[test]
    fn only_a_living_connection_makes_silence() {
        let (mut course, now) = (course(3), Instant::now());
        send(&mut course, 10, now);
        course.heard(10, None, now);
        assert!(!course.is_late(now));
        let late = now + Duration::from_secs(2);
        assert!(course.is_late(late));
        assert_eq!(course.probes[1].answer, None);
        course.was_alive(now + Duration::from_secs(1));
        assert_eq!((course.probes[1].answer.clone(), course.has_stuck()), (None, false));
        course.was_alive(late);
        assert_eq!(course.probes[1].answer, Some(Answer::Silent));
        assert_eq!((course.progress(), course.has_stuck()), (Progress::Done, true));
        // A late answer is an answer.
        course.heard(12, Some((ConnectFailed, "Connection refused")), late);
        assert_eq!(course.probes[2].answer, Some(Answer::Refused));
        assert_eq!(course.probes[0].answer, Some(Answer::Open));
        assert_eq!(course.answered.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn what_the_server_lacks_is_asked_again_more_gently_and_then_given_up() {
        let (mut course, mut now) = (course(64), Instant::now());
        let mut next = send(&mut course, 0, now);
        for round in 1..=u32::from(FORWARD_TRIES_MAX) {
            for id in next - 64..next {
                course.heard(id, Some((ConnectFailed, "open failed")), now);
            }
            assert!(!course.may_send(now));
            if round < u32::from(FORWARD_TRIES_MAX) {
                now = course.due().unwrap();
                let first = next;
                while next < first + 64 {
                    let (probe, _) = course.next(now).unwrap_or_else(|| {
                        // The window is narrow now: slow ones make room.
                        now += FORWARD_SLOW;
                        course.tick(now);
                        course.next(now).unwrap()
                    });
                    course.sent(next, probe, now);
                    next += 1;
                }
            }
        }
        assert_eq!(course.progress(), Progress::Done);
        assert!(course.probes.iter().all(|probe| matches!(probe.answer, Some(Answer::Failed(_)))));
    }

    #[test]
    fn a_connection_that_breaks_answers_nothing() {
        let (mut course, now) = (course(3), Instant::now());
        send(&mut course, 0, now);
        course.heard(1, Some((ConnectFailed, "Connection refused")), now);
        course.heard(77, None, now);
        let (probes, queue) = course.into_parts();
        assert_eq!(queue, [0, 2]);
        assert_eq!(probes.iter().filter(|probe| probe.answer.is_some()).count(), 1);
    }

    #[test]
    fn when_many_are_stuck_the_connection_is_full() {
        let (mut course, mut now) = (course(2000), Instant::now());
        let mut next = 0;
        while course.progress() == Progress::Going {
            next = send(&mut course, next, now);
            now += FORWARD_SLOW;
            course.tick(now);
            course.was_alive(now);
        }
        assert_eq!((course.progress(), next as usize), (Progress::Full, FORWARD_STUCK_MAX));
        assert_eq!(course.into_parts().1.len(), 2000 - FORWARD_STUCK_MAX);
    }
}
