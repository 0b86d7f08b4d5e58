//! What has changed since the baseline.

use super::baseline::StatesThen;
use super::verdict::Settled;
use super::view::View;
use crate::finding::State;

/// How a port has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// It is open, and was not.
    Added,
    /// It was open, and is not.
    Removed,
    /// Something else is different.
    Changed,
}

/// A port that is not as it was, from places that agree about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The port.
    pub port: u16,
    /// How it was.
    pub was: State,
    /// How it is.
    pub is: State,
    /// The places, by their numbers.
    pub places: Vec<usize>,
}

/// The comparison of a view with how it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drifts {
    /// By port, then by state.
    pub found: Vec<Drift>,
    /// Pairs of port and place that cannot be compared: the state now, or then, is not known.
    pub unknown: usize,
    /// Places that the baseline does not know.
    pub new_places: Vec<usize>,
}

/// Compares. `places` are the names of the view's places.
#[must_use]
pub fn compare(view: &View, places: &[String], then: &StatesThen) -> Drifts {
    let new = |(place, name): (usize, &String)| (!then.contains_key(name)).then_some(place);
    let mut drifts =
        Drifts { new_places: places.iter().enumerate().filter_map(new).collect(), ..Drifts::default() };
    for port in view.ports() {
        for (place, name) in places.iter().enumerate() {
            let Some(states) = then.get(name) else { continue };
            let (Some(was), Settled::Known(is)) = (states.get(&port).copied(), view.settled(port, place))
            else {
                drifts.unknown += 1;
                continue;
            };
            if was == is {
                continue;
            }
            let same = |drift: &&mut Drift| (drift.port, drift.was, drift.is) == (port, was, is);
            match drifts.found.iter_mut().find(same) {
                Some(drift) => drift.places.push(place),
                None => drifts.found.push(Drift { port, was, is, places: vec![place] }),
            }
        }
    }
    drifts
}

impl Drift {
    /// How.
    #[must_use]
    pub fn change(&self) -> Change {
        match (self.was, self.is) {
            (_, State::Open) => Change::Added,
            (State::Open, _) => Change::Removed,
            _ => Change::Changed,
        }
    }
}

impl Change {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sight::Sight;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn only_what_is_known_then_and_now_has_changed() {
        let mut view = View::new(&[22, 80, 81, 82], 2);
        let seen = [
            [State::Open, State::Open, State::Closed, State::Unknown],
            [State::Open, State::Open, State::Filtered, State::Open],
        ];
        for (place, states) in seen.iter().enumerate() {
            for (port, state) in [22, 80, 81, 82].into_iter().zip(states) {
                view.add(place, port, Sight::new(*state, "x"));
            }
        }
        let places = ["a", "b"].map(str::to_owned);
        let states = |pairs: &[(u16, State)]| pairs.iter().copied().collect::<BTreeMap<_, _>>();
        let then = StatesThen::from([
            (
                "a".into(),
                states(&[(22, State::Open), (80, State::Closed), (81, State::Open), (82, State::Open)]),
            ),
            ("b".into(), states(&[(22, State::Open), (80, State::Closed), (81, State::Closed)])),
        ]);
        let drifts = compare(&view, &places, &then);
        let told: Vec<(u16, &str, usize)> = drifts
            .found
            .iter()
            .map(|drift| (drift.port, drift.change().word(), drift.places.len()))
            .collect();
        assert_eq!(told, [(80, "added", 2), (81, "removed", 1), (81, "changed", 1)]);
        assert_eq!(drifts.unknown, 2);
        let nobody = compare(&view, &places, &StatesThen::new());
        assert_eq!((nobody.found.len(), nobody.new_places), (0, vec![0, 1]));
    }
}
