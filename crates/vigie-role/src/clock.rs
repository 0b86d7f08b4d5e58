//! The clock that leases are measured on.

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vigie_model::{Clock, SystemClock, UnixNanos};

/// How often the time is looked at where no timer can be had.
const WITHOUT_TIMER: Duration = Duration::from_millis(50);

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

/// Wakes whoever waits for a moment.
#[derive(Debug)]
pub enum Alarm {
    /// By a timer of the kernel on [`BootClock`]: a moment that passed while the machine slept is noticed when it wakes.
    Boot(AsyncFd<OwnedFd>),
    /// By the runtime's own time, for clocks that run with it.
    Runtime(Arc<dyn Clock>),
}

impl Alarm {
    /// For [`BootClock`].
    ///
    /// # Errors
    /// What the system says, of `timerfd_create(2)`.
    pub fn boot() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Alarm::Boot(readable(timer)?))
    }

    /// Returns once the clock shows this moment; never for none. Dropped before, it has done nothing.
    pub async fn wait_until(&mut self, moment: Option<Duration>) {
        let Some(moment) = moment else { return pending().await };
        match self {
            Alarm::Runtime(clock) => {
                tokio::time::sleep(moment.saturating_sub(clock.monotonic())).await;
            }
            Alarm::Boot(timer) => {
                if let Err(why) = ring(timer, moment).await {
                    tracing::error!("the timer of the boot clock failed: {why}");
                    tokio::time::sleep(WITHOUT_TIMER).await;
                }
            }
        }
    }
}

/// Registers a descriptor that stays open and the same for as long as the registration lasts.
#[allow(unsafe_code)]
fn readable(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` gives the same descriptor every time and is closed by nobody else.
    unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }.map_err(io::Error::from)
}

async fn ring(timer: &AsyncFd<OwnedFd>, moment: Duration) -> io::Result<()> {
    // All zeroes would switch it off.
    let moment = moment.max(Duration::from_nanos(1));
    let it_value = Timespec {
        tv_sec: i64::try_from(moment.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: moment.subsec_nanos().into(),
    };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
    timerfd_settime(timer.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
    loop {
        let mut ready = timer.readable().await?;
        let mut count = [0; 8];
        match rustix::io::read(timer.get_ref(), &mut count) {
            Ok(_) => return Ok(()),
            // It rang for an earlier setting, and that was taken back by the new one.
            Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
            Err(why) => return Err(why.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_at_the_moment_and_not_before() {
        let clock = BootClock::default();
        let mut alarm = Alarm::boot().unwrap();
        for ms in [0, 20, 5] {
            let moment = clock.monotonic() + Duration::from_millis(ms);
            alarm.wait_until(Some(moment)).await;
            assert!(clock.monotonic() >= moment);
        }
        // A wait that was given up leaves nothing behind. It is given up before it is over, also where the test has to
        // wait for its turn.
        let soon = clock.monotonic() + Duration::from_secs(1);
        tokio::select! {
            biased;
            () = alarm.wait_until(Some(soon)) => panic!("too early"),
            () = std::future::ready(()) => {}
        }
        let later = clock.monotonic() + Duration::from_millis(1200);
        alarm.wait_until(Some(later)).await;
        assert!(clock.monotonic() >= later);
    }

    #[test]
    fn it_agrees_with_the_kernel() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let now = BootClock::default().monotonic().as_secs_f64();
        assert!((now - uptime).abs() < 60.0, "{now} {uptime}");
    }
}
