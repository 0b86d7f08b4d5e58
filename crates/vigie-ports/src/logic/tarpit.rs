//! Machines on which every port accepts: tarpits, SYN proxies, port spoofers. There an answer proves nothing.

/// Ports asked for, at least, before a share of them means anything.
const ASKED_MIN: u32 = 256;

/// Above this share of open ports nobody runs that many services.
const SHARE: f64 = 0.2;

/// High ports that are looked at one by one.
const HIGH_LOOKED_AT: usize = 16;

/// So many of them open means that all are.
const HIGH_OPEN: usize = 8;

/// Ports above it belong to nobody in particular.
pub(crate) const HIGH: u16 = 10_000;

/// Whether so many ports are open that it cannot be true. `high` tells of high ports in random order whether they
/// are open.
pub(crate) fn is_tarpit(asked: u32, open: u32, high: impl Iterator<Item = bool>) -> bool {
    if asked < ASKED_MIN {
        return false;
    }
    let high: Vec<bool> = high.take(HIGH_LOOKED_AT).collect();
    let high_open = high.iter().filter(|open| **open).count();
    f64::from(open) > SHARE * f64::from(asked) || (high.len() == HIGH_LOOKED_AT && high_open >= HIGH_OPEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_ports_may_all_be_open() {
        assert!(!is_tarpit(255, 255, std::iter::repeat_n(true, 255)));
        assert!(is_tarpit(256, 52, std::iter::empty()));
        assert!(!is_tarpit(256, 51, std::iter::repeat_n(true, 15)));
    }

    #[test]
    fn high_ports_tell_by_themselves() {
        assert!(is_tarpit(65_535, 100, (0..16).map(|n| n < 8)));
        assert!(!is_tarpit(65_535, 100, (0..16).map(|n| n < 7)));
    }
}
