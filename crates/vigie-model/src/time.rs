//! Times and instants. Wall-clock time is nanoseconds since 1970 in UTC; it may jump, so what must not
//! go back is measured on the monotonic side of [`Clock`].

use crate::ids::Seq;
use std::time::{Duration, SystemTime};

/// Nanoseconds since 1970-01-01T00:00:00Z, signed; good until the year 2262.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct UnixNanos(#[n(0)] pub i64);

impl UnixNanos {
    /// The time of a [`SystemTime`], clamped to what fits.
    pub fn from_system(time: SystemTime) -> Self {
        let nanos = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
        };
        UnixNanos(nanos)
    }

    /// This time, later by `by`.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        UnixNanos(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// A moment in a machine's history, as people and scripts ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Instant {
    /// The last record there is.
    #[default]
    Now,
    /// The last record at or before this observed time.
    Time(UnixNanos),
    /// Right after this record.
    Seq(Seq),
}

/// Where the time comes from: the machine's clocks, or a test's hand.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Wall-clock time; may jump either way.
    fn wall(&self) -> UnixNanos;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The clocks of this machine.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock { start: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> UnixNanos {
        UnixNanos::from_system(SystemTime::now())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
