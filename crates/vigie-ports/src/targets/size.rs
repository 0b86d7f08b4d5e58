//! What is too much to be meant.

use std::time::Duration;

use crate::limits::{ADDRESSES_UNASKED_MAX, PROBES_UNASKED_MAX, USUAL_RATE};

/// More than is scanned without being asked twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{addresses} addresses with {ports} port{} each are {probes} probes at the least, and take {}",
    if *.ports == 1 { "" } else { "s" }, span(*.takes)
)]
pub struct TooLarge {
    /// Addresses asked for.
    pub addresses: u128,
    /// Ports of each.
    pub ports: usize,
    /// The least number of probes.
    pub probes: u128,
    /// How long it takes at the rate that was asked for, or else at the usual one.
    pub takes: Duration,
}

/// Refuses what would take a day, with how long it would take.
///
/// # Errors
///
/// If there are more addresses or probes than somebody who did not slip would ask for.
pub fn check(addresses: u128, ports: usize, rate: Option<u32>) -> Result<(), TooLarge> {
    let probes = addresses.saturating_mul(ports as u128);
    if addresses <= ADDRESSES_UNASKED_MAX && probes <= PROBES_UNASKED_MAX {
        return Ok(());
    }
    let rate = rate.unwrap_or(USUAL_RATE).max(1);
    let seconds = u64::try_from(probes / u128::from(rate)).unwrap_or(u64::MAX);
    Err(TooLarge { addresses, ports, probes, takes: Duration::from_secs(seconds) })
}

fn span(takes: Duration) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    const YEAR: u64 = 365 * DAY;
    match takes.as_secs() {
        // More than any number says: its rest is not worth its digits.
        seconds if seconds / YEAR >= 1_000_000 => "more than a million years".to_owned(),
        seconds @ 0..HOUR => format!("about {} minutes", seconds.div_ceil(60)),
        seconds @ HOUR..DAY => format!("about {} hours", seconds.div_ceil(HOUR)),
        seconds @ DAY..YEAR => format!("about {} days", seconds.div_ceil(DAY)),
        seconds => format!("about {} years", seconds.div_ceil(YEAR)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_told_in_words_that_can_be_read() {
        let told = |addresses, ports| check(addresses, ports, None).unwrap_err().to_string();
        assert_eq!(
            told(1 << 32, 1),
            "4294967296 addresses with 1 port each are 4294967296 probes at the least, and take about 5 days"
        );
        assert!(told(u128::MAX, 1000).ends_with("and take more than a million years"));
    }
}
