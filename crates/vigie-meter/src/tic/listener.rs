//! Which mode a line speaks, and whether its parity is still there: found out by reading it in all ways at once.

use super::decoder::{Decoder, Event};
use super::frame::{Assembler, Frame};
use super::group::FaultKind;
use super::mode::{Mode, Parity};
use super::plausible::Judge;
use crate::limits;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of a line from the start; the rest is found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ways {
    /// The mode, if it is known.
    pub mode: Option<Mode>,
    /// The parity, if it is known.
    pub parity: Option<Parity>,
}

/// What a listener counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes heard.
    pub bytes: u64,
    /// Frames in which nothing was lost.
    pub frames_whole: u64,
    /// Frames in which something was lost.
    pub frames_partial: u64,
    /// Groups that count.
    pub groups: u64,
    /// What did not count, by kind.
    pub faults: BTreeMap<FaultKind, u64>,
}

/// One way to read a line.
#[derive(Clone, Debug)]
struct Reader {
    decoder: Decoder,
    assembler: Assembler,
    groups: u32,
}

/// Reads a line, whatever it speaks.
///
/// ```
/// use std::time::Duration;
/// use vigie_meter::tic::{Listener, Ways, samples};
///
/// let mut listener = Listener::new(Ways::default());
/// let mut frames = Vec::new();
/// listener.feed(&samples::historic(), Duration::ZERO, |frame| frames.push(frame));
/// assert_eq!(frames[0].number("PAPP"), Some(1289));
/// ```
#[derive(Clone, Debug)]
pub struct Listener {
    ways: Ways,
    /// One when the way is found; until then all that are possible.
    readers: Vec<Reader>,
    is_locked: bool,
    judge: Judge,
    counts: Counts,
    /// When a group that counts was heard last, or listening began.
    heard: Duration,
    /// Whether a first frame, joined in its middle, is still to be passed over.
    is_fresh: bool,
}

impl Listener {
    /// Nothing heard yet.
    #[must_use]
    pub fn new(ways: Ways) -> Self {
        let mut listener = Listener {
            ways,
            readers: Vec::new(),
            is_locked: false,
            judge: Judge::default(),
            counts: Counts::default(),
            heard: Duration::ZERO,
            is_fresh: true,
        };
        listener.search();
        listener
    }

    /// Begins again with all ways that are possible. What is known of the meter's counters stays.
    pub fn search(&mut self) {
        let modes = self.ways.mode.map_or(vec![Mode::Historic, Mode::Standard], |mode| vec![mode]);
        // Even parity first: of two that fit, the one that proves more.
        let parities = self.ways.parity.map_or(vec![Parity::Even, Parity::Stripped], |parity| vec![parity]);
        self.readers = modes
            .iter()
            .flat_map(|mode| parities.iter().map(|parity| (*mode, *parity)))
            .map(|(mode, parity)| Reader {
                decoder: Decoder::new(mode, parity),
                assembler: Assembler::new(mode),
                groups: 0,
            })
            .collect();
        self.is_locked = false;
        self.is_fresh = true;
    }

