//! What several looks at a port come to.
//!
//! Silence proves little: a probe may have been lost. So a place that ever got an answer has that answer, if it was always
//! the same and at most one look met silence; and where places differ at first, they are all asked again before anything
//! is said. An answer is never outvoted: one that contradicts another makes the port *flapping*.

use crate::finding::State;
use std::fmt;

/// How often ports are asked again on which places differ. All places are asked in turn each time, so that what changes
/// with time does not look like what changes with place.
pub const ROUNDS: usize = 3;

/// What the looks of one place come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Settled {
    /// Always the same.
    Known(State),
    /// Different answers, or an answer as often as none.
    Flapping,
    /// It could not be looked at.
    Unknown,
}

/// What the places together come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The same from everywhere.
    Consistent,
    /// Different from here and there, each time.
    VantageDependent,
    /// Different from one time to the next, at one place at least.
    Flapping,
    /// Some place could not look, and the others are of one mind.
    Inconclusive,
}

/// What one place knows after its looks, in the order of time. States are those of [`super::sight`].
#[must_use]
pub fn settle(looks: &[State]) -> Settled {
    let known = || looks.iter().copied().filter(|state| *state != State::Unknown);
    if looks.len() > 1 && known().count() < 2 {
        // Asked again because there was a doubt, which nothing has settled.
        return Settled::Unknown;
    }
    let silent = known().filter(|state| *state == State::Filtered).count();
    let mut answers = known().filter(|state| *state != State::Filtered);
    match answers.next() {
        None if silent == 0 => Settled::Unknown,
        None => Settled::Known(State::Filtered),
        Some(first) if answers.any(|other| other != first) => Settled::Flapping,
        // Machines send only so many of these a second (`icmp_ratelimit`): where there is one, silence is the same.
        Some(State::Unreachable) => Settled::Known(State::Unreachable),
        Some(first) if silent < 2 => Settled::Known(first),
        Some(_) => Settled::Flapping,
    }
}

/// What the places together come to.
#[must_use]
pub fn judge(places: &[Settled]) -> Verdict {
    let mut known = places.iter().filter_map(|place| match place {
        Settled::Known(state) => Some(*state),
        _ => None,
    });
    let first = known.next();
    if places.contains(&Settled::Flapping) {
        Verdict::Flapping
    } else if known.any(|state| Some(state) != first) {
        Verdict::VantageDependent
    } else if first.is_none() || places.contains(&Settled::Unknown) {
        Verdict::Inconclusive
    } else {
        Verdict::Consistent
    }
}

/// Whether a port is to be asked again: the first looks of the places differ, or one of them failed.
#[must_use]
pub fn is_in_doubt(first: impl IntoIterator<Item = State>) -> bool {
    let mut states = first.into_iter();
    let one = states.next();
    one == Some(State::Unknown) || states.any(|state| Some(state) != one)
}

impl Verdict {
    /// In one word, for scripts and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Consistent => "consistent",
            Verdict::VantageDependent => "vantage-dependent",
            Verdict::Flapping => "flapping",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

impl Settled {
    /// In one word: the state, `flapping` or `unknown`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Settled::Known(state) => state.word(),
            Settled::Flapping => "flapping",
            Settled::Unknown => State::Unknown.word(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Closed, Filtered, Open, Unknown, Unreachable};

    /// As the command does: first looks, and more only where they leave a doubt.
    fn verdict_of(looks: &[Vec<State>]) -> Verdict {
        let again = is_in_doubt(looks.iter().map(|looks| looks[0]));
        let seen = |looks: &Vec<State>| settle(if again { looks } else { &looks[..1] });
        judge(&looks.iter().map(seen).collect::<Vec<_>>())
    }

    /// Every truth that is the same everywhere, from two to four places, with one probe lost at any place and time.
    #[test]
    fn one_lost_probe_is_never_a_difference() {
        for truth in [Open, Closed, Filtered, Unreachable] {
            for places in 2..=4 {
                for lost in 0..places * (1 + ROUNDS) {
                    let mut looks = vec![vec![truth; 1 + ROUNDS]; places];
                    looks[lost / (1 + ROUNDS)][lost % (1 + ROUNDS)] = Filtered;
                    assert_eq!(verdict_of(&looks), Verdict::Consistent, "{truth}, {looks:?}");
                }
            }
        }
    }

    /// With any number of lost probes there is no difference where there is none, as long as each place got an answer.
    #[test]
    fn lost_probes_make_doubts_and_no_differences() {
        for truth in [Open, Closed, Unreachable] {
            for lost in 0_u32..1 << (2 * (1 + ROUNDS)) {
                let look = |bit: usize| if lost & (1 << bit) == 0 { truth } else { Filtered };
                let place = |n: usize| (0..=ROUNDS).map(|i| look(n * (1 + ROUNDS) + i)).collect::<Vec<_>>();
                let looks = [place(0), place(1)];
                if looks.iter().all(|looks| looks.contains(&truth)) {
                    assert_ne!(verdict_of(&looks), Verdict::VantageDependent, "{truth}, {looks:?}");
                }
            }
        }
    }

    /// And one lost probe hides no difference either, where each place answers something.
    #[test]
    fn one_lost_probe_hides_no_difference() {
        for (one, other) in [(Open, Closed), (Open, Unreachable), (Closed, Filtered), (Open, Filtered)] {
            for lost in 0..2 * (1 + ROUNDS) {
                let mut looks = [vec![one; 1 + ROUNDS], vec![other; 1 + ROUNDS]];
                looks[lost / (1 + ROUNDS)][lost % (1 + ROUNDS)] = Filtered;
                // Unless both are silent at the first look, which makes them one: then there was nothing to see.
                if is_in_doubt([looks[0][0], looks[1][0]]) {
                    assert_eq!(verdict_of(&looks), Verdict::VantageDependent, "{looks:?}");
                }
            }
        }
    }

    #[test]
    fn what_changes_with_time_is_flapping() {
        assert_eq!(settle(&[Open, Closed, Open, Closed]), Settled::Flapping);
        assert_eq!(settle(&[Closed, Open, Open, Open]), Settled::Flapping);
        assert_eq!(settle(&[Open, Filtered, Filtered, Open]), Settled::Flapping);
        assert_eq!(settle(&[Unreachable, Filtered, Filtered, Filtered]), Settled::Known(Unreachable));
    }

    #[test]
    fn what_could_not_be_looked_at_is_never_the_same() {
        assert_eq!(verdict_of(&[vec![Open; 4], vec![Unknown; 4]]), Verdict::Inconclusive);
        assert_eq!(verdict_of(&[vec![Unknown; 4], vec![Unknown; 4]]), Verdict::Inconclusive);
        let looks = [vec![Open; 4], vec![Unknown; 4], vec![Closed; 4]];
        assert_eq!(verdict_of(&looks), Verdict::VantageDependent);
        assert_eq!(settle(&[Unknown, Filtered, Unknown, Unknown]), Settled::Unknown);
        assert_eq!(settle(&[Unknown, Open, Unknown, Unknown]), Settled::Unknown);
        assert_eq!(settle(&[Unknown, Open, Open, Open]), Settled::Known(Open));
        assert_eq!(judge(&[]), Verdict::Inconclusive);
    }
}
