//! Connections that come to nothing. Whoever can reach the port can make as many as he likes, so that the log tells the
//! first and then how many more there were.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// After one was told, how long the others are only counted.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What was told, and what was counted since.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(Arc<Mutex<Counting>>);

#[derive(Debug, Default)]
struct Counting {
    is_on: bool,
    untold: u64,
}

impl Refusals {
    /// Tells of one, or counts it: every one of them stands in the log of those who ask for its details.
    pub(crate) fn note(
        &self,
        remote: Option<SocketAddr>,
        what: &str,
        why: &dyn Display,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let remote = remote.map_or_else(|| "somebody".to_owned(), |address| address.to_string());
        if !self.is_first() {
            tracing::debug!(remote, "{what}: {why}");
            return;
        }
        tracing::warn!(remote, "{what}: {why}");
        let (counted, stop) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(TOLD_EVERY) => {}
                () = stop.cancelled() => {}
            }
            if let Some(text) = counted.sum() {
                tracing::warn!("{text}");
            }
        });
    }

    /// Whether this one is to be told; else it is counted.
    fn is_first(&self) -> bool {
        let mut counting = self.lock();
        if counting.is_on {
            counting.untold += 1;
            return false;
        }
        counting.is_on = true;
        true
    }

    /// Ends the counting. What it came to, in words.
    fn sum(&self) -> Option<String> {
        let Counting { untold, .. } = std::mem::take(&mut *self.lock());
        let connections = if untold == 1 { "connection" } else { "connections" };
        let secs = TOLD_EVERY.as_secs();
        (untold > 0).then(|| {
            format!("{untold} more {connections} came to nothing within {secs} s; VIGIE_LOG=vigie_hub=debug names them")
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counting> {
        // Nothing here can panic between two changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_and_the_others_are_counted() {
        let refusals = Refusals::default();
        let told = (0..1000).filter(|_| refusals.is_first()).count();
        assert_eq!(told, 1);
        let text = refusals.sum().unwrap();
        assert!(text.starts_with("999 more connections"), "{text}");
        assert!(refusals.is_first(), "the next one is news again");
        assert_eq!(refusals.sum(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_stops_does_not_wait_for_the_sum() {
        let (refusals, tasks, stop) = (Refusals::default(), TaskTracker::new(), CancellationToken::new());
        refusals.note(None, "no session", &"why", &tasks, &stop);
        refusals.note(None, "no session", &"why", &tasks, &stop);
        assert_eq!(tasks.len(), 1, "one task, however many there are");
        stop.cancel();
        tasks.close();
        let began = tokio::time::Instant::now();
        tasks.wait().await;
        assert!(began.elapsed().is_zero());
        assert!(refusals.is_first());
    }
}
