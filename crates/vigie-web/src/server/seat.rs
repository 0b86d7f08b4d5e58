//! Which connections do nothing, and since when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::Id;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Seat {
    doing: Mutex<Doing>,
    /// Somebody became idle.
    idle: Arc<Notify>,
    leave: CancellationToken,
}

#[derive(Clone, Copy, Debug)]
struct Doing {
    answers: usize,
    idle_since: Instant,
}

/// An answer under way; over when this is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Seat>);

impl Seat {
    /// An answer begins, the whole question having come.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.lock().answers += 1;
        Busy(Arc::clone(self))
    }

    /// Ends when the seat is wanted for somebody else.
    pub(super) async fn leave(&self) {
        self.leave.cancelled().await;
    }

    /// Since when nothing is asked; none while an answer is given.
    fn idle_since(&self) -> Option<Instant> {
        let doing = *self.lock();
        (doing.answers == 0).then_some(doing.idle_since)
    }

    fn lock(&self) -> MutexGuard<'_, Doing> {
        // Two plain numbers: a panic elsewhere left them as good as ever.
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut doing = self.0.lock();
        doing.answers -= 1;
        doing.idle_since = Instant::now();
        drop(doing);
        self.0.idle.notify_one();
    }
}

/// All connections of a listener, by their tasks.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: HashMap<Id, Arc<Seat>>,
    idle: Arc<Notify>,
}

impl Seats {
    /// A seat for a connection that has not asked yet.
    pub(super) fn seat(&self) -> Arc<Seat> {
        let doing = Doing { answers: 0, idle_since: Instant::now() };
        let (idle, leave) = (Arc::clone(&self.idle), CancellationToken::new());
        Arc::new(Seat { doing: Mutex::new(doing), idle, leave })
    }

    /// The task that serves a seat.
    pub(super) fn take(&mut self, task: Id, seat: Arc<Seat>) {
        self.taken.insert(task, seat);
    }

    /// The task has ended.
    pub(super) fn free(&mut self, task: Id) {
        self.taken.remove(&task);
    }

    /// Asks the one that has been idle for longest to leave, unless somebody is leaving already; waits until one is
    /// idle. Dropping the call does nothing.
    pub(super) async fn evict_longest_idle(&self) {
        if self.taken.values().any(|seat| seat.leave.is_cancelled()) {
            return std::future::pending().await;
        }
        loop {
            let idle = self.taken.values().filter_map(|seat| Some((seat.idle_since()?, seat)));
            let longest = idle.min_by_key(|(since, _)| *since);
            if let Some((_, seat)) = longest {
                return seat.leave.cancel();
            }
            self.idle.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// A seat with a task that stays.
    fn taken(seats: &mut Seats) -> Arc<Seat> {
        let seat = seats.seat();
        seats.take(tokio::spawn(std::future::pending::<()>()).id(), Arc::clone(&seat));
        seat
    }

    async fn a_second() {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_one_leaves_and_nobody_who_is_answered() {
        let mut seats = Seats::default();
        let oldest = taken(&mut seats);
        let answer = oldest.busy();
        a_second().await;
        let middle = taken(&mut seats);
        a_second().await;
        let newest = taken(&mut seats);
        seats.evict_longest_idle().await;
        assert!(middle.leave.is_cancelled() && !newest.leave.is_cancelled());
        assert!(seats.evict_longest_idle().now_or_never().is_none(), "one is leaving already");
        seats.taken.retain(|_, seat| !seat.leave.is_cancelled());
        a_second().await;
        drop(answer);
        seats.evict_longest_idle().await;
        assert!(newest.leave.is_cancelled() && !oldest.leave.is_cancelled(), "its answer ended later");
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_somebody_to_be_idle() {
        let mut seats = Seats::default();
        let only = taken(&mut seats);
        let answer = only.busy();
        let waiting = seats.evict_longest_idle();
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(answer);
        waiting.await;
        assert!(only.leave.is_cancelled());
    }
}
