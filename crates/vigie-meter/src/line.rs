//! One line through all that happens to it: the wrong speed, silence, noise, a plug that is pulled and put back.

use crate::device::{Device, DeviceError};
use crate::limits;
use crate::tic::{Counts, Frame, Listener, Mode, Parity, Ways};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Which line, and what is known of it.
#[derive(Clone, Debug)]
pub struct LineConfig {
    /// The device, or a recording.
    pub path: PathBuf,
    /// What need not be found out.
    pub ways: Ways,
    /// Whether to wait for a device that is not there at the start.
    pub wait: bool,
}

/// What happens on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is open.
    Opened,
    /// It is not there, and is waited for.
    Absent(String),
    /// It speaks this.
    Found(Mode, Parity),
    /// A frame ended.
    Frame(Frame),
    /// For so long no group came that counts; bytes came, or none at all.
    Silent {
        /// For how long.
        since: Duration,
        /// Bytes that came in this time.
        bytes: u64,
    },
    /// What it spoke is no longer understood; it is searched again.
    Lost,
    /// It has gone, and is waited for.
    Gone(String),
    /// The recording is at its end.
    End,
}

/// Reads a line for ever, or a recording to its end, and tells what happens; ends when `tell` returns false.
///
/// # Errors
/// The line cannot be opened at the start. One that goes later is waited for.
pub async fn listen(
    config: LineConfig,
    mut tell: impl FnMut(News, &Counts) -> bool,
) -> Result<(), DeviceError> {
    let mut line = Line {
        listener: Listener::new(config.ways),
        speed: config.ways.mode.unwrap_or(Mode::Historic),
        start: Instant::now(),
        config,
    };
    let mut was_open = line.config.wait;
    let mut told_absent = false;
    loop {
        match Device::open(&line.config.path, line.speed) {
            Ok(device) => {
                (was_open, told_absent) = (true, false);
                if !line.read(device, &mut tell).await {
                    return Ok(());
                }
            }
            Err(error) if was_open => {
                let is_told = std::mem::replace(&mut told_absent, true);
                if !is_told && !tell(News::Absent(error.to_string()), line.listener.counts()) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
        sleep(limits::REOPEN).await;
    }
}

struct Line {
    config: LineConfig,
    listener: Listener,
    /// The mode whose speed is set.
    speed: Mode,
    start: Instant,
}

impl Line {
    /// Reads until the device goes (true: it is to be opened again) or nobody listens.
    async fn read(&mut self, mut device: Device, tell: &mut impl FnMut(News, &Counts) -> bool) -> bool {
        if !tell(News::Opened, self.listener.counts()) {
            return false;
        }
        let mut buffer = [0; limits::PIECE_BYTES];
        let mut look = interval(limits::LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Watch::new(self.start.elapsed(), self.listener.counts().bytes);
        loop {
            let goes_on = tokio::select! {
                read = device.read(&mut buffer) => match read {
                    Ok(0) => {
                        tell(News::End, self.listener.counts());
                        return false;
                    }
                    Ok(count) => self.take(&buffer[..count], tell),
                    Err(error) => {
                        self.listener.search();
                        return tell(News::Gone(error.to_string()), self.listener.counts());
                    }
                },
                _ = look.tick() => match self.look(&device, &mut watch, tell) {
                    Ok(goes_on) => goes_on,
                    Err(error) => {
                        self.listener.search();
                        return tell(News::Gone(error.to_string()), self.listener.counts());
                    }
                },
            };
            if !goes_on {
                return false;
            }
        }
    }

    fn take(&mut self, bytes: &[u8], tell: &mut impl FnMut(News, &Counts) -> bool) -> bool {
        let at = self.start.elapsed();
        let before = self.listener.way();
        let mut frames = Vec::new();
        self.listener.feed(bytes, at, |frame| frames.push(frame));
        let mut goes_on = true;
        if let Some((mode, parity)) = self.listener.way().filter(|_| before.is_none()) {
            goes_on = tell(News::Found(mode, parity), self.listener.counts());
        }
        for frame in frames {
            goes_on = goes_on && tell(News::Frame(frame), self.listener.counts());
        }
        goes_on
    }

    /// Sees to silence and speed.
    fn look(
        &mut self,
        device: &Device,
        watch: &mut Watch,
        tell: &mut impl FnMut(News, &Counts) -> bool,
    ) -> Result<bool, DeviceError> {
        let now = self.start.elapsed();
        let mut goes_on = true;
        if self.listener.give_up(now) {
            goes_on = tell(News::Lost, self.listener.counts());
            watch.tried = now;
        }
        if let Some(news) = watch.silence(now, &self.listener) {
            goes_on = goes_on && tell(news, self.listener.counts());
        }
        let is_lost = self.listener.way().is_none();
        if is_lost && self.config.ways.mode.is_none() && now.saturating_sub(watch.tried) >= limits::TRY_SPEED
        {
            self.speed = match self.speed {
                Mode::Historic => Mode::Standard,
                Mode::Standard => Mode::Historic,
            };
            device.set_mode(self.speed)?;
            watch.tried = now;
            tracing::debug!(baud = self.speed.baud(), "trying another speed");
        }
        Ok(goes_on)
    }
}

/// What is known of silence.
struct Watch {
    /// When this speed was set.
    tried: Duration,
    opened: Duration,
    /// Bytes when a group was heard last.
    bytes: u64,
    heard: Duration,
    told: bool,
}

impl Watch {
    fn new(now: Duration, bytes: u64) -> Self {
        Watch { tried: now, opened: now, bytes, heard: Duration::ZERO, told: false }
    }

    /// Tells of silence once; it is over with the next group.
    fn silence(&mut self, now: Duration, listener: &Listener) -> Option<News> {
        let heard = listener.heard().max(self.opened);
        if heard > self.heard {
            (self.heard, self.bytes, self.told) = (heard, listener.counts().bytes, false);
        }
        let since = now.saturating_sub(heard);
        if self.told || since < limits::SILENCE {
            return None;
        }
        self.told = true;
        Some(News::Silent { since, bytes: listener.counts().bytes.saturating_sub(self.bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tic::samples;

    #[test]
    fn noise_is_told_once_and_again_after_a_group() {
        let at = Duration::from_secs;
        let mut listener = Listener::new(Ways::default());
        let mut watch = Watch::new(at(0), 0);
        // What a line of another speed brings: bytes without form.
        listener.feed(&[0xF8, 0x1C, 0xE0, 0xFE, 0x07].repeat(40), at(3), |_| {});
        assert_eq!(watch.silence(at(9), &listener), None);
        assert_eq!(watch.silence(at(10), &listener), Some(News::Silent { since: at(10), bytes: 200 }));
        assert_eq!(watch.silence(at(60), &listener), None);
        listener.feed(&samples::historic(), at(61), |_| {});
        assert_eq!(watch.silence(at(62), &listener), None);
        assert_eq!(watch.silence(at(71), &listener), Some(News::Silent { since: at(10), bytes: 0 }));
    }
}
