//! The arithmetic of a lease: the holder counts from sending, the authority from receiving, and the holder stops
//! a margin early. Whatever was on its way for how long, and whichever clock runs faster by less than the margin's
//! share, the holder's deadline is over before the authority's.

use crate::limits::{MARGIN_PART, RENEWALS_PER_TTL};
use crate::words::Stamp;
use std::time::Duration;

/// By how much a holder stops early.
pub fn margin(ttl: Duration) -> Duration {
    ttl / MARGIN_PART
}

/// The moment, by the holder's clock, at which a lease that was acknowledged for a message sent at `stamp` is over.
pub fn deadline(stamp: Stamp, ttl: Duration) -> Duration {
    stamp.0.saturating_add(ttl - margin(ttl))
}

/// The moment, by the authority's clock, at which a lease renewed at `received` is over.
pub fn expiry(received: Duration, ttl: Duration) -> Duration {
    received.saturating_add(ttl)
}

/// How long a member waits from one renewal to the next.
pub fn renewal_interval(ttl: Duration) -> Duration {
    ttl / RENEWALS_PER_TTL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_with_a_slow_clock_still_stops_first() {
        for ttl_ms in [500_u64, 3_000, 60_000] {
            let ttl = Duration::from_millis(ttl_ms);
            // What the holder's clock shows in the whole of the authority's lease, at a rate 9.9 % too slow.
            let shown = ttl.mul_f64(0.901);
            assert!(deadline(Stamp::default(), ttl) < shown, "{ttl:?}");
        }
        assert_eq!(margin(Duration::from_secs(3)), Duration::from_millis(300));
    }
}