    /// How the line is read, once that is found.
    #[must_use]
    pub fn way(&self) -> Option<(Mode, Parity)> {
        let reader = self.readers.first().filter(|_| self.is_locked)?;
        Some((reader.decoder.mode(), reader.decoder.parity()))
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// When a group that counts was heard last; zero before the first.
    #[must_use]
    pub fn heard(&self) -> Duration {
        self.heard
    }

    /// Gives up a way of reading that has brought nothing for [`limits::SILENCE`]: the meter may have been set to its other
    /// mode. True when it was given up.
    pub fn give_up(&mut self, at: Duration) -> bool {
        let is_stale = self.is_locked && at.saturating_sub(self.heard) >= limits::SILENCE;
        if is_stale {
            self.search();
        }
        is_stale
    }

    /// Takes bytes that came at a time of a clock that never goes back; frames come out as they end.
    pub fn feed(&mut self, bytes: &[u8], at: Duration, mut give: impl FnMut(Frame)) {
        for byte in bytes {
            self.counts.bytes += 1;
            self.feed_one(*byte, at, &mut give);
        }
    }

    fn feed_one(&mut self, byte: u8, at: Duration, give: &mut impl FnMut(Frame)) {
        let mut ended = None;
        for (index, reader) in self.readers.iter_mut().enumerate() {
            let (groups, frame) = reader.feed(byte, self.is_locked, &mut self.counts);
            if groups {
                self.heard = self.heard.max(at);
            }
            if !self.is_locked && reader.groups >= limits::GROUPS_TO_LOCK {
                ended = Some((index, frame));
                break;
            }
            if self.is_locked && frame.is_some() {
                ended = Some((index, frame));
            }
        }
        let Some((index, frame)) = ended else { return };
        if !self.is_locked {
            self.readers.swap(0, index);
            self.readers.truncate(1);
            self.is_locked = true;
            self.counts.groups += u64::from(self.readers[0].groups);
        }
        if let Some(frame) = frame {
            self.frame(frame, at, give);
        }
    }

    fn frame(&mut self, mut frame: Frame, at: Duration, give: &mut impl FnMut(Frame)) {
        self.judge.judge(&mut frame, at);
        for fault in frame.faults.iter().filter(|f| f.label.is_some()) {
            *self.counts.faults.entry(fault.kind).or_default() += 1;
        }
        // Nobody comes at the right moment: the rest of a frame is no damage.
        let joined = std::mem::take(&mut self.is_fresh) && !frame.is_whole && frame.faults.len() <= 1;
        if joined || frame.readings.is_empty() {
            return;
        }
        if frame.is_whole {
            self.counts.frames_whole += 1;
        } else {
            self.counts.frames_partial += 1;
        }
        give(frame);
    }
}

impl Reader {
    /// Whether a group counted, and a frame that ended.
    fn feed(&mut self, byte: u8, is_locked: bool, counts: &mut Counts) -> (bool, Option<Frame>) {
        let (mut has_group, mut frame) = (false, None);
        let (assembler, groups) = (&mut self.assembler, &mut self.groups);
        self.decoder.feed(byte, |event| {
            match &event {
                Event::Group(_) => {
                    has_group = true;
                    *groups += 1;
                    counts.groups += u64::from(is_locked);
                }
                // While searching, three of four readers see nothing but faults.
                Event::Fault(kind) if is_locked => *counts.faults.entry(*kind).or_default() += 1,
                Event::Fault(_) | Event::Start | Event::End { .. } => {}
            }
            frame = assembler.take(event).or(frame.take());
        });
        (has_group, frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tic::samples;

    fn dressed(bytes: &[u8], parity: Parity) -> Vec<u8> {
        bytes.iter().map(|byte| parity.dress(*byte)).collect()
    }

    fn heard(listener: &mut Listener, bytes: &[u8], at: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        listener.feed(bytes, Duration::from_secs(at), |frame| frames.push(frame));
        frames
    }

    #[test]
    fn every_way_is_found_within_the_first_frame() {
        for (mode, bytes) in [(Mode::Historic, samples::historic()), (Mode::Standard, samples::standard())] {
            for parity in [Parity::Even, Parity::Stripped] {
                let mut listener = Listener::new(Ways::default());
                let frames = heard(&mut listener, &dressed(&bytes, parity), 1);
                assert_eq!(listener.way(), Some((mode, parity)));
                assert!(frames.len() == 1 && frames[0].is_whole, "{mode} {parity:?}: {frames:?}");
                assert_eq!(listener.counts().groups as usize, frames[0].readings.len());
                assert!(listener.counts().faults.is_empty());
            }
        }
    }

    #[test]
    fn a_frame_joined_in_its_middle_is_passed_over() {
        let bytes = samples::historic();
        let mut listener = Listener::new(Ways::default());
        assert_eq!(heard(&mut listener, &bytes[30..], 1), []);
        let frames = heard(&mut listener, &bytes, 2);
        assert!(frames[0].is_whole);
        assert_eq!((listener.counts().frames_whole, listener.counts().frames_partial), (1, 0));
    }

    #[test]
    fn a_meter_that_changes_its_mode_is_followed() {
        let mut listener = Listener::new(Ways::default());
        heard(&mut listener, &samples::historic(), 1);
        assert!(!listener.give_up(Duration::from_secs(5)));
        assert_eq!(heard(&mut listener, &samples::standard(), 6), []);
        assert!(listener.give_up(Duration::from_secs(12)));
        let frames = heard(&mut listener, &samples::standard(), 13);
        assert_eq!(frames[0].mode, Mode::Standard);
    }

    #[test]
    fn noise_locks_nothing() {
        let mut listener = Listener::new(Ways::default());
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(200_000)
        .collect();
        assert_eq!(heard(&mut listener, &noise, 1), []);
        assert_eq!(listener.way(), None);
    }
}
