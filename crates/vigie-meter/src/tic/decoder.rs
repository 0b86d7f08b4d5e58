//! Bytes become groups and frames: a state machine that is fed byte by byte, and finds back after any damage.
//!
//! ```text
//! frame   STX group… ETX          EOT instead of ETX: the meter interrupts itself
//! group   LF label … checksum CR
//! ```

use super::group::{self, FaultKind};
use super::mode::{Mode, Parity};
use super::value::Reading;
use crate::limits;

pub(crate) const STX: u8 = 0x02;
pub(crate) const ETX: u8 = 0x03;
const EOT: u8 = 0x04;
pub(crate) const LF: u8 = 0x0A;
pub(crate) const CR: u8 = 0x0D;

/// What a byte brought to light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A frame begins.
    Start,
    /// A group whose parity, form, checksum and characters are right.
    Group(Reading),
    /// A group, or what should have been one, that does not count.
    Fault(FaultKind),
    /// A frame ends.
    End {
        /// The meter broke it off.
        is_interrupted: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first sign of a group, or between groups.
    Between,
    /// Within a group that may still be right.
    Group,
    /// Within a group that is lost; its end is waited for.
    Lost,
}

/// The state machine, for one mode and one kind of parity.
#[derive(Clone, Debug)]
pub struct Decoder {
    mode: Mode,
    parity: Parity,
    state: State,
    /// Whether the bytes between groups were already told of.
    told_stray: bool,
    body: Vec<u8>,
}

impl Decoder {
    /// A decoder at the start of a line.
    #[must_use]
    pub fn new(mode: Mode, parity: Parity) -> Self {
        let body = Vec::with_capacity(limits::GROUP_BYTES);
        Decoder { mode, parity, state: State::Between, told_stray: false, body }
    }

    /// In which mode it reads.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How it reads the eighth bit.
    #[must_use]
    pub fn parity(&self) -> Parity {
        self.parity
    }

    /// Takes one byte, eight bits as they came. At most two things come to light.
    pub fn feed(&mut self, byte: u8, mut tell: impl FnMut(Event)) {
        let Some(byte) = self.parity.strip(byte) else { return self.damaged(tell) };
        match byte {
            STX => {
                self.cut(&mut tell);
                tell(Event::Start);
            }
            ETX | EOT => {
                self.cut(&mut tell);
                tell(Event::End { is_interrupted: byte == EOT });
            }
            LF => {
                self.cut(&mut tell);
                self.state = State::Group;
                self.told_stray = false;
                self.body.clear();
            }
            CR => self.close(tell),
            byte => self.within(byte, tell),
        }
    }

    /// A byte of wrong parity: the group around it is lost.
    fn damaged(&mut self, mut tell: impl FnMut(Event)) {
        match self.state {
            State::Group => {
                self.state = State::Lost;
                tell(Event::Fault(FaultKind::Parity));
            }
            State::Between => self.stray(FaultKind::Parity, tell),
            State::Lost => {}
        }
    }

    /// Something begins or ends while a group is open.
    fn cut(&mut self, mut tell: impl FnMut(Event)) {
        if self.state == State::Group {
            tell(Event::Fault(FaultKind::Truncated));
        }
        self.state = State::Between;
        self.told_stray = false;
    }

    fn close(&mut self, mut tell: impl FnMut(Event)) {
        match self.state {
            State::Group => match group::parse(self.mode, self.parity, &self.body) {
                Ok(reading) => tell(Event::Group(reading)),
                Err(fault) => tell(Event::Fault(fault)),
            },
            // Its LF was damaged, and that was told.
            State::Between | State::Lost => {}
        }
        self.state = State::Between;
        self.told_stray = false;
    }

    fn within(&mut self, byte: u8, mut tell: impl FnMut(Event)) {
        match self.state {
            State::Group if self.body.len() == limits::GROUP_BYTES => {
                self.state = State::Lost;
                tell(Event::Fault(FaultKind::TooLong));
            }
            State::Group => self.body.push(byte),
            State::Between => self.stray(FaultKind::Stray, tell),
            State::Lost => {}
        }
    }

    /// Told once, however many bytes there are.
    fn stray(&mut self, kind: FaultKind, mut tell: impl FnMut(Event)) {
        if !self.told_stray {
            self.told_stray = true;
            tell(Event::Fault(kind));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tic::samples;

    fn events(mode: Mode, parity: Parity, bytes: &[u8]) -> Vec<Event> {
        let mut decoder = Decoder::new(mode, parity);
        let mut events = Vec::new();
        for byte in bytes {
            decoder.feed(*byte, |event| events.push(event));
        }
        events
    }

    #[test]
    fn a_frame_is_start_groups_and_end() {
        for (mode, bytes, groups) in
            [(Mode::Historic, samples::historic(), 11), (Mode::Standard, samples::standard(), 16)]
        {
            let events = events(mode, Parity::Stripped, &bytes);
            assert_eq!(events.first(), Some(&Event::Start));
            assert_eq!(events.last(), Some(&Event::End { is_interrupted: false }));
            let count = events.iter().filter(|event| matches!(event, Event::Group(_))).count();
            assert_eq!((count, events.len()), (groups, groups + 2), "{mode}");
        }
    }

    #[test]
    fn a_lost_group_costs_no_other() {
        let whole = samples::historic();
        let spoiled = String::from_utf8(whole.clone()).unwrap().replace("IMAX 090", "IMAX 091").into_bytes();
        let told = events(Mode::Historic, Parity::Stripped, &spoiled);
        assert_eq!(told.iter().filter(|e| matches!(e, Event::Fault(FaultKind::Checksum))).count(), 1);
        assert_eq!(told.iter().filter(|e| matches!(e, Event::Group(_))).count(), 10);
        assert_eq!(told.len(), events(Mode::Historic, Parity::Stripped, &whole).len());
    }

    #[test]
    fn the_end_of_an_interrupted_frame_is_told() {
        let mut bytes = samples::historic();
        bytes.truncate(40);
        bytes.extend(b"\x04\x02\nPAPP 00390 -\r\x03");
        let told = events(Mode::Historic, Parity::Stripped, &bytes);
        let end = told.iter().position(|e| *e == Event::End { is_interrupted: true }).unwrap();
        assert_eq!(told[end - 1], Event::Fault(FaultKind::Truncated));
        assert_eq!(told[end + 1], Event::Start);
        assert!(matches!(&told[end + 2], Event::Group(reading) if reading.label == "PAPP"));
    }

    #[test]
    fn noise_is_bounded_and_told_once() {
        let told = events(Mode::Historic, Parity::Stripped, &[b'x'; 10_000]);
        assert_eq!(told, [Event::Fault(FaultKind::Stray)]);
        let mut long = vec![LF];
        long.extend([b'x'; 10_000]);
        long.push(CR);
        assert_eq!(events(Mode::Historic, Parity::Stripped, &long), [Event::Fault(FaultKind::TooLong)]);
    }
}
