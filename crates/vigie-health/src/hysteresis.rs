//! How often something must be found before it is held to be true. Pure: no clock, no I/O.

use crate::verdict::{State, Verdict};
use std::num::NonZeroU32;

/// Findings in, states out. What is up must be found down `fall` times in a row to be down, and what is down found
/// well `rise` times in a row to be up. The first clear finding decides alone, and one that says nothing
/// ([`Verdict::Unknown`]) neither counts nor breaks a row.
#[derive(Clone, Debug)]
pub struct Hysteresis {
    rise: NonZeroU32,
    fall: NonZeroU32,
    state: State,
    /// Findings in a row that contradict the state.
    against: u32,
}

/// A state that has become another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
}

impl Hysteresis {
    /// One about which nothing is known yet.
    pub fn new(rise: NonZeroU32, fall: NonZeroU32) -> Self {
        Hysteresis { rise, fall, state: State::Unknown, against: 0 }
    }

    /// One that believes every finding: for what does not flap by itself.
    pub fn none() -> Self {
        Hysteresis::new(NonZeroU32::MIN, NonZeroU32::MIN)
    }

    /// What is held to be true.
    pub fn state(&self) -> State {
        self.state
    }

    /// Findings in a row that contradict the state so far.
    pub fn against(&self) -> u32 {
        self.against
    }

    /// Takes one finding.
    pub fn take(&mut self, verdict: Verdict) -> Option<Change> {
        let found = match verdict {
            Verdict::Ok | Verdict::Warning => State::Up,
            Verdict::Critical => State::Down,
            Verdict::Unknown => return None,
        };
        if found == self.state {
            self.against = 0;
            return None;
        }
        self.against = self.against.saturating_add(1);
        let needed = match self.state {
            State::Unknown => NonZeroU32::MIN,
            State::Up => self.fall,
            State::Down => self.rise,
        };
        if self.against < needed.get() {
            return None;
        }
        let change = Change { from: self.state, to: found };
        self.state = found;
        self.against = 0;
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Critical as C, Ok as O, Unknown as U, Warning as W};

    fn states(rise: u32, fall: u32, findings: &[Verdict]) -> String {
        let mut it = Hysteresis::new(rise.try_into().unwrap(), fall.try_into().unwrap());
        let letter = |state| match state {
            State::Unknown => '?',
            State::Up => 'u',
            State::Down => 'd',
        };
        findings
            .iter()
            .map(|&verdict| {
                let before = it.state();
                let change = it.take(verdict);
                let expected = (before != it.state()).then(|| Change { from: before, to: it.state() });
                assert_eq!(change, expected);
                letter(it.state())
            })
            .collect()
    }

    #[test]
    fn the_first_clear_finding_decides() {
        assert_eq!(states(3, 3, &[O]), "u");
        assert_eq!(states(3, 3, &[C]), "d");
        assert_eq!(states(3, 3, &[U, U, W]), "??u");
    }

    #[test]
    fn rows_are_counted_and_broken() {
        assert_eq!(states(2, 3, &[O, C, C, O, C, C, C]), "uuuuuud");
        assert_eq!(states(2, 3, &[C, O, C, O, O, C]), "ddddu".to_owned() + "u");
        assert_eq!(states(1, 1, &[O, C, O, C]), "udud");
    }

    #[test]
    fn what_says_nothing_neither_counts_nor_breaks() {
        assert_eq!(states(2, 2, &[O, U, U, U, C, U, C]), "uuuuuud");
        assert_eq!(states(2, 2, &[O, W, C, W, C]), "uuuuu");
    }
}
