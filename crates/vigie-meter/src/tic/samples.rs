//! Frames to begin with: for tests, and for the simulated meter.

use super::decoder::{CR, ETX, LF, STX};
use super::mode::{Mode, checksum};

/// A frame in the making; checksums are computed.
#[derive(Clone, Debug)]
pub struct FrameText {
    mode: Mode,
    bytes: Vec<u8>,
}

impl FrameText {
    /// An empty frame.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        FrameText { mode, bytes: vec![STX] }
    }

    /// Adds a group. In standard mode a value with a time is written `time`, tab, `value`.
    #[must_use]
    pub fn group(mut self, label: &str, value: &str) -> Self {
        let separator = char::from(self.mode.separator());
        let mut body = format!("{label}{separator}{value}").into_bytes();
        let sum = match self.mode {
            Mode::Historic => checksum(&body),
            Mode::Standard => checksum(&[body.as_slice(), b"\t"].concat()),
        };
        body.extend([self.mode.separator(), sum]);
        self.bytes.push(LF);
        self.bytes.extend(body);
        self.bytes.push(CR);
        self
    }

    /// The frame, seven bits a byte.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(ETX);
        self.bytes
    }
}

/// A historic frame: peak and off-peak hours, one phase.
#[must_use]
pub fn historic() -> Vec<u8> {
    historic_with(40_177_099, 35_972_694, 1289)
}

/// The same with other counters and another power.
#[must_use]
pub fn historic_with(off_peak_wh: u64, peak_wh: u64, va: u64) -> Vec<u8> {
    FrameText::new(Mode::Historic)
        .group("ADCO", "012345678901")
        .group("OPTARIF", "HC..")
        .group("ISOUSC", "45")
        .group("HCHC", &format!("{:09}", off_peak_wh % 1_000_000_000))
        .group("HCHP", &format!("{:09}", peak_wh % 1_000_000_000))
        .group("PTEC", "HP..")
        .group("IINST", &format!("{:03}", (va / 230).min(200)))
        .group("IMAX", "090")
        .group("PAPP", &format!("{:05}", va.min(36_000)))
        .group("HHPHC", "A")
        .group("MOTDETAT", "000000")
        .finish()
}

/// A standard frame: Tempo, a red day before a white one.
#[must_use]
pub fn standard() -> Vec<u8> {
    standard_with("E240615143000", 31_427_787, 2385, 780)
}

/// The same with another time, other counters and another power.
#[must_use]
pub fn standard_with(time: &str, total_wh: u64, red_wh: u64, va: u64) -> Vec<u8> {
    FrameText::new(Mode::Standard)
        .group("ADSC", "012345678901")
        .group("VTIC", "02")
        .group("DATE", &format!("{time}\t"))
        .group("NGTF", "      TEMPO     ")
        .group("LTARF", "    HP  ROUGE   ")
        .group("EAST", &format!("{:09}", total_wh % 1_000_000_000))
        .group("EASF06", &format!("{:09}", red_wh % 1_000_000_000))
        .group("IRMS1", &format!("{:03}", (va / 233).min(200)))
        .group("URMS1", "233")
        .group("PREF", "09")
        .group("SINSTS", &format!("{:05}", va.min(36_000)))
        .group("SMAXSN", "E240615064656\t03112")
        .group("STGE", "0B3A1401")
        .group("PRM", "01234567890123")
        .group("NTARF", "06")
        .group("NJOURF+1", "00")
        .finish()
}
