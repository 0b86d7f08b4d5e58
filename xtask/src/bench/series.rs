//! Samples of one figure.

use anyhow::Result;
use std::time::{Duration, Instant};

/// What a sample counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    Bytes,
    /// Of things, whole ones.
    Count,
}

/// Samples of one figure, in one unit.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    unit: Unit,
    samples: Vec<f64>,
}

impl Series {
    pub(crate) fn new(unit: Unit) -> Self {
        Series { unit, samples: Vec::new() }
    }

    /// A single count.
    pub(crate) fn of(unit: Unit, sample: u64) -> Self {
        let mut series = Series::new(unit);
        series.push(sample);
        series
    }

    /// Adds a count.
    pub(crate) fn push(&mut self, sample: u64) {
        self.samples.push(sample as f64);
    }

    /// Adds a time, in the unit of the series.
    pub(crate) fn push_time(&mut self, time: Duration) {
        let per_second = if self.unit == Unit::Millis { 1e3 } else { 1.0 };
        self.samples.push(time.as_secs_f64() * per_second);
    }

    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    pub(crate) fn median(&self) -> f64 {
        self.rank(50)
    }

    /// The sample that `percent` of all are not above, as a series of its own.
    pub(crate) fn percentile(&self, percent: usize) -> Series {
        Series { unit: self.unit, samples: vec![self.rank(percent)] }
    }

    /// By nearest rank; not a number without samples.
    fn rank(&self, percent: usize) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    /// A value in this series' unit, for people.
    pub(crate) fn show(&self, value: f64) -> String {
        match self.unit {
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Millis => format!("{value:.2} ms"),
            Unit::Count => format!("{value}"),
            Unit::Bytes if value >= 1e6 => format!("{:.2} MB", value / 1e6),
            Unit::Bytes => format!("{:.1} kB", value / 1e3),
        }
    }

    /// Median, with the extremes when there are several samples.
    pub(crate) fn summary(&self) -> String {
        if self.samples.is_empty() {
            return "not taken".into();
        }
        let median = self.show(self.median());
        if self.samples.len() < 2 {
            return median;
        }
        let least = self.samples.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{median} ({} to {})", self.show(least), self.show(most))
    }
}

/// How long something took that must succeed.
pub(crate) fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_samples_that_were_taken() {
        let mut series = Series::new(Unit::Bytes);
        (1..=200).rev().for_each(|n| series.push(n));
        assert_eq!((series.median(), series.percentile(99).median()), (100.0, 198.0));
        assert_eq!(Series::of(Unit::Bytes, 7).percentile(99).median(), 7.0);
        let none = Series::new(Unit::Seconds);
        assert!(none.median().is_nan());
        assert_eq!(none.summary(), "not taken");
    }

    #[test]
    fn times_are_kept_in_the_unit_of_the_series() {
        let mut series = Series::new(Unit::Millis);
        series.push_time(Duration::from_micros(2500));
        assert_eq!(series.summary(), "2.50 ms");
        series.push_time(Duration::from_micros(7500));
        assert_eq!(series.summary(), "2.50 ms (2.50 ms to 7.50 ms)");
    }
}
