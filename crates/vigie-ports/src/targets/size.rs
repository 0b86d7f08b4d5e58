//! What is too much to be meant.

use std::time::Duration;

use crate::limits::{ADDRESSES_UNASKED_MAX, PROBES_UNASKED_MAX, USUAL_RATE};

/// More than is scanned without being asked twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{addresses} addresses with {ports} ports each are {probes} probes at the least, and take about {}", span(*.takes))]
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
        seconds @ 0..HOUR => format!("{} minutes", seconds.div_ceil(60)),
        seconds @ HOUR..DAY => format!("{} hours", seconds.div_ceil(HOUR)),
        seconds @ DAY..YEAR => format!("{} days", seconds.div_ceil(DAY)),
        seconds => format!("{} years", seconds.div_ceil(YEAR)),
    }
}
