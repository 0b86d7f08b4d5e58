//! The clock that leases are measured on.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use vigie_model::{Clock, SystemClock, UnixNanos};

/// `CLOCK_BOOTTIME` (`clock_gettime(2)`): unlike the clock of [`std::time::Instant`] it goes on while the machine
/// sleeps, so that a lease is over when a suspended holder wakes up.
#[derive(Debug, Default)]
pub struct BootClock {
    wall: SystemClock,
}

impl Clock for BootClock {
    fn wall(&self) -> UnixNanos {
        self.wall.wall()
    }

    fn monotonic(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_kernel() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let now = BootClock::default().monotonic().as_secs_f64();
        assert!((now - uptime).abs() < 60.0, "{now} {uptime}");
    }
}
