//! What a check finds, and what follows from several.

use serde::Serialize;

/// What one look found, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All is well.
    Ok,
    /// It works, and somebody should have a look.
    Warning,
    /// It could not be looked at: this says nothing about what was to be looked at.
    Unknown,
    /// It does not work.
    Critical,
}

impl Verdict {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Unknown => "unknown",
            Verdict::Critical => "critical",
        }
    }
}

/// What is held to be true of something that is looked at again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was not found to be either yet.
    #[default]
    Unknown,
    /// It works.
    Up,
    /// It does not.
    Down,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Up => "up",
            State::Down => "down",
        }
    }

    /// The worst of several: one that is down is enough, and of nothing one hopes the best.
    pub fn worst(states: impl IntoIterator<Item = State>) -> State {
        states.into_iter().fold(State::Up, |worst, state| match (worst, state) {
            (State::Down, _) | (_, State::Down) => State::Down,
            (State::Unknown, _) | (_, State::Unknown) => State::Unknown,
            (State::Up, State::Up) => State::Up,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        use State::{Down, Unknown, Up};
        assert_eq!(State::worst([]), Up);
        assert_eq!(State::worst([Up, Up]), Up);
        assert_eq!(State::worst([Up, Unknown]), Unknown);
        assert_eq!(State::worst([Unknown, Down, Up]), Down);
        assert!(Verdict::Ok < Verdict::Warning && Verdict::Unknown < Verdict::Critical);
    }
}
