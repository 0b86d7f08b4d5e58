//! How long to wait before the next try at a connection.

use crate::limits::{RETRY_FIRST, RETRY_MAX, RETRY_QUICK};
use std::time::Duration;

/// Waits that grow: about 100 ms first, then 1 s, 2 s, 4 s … up to a minute, each shortened at random by up to
/// half, so that a fleet does not come back in step.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// As after a success.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next wait, with randomness from the system.
    pub fn next_wait(&mut self) -> Duration {
        // Without randomness from the system the waits are merely in step.
        self.next_wait_with(getrandom::u64().unwrap_or(0))
    }

    /// The next wait, with randomness from the caller: for simulations.
    pub fn next_wait_with(&mut self, random: u64) -> Duration {
        let full = match self.tries.checked_sub(1) {
            None => RETRY_QUICK,
            Some(doublings) => RETRY_FIRST.saturating_mul(1 << doublings.min(16)).min(RETRY_MAX),
        };
        self.tries = self.tries.saturating_add(1);
        let share = (random >> 32) as f64 / f64::from(u32::MAX);
        full.mul_f64(1.0 - share / 2.0)
    }

    /// Tries since the last success.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// To be called once a session has begun (not when a connection merely stands): the next break is again
    /// followed by a quick try.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_start_anew() {
        let waits = |random: u64| {
            let mut backoff = Backoff::new();
            (0..9).map(|_| backoff.next_wait_with(random).as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(waits(0), [100, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(waits(u64::MAX), [50, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        let mut backoff = Backoff::new();
        for _ in 0..1000 {
            backoff.next_wait();
        }
        assert!(backoff.next_wait() >= RETRY_MAX / 2);
        backoff.reset();
        assert!(backoff.next_wait() <= RETRY_QUICK);
    }
}
