//! The signals that end a command.

use crate::failure::Failure;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// Signals that come this soon after one that counted say the same thing again: a Ctrl-C under `timeout(1)`, or
/// under a script that passes signals on, comes twice. A person who presses it again in a hurry takes longer.
const SAME_WISH: Duration = Duration::from_millis(100);

/// SIGINT and SIGTERM, heard from the moment this is made.
#[derive(Debug)]
pub(crate) struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
    wishes: Wishes,
}

impl EndSignals {
    /// Begins to listen; from now on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let open = |kind| signal(kind).map_err(|e| Failure::failed("cannot listen to signals").because(&e));
        Ok(EndSignals {
            interrupt: open(SignalKind::interrupt())?,
            terminate: open(SignalKind::terminate())?,
            wishes: Wishes::default(),
        })
    }

    /// Returns at the next of them that is more than an echo of the one before.
    pub(crate) async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            if self.wishes.is_new(Instant::now()) {
                return;
            }
        }
    }
}

/// Tells a wish from its echoes.
#[derive(Debug, Default)]
struct Wishes {
    last: Option<Instant>,
}

impl Wishes {
    /// Whether a signal at this moment is a wish of its own.
    fn is_new(&mut self, at: Instant) -> bool {
        let is_new = self.last.is_none_or(|last| at.duration_since(last) >= SAME_WISH);
        if is_new {
            self.last = Some(at);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signal_of_its_own_asks_again() {
        let start = Instant::now();
        let mut wishes = Wishes::default();
        let mut at = |ms| wishes.is_new(start + Duration::from_millis(ms));
        assert!(at(0));
        assert!(!at(0) && !at(5) && !at(99));
        assert!(at(100), "counted from the wish, not from its echo");
        assert!(!at(110));
        assert!(at(10_000));
    }
}
