//! Moments at a rate.

use std::time::Duration;

use super::Moment;
use super::limits::CATCH_UP;

/// Gives out moments at a rate.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    gap: Duration,
    next: Moment,
}

impl Bucket {
    pub(crate) fn new(rate: f64) -> Self {
        Bucket::starting(rate, Moment::ZERO)
    }

    /// Nothing goes out before then.
    pub(super) fn starting(rate: f64, next: Moment) -> Self {
        Bucket { gap: gap(rate), next }
    }

    /// From now on this rate.
    pub(super) fn set(&mut self, rate: f64, now: Moment) {
        self.gap = gap(rate);
        self.next = self.next.min(now + self.gap);
    }

    /// When the next may go out.
    pub(crate) fn next(&self) -> Moment {
        self.next
    }

    /// Takes the next moment; it may lie ahead.
    pub(crate) fn take(&mut self, now: Moment) -> Moment {
        let at = self.next.max(now.saturating_sub(CATCH_UP));
        self.next = at + self.gap;
        at
    }
}

fn gap(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate.clamp(0.01, 1e7))
}
