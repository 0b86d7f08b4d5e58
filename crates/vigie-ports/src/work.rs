//! What the threads of a scan share: the group of targets behind one lock, and a clock.
//!
//! One lock, because a decision about one probe changes what all threads do next; it is held for a batch of probes at
//! a time, some microseconds, while the system calls of a batch take a hundred times as long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::logic::group::Group;
use crate::logic::{Moment, Order, Outcome, Probe};

/// Probes that a thread takes at a time.
pub(crate) const BATCH: usize = 64;

/// How long a thread sleeps at most: for so long it notices neither new targets nor the end.
pub(crate) const NAP: Duration = Duration::from_millis(10);

/// Shared by all threads of one scan.
#[derive(Debug)]
pub(crate) struct Work {
    group: Mutex<Group>,
    news: Condvar,
    over: AtomicBool,
    began: Instant,
}

/// When a thread is to come back, if nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Not before then.
    At(Moment),
    /// Never: the scan is over.
    Over,
}

impl Work {
    pub(crate) fn new(group: Group, began: Instant) -> Self {
        Work { group: Mutex::new(group), news: Condvar::new(), over: AtomicBool::new(false), began }
    }

    /// Time since the scan began.
    pub(crate) fn now(&self) -> Moment {
        self.began.elapsed()
    }

    pub(crate) fn group(&self) -> MutexGuard<'_, Group> {
        // A thread that panicked ends the scan with an error; until then the others need not fail, too.
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in what was heard and takes up to `room` probes to send.
    pub(crate) fn exchange(
        &self,
        heard: &mut Vec<(Probe, Outcome)>,
        room: usize,
        orders: &mut Vec<Order>,
    ) -> Next {
        if self.over.load(Ordering::Acquire) {
            return Next::Over;
        }
        let mut group = self.group();
        let now = self.now();
        group.hear(heard, now);
        heard.clear();
        let due = group.orders(now, room, orders);
        if group.has_news() {
            self.news.notify_one();
        }
        Next::At(due.map_or(now + NAP, |due| due.min(now + NAP)))
    }

    /// Waits, a short while at most, until a target ends or a port is found open.
    pub(crate) fn wait<'a>(&self, group: MutexGuard<'a, Group>, at_most: Duration) -> MutexGuard<'a, Group> {
        match self.news.wait_timeout(group, at_most) {
            Ok((group, _)) => group,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    /// Lets all threads end.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }
}
