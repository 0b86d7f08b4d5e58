//! A meter that is not there: frames at real pace on a pseudo-terminal.

use crate::tic::{Mode, Parity, samples};
use jiff::{Timestamp, tz::Offset};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Watt-seconds of a watt-hour.
const SECONDS_PER_HOUR: u64 = 3600;

/// What a simulated household draws, in VA, one value a frame, over and over.
const DAY_VA: [u64; 8] = [240, 310, 780, 1289, 2150, 3400, 1900, 520];

/// A meter that counts.
#[derive(Clone, Debug)]
pub struct SimulatedMeter {
    mode: Mode,
    frames: usize,
    /// Watt-seconds since the start.
    drawn_ws: u64,
}

impl SimulatedMeter {
    /// A meter whose first frame is the reference frame's, but for power and time.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        SimulatedMeter { mode, frames: 0, drawn_ws: 0 }
    }

    /// The next frame, seven bits a byte; `at` is the meter's time.
    pub fn next_frame(&mut self, at: Timestamp) -> Vec<u8> {
        let va = DAY_VA[self.frames % DAY_VA.len()];
        self.frames += 1;
        self.drawn_ws += va * self.mode_pause().as_millis() as u64 / 1000;
        let drawn = self.drawn_ws / SECONDS_PER_HOUR;
        match self.mode {
            Mode::Historic => samples::historic_with(40_177_099, 35_972_694 + drawn, va),
            Mode::Standard => samples::standard_with(&horodate(at), 31_427_787 + drawn, 2385 + drawn, va),
        }
    }

    /// From the start of a frame to that of the next, about.
    fn mode_pause(&self) -> Duration {
        match self.mode {
            Mode::Historic => Duration::from_millis(1500),
            Mode::Standard => Duration::from_millis(1300),
        }
    }
}

/// The meter's way to write a time, in winter time all year round.
fn horodate(at: Timestamp) -> String {
    let winter = Offset::constant(1).to_datetime(at);
    winter.strftime("H%y%m%d%H%M%S").to_string()
}

/// A pseudo-terminal with a meter on its other end.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    /// Held open, so that a reader that leaves does not end the line.
    _peer: OwnedFd,
    path: PathBuf,
}

impl Pty {
    /// Makes one; what is written comes out as it is.
    ///
    /// # Errors
    /// What the system said.
    pub fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let peer =
            ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        let mut termios = tcgetattr(&peer)?;
        termios.make_raw();
        tcsetattr(&peer, OptionalActions::Now, &termios)?;
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        Ok(Pty { master, _peer: peer, path })
    }

    /// Where readers find it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends bytes. What nobody reads is lost, as on a real line.
    ///
    /// # Errors
    /// What the system said.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match rustix::io::write(&self.master, bytes) {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends bytes at the pace of a line of so many baud, ten bits a byte.
    ///
    /// # Errors
    /// What the system said.
    pub async fn send_at_pace(&self, bytes: &[u8], baud: u32) -> io::Result<()> {
        let piece = (baud / 10 / TICKS_PER_SECOND).max(1) as usize;
        let mut tick = tokio::time::interval(Duration::from_secs(1) * piece as u32 / (baud / 10).max(1));
        for bytes in bytes.chunks(piece) {
            tick.tick().await;
            self.send(bytes)?;
        }
        Ok(())
    }
}

/// Pieces a second: bytes of a real line also come in small ones.
const TICKS_PER_SECOND: u32 = 50;

/// Between two frames: the specification allows 16.7 to 33.4 ms.
pub const PAUSE: Duration = Duration::from_millis(25);

/// Bytes as the line carries them, with every `flip_every`th damaged in one bit (0: none). `sent` counts over all frames.
pub fn dress(bytes: &[u8], parity: Parity, flip_every: u64, sent: &mut u64) -> Vec<u8> {
    let mut dressed = Vec::with_capacity(bytes.len());
    for byte in bytes {
        *sent += 1;
        let is_hit = flip_every != 0 && sent.is_multiple_of(flip_every);
        // Which bit goes round with the count.
        let flip = if is_hit { 1 << ((*sent / flip_every) % 8) } else { 0 };
        dressed.push(parity.dress(*byte) ^ flip);
    }
    dressed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_meters_do() {
        let at = "2024-06-15T12:30:00Z".parse().unwrap();
        assert_eq!(horodate(at), "H240615133000");
        assert_eq!(crate::tic::Horodate::parse("H240615133000").unwrap().at, Some(at));
    }

    #[test]
    fn every_nth_byte_is_damaged_in_one_bit() {
        let mut sent = 0;
        let clean = vec![0x30; 100];
        let damaged = dress(&clean, Parity::Stripped, 10, &mut sent);
        let hits: Vec<u32> = clean.iter().zip(&damaged).map(|(a, b)| (a ^ b).count_ones()).collect();
        assert_eq!(hits.iter().sum::<u32>(), 10);
        assert_eq!(hits.iter().max(), Some(&1));
    }
}
