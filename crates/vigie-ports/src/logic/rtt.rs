//! How long answers take: RFC 6298.

use std::time::Duration;

use super::limits::{HOLD_BLIND, HOLD_MAX, RTO_FIRST, RTO_MAX, RTO_SLACK};

/// Smoothed round trip and its variation.
#[derive(Debug, Clone)]
pub(crate) struct Estimator {
    known: Option<Known>,
    /// The user's own bound.
    longest: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    smoothed: Duration,
    varies: Duration,
}

impl Estimator {
    pub(crate) fn new(longest: Option<Duration>) -> Self {
        Estimator { known: None, longest: longest.unwrap_or(RTO_MAX) }
    }

    /// Takes the round trip of one probe.
    pub(crate) fn sample(&mut self, rtt: Duration) {
        let known = match self.known {
            None => Known { smoothed: rtt, varies: rtt / 2 },
            Some(Known { smoothed, varies }) => Known {
                smoothed: (smoothed * 7 + rtt) / 8,
                varies: (varies * 3 + smoothed.abs_diff(rtt)) / 4,
            },
        };
        self.known = Some(known);
    }

    /// The smoothed round trip, once there is one.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.known.map(|known| known.smoothed)
    }

    /// When an answer is overdue, though not yet given up.
    pub(crate) fn overdue(&self) -> Duration {
        self.known.map_or(RTO_FIRST, |known| known.smoothed * 2 + known.varies * 4)
    }

    /// After this long without an answer, a probe is repeated.
    pub(crate) fn timeout(&self) -> Duration {
        let timeout =
            self.known.map_or(RTO_FIRST, |known| known.smoothed + (known.varies * 4).max(RTO_SLACK));
        timeout.min(RTO_MAX).min(self.longest)
    }

    /// How long a probe is listened for in all. Its repetition does not end it.
    pub(crate) fn hold(&self) -> Duration {
        let timeout = self.timeout();
        match self.known {
            None => HOLD_BLIND,
            Some(_) => (timeout * 3).min(HOLD_MAX).max(timeout + timeout / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn follows_the_rfc() {
        let mut estimator = Estimator::new(None);
        assert_eq!(estimator.timeout(), RTO_FIRST);
        estimator.sample(MS(200));
        assert_eq!(estimator.timeout(), MS(600), "the first sample: R + 4·R/2");
        estimator.sample(MS(200));
        assert_eq!(estimator.timeout(), MS(500), "an equal sample takes a quarter off the variation");
        assert_eq!(estimator.smoothed(), Some(MS(200)));
    }

    #[test]
    fn a_steady_long_way_leaves_room_for_delays() {
        let mut estimator = Estimator::new(None);
        for _ in 0..100 {
            estimator.sample(MS(250));
        }
        assert_eq!(estimator.timeout(), MS(350));
    }

    #[test]
    fn stays_within_bounds() {
        let mut estimator = Estimator::new(None);
        estimator.sample(Duration::from_micros(80));
        assert_eq!(estimator.timeout(), Duration::from_micros(80) + RTO_SLACK);
        estimator.sample(Duration::from_secs(60));
        assert_eq!(estimator.timeout(), RTO_MAX);
        assert_eq!(Estimator::new(Some(MS(50))).timeout(), MS(50), "the user's bound is the lower one");
    }
}
