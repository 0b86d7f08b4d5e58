//! All ports of a target, from all places.

use super::sight::{PROHIBITED, Sight};
use super::verdict::{Settled, Verdict, is_in_doubt, judge, settle};
use crate::finding::State;
use std::collections::{BTreeMap, BTreeSet};

/// What all places saw of one target, look by look.
#[derive(Debug, Clone)]
pub struct View {
    places: usize,
    /// Each port with the looks of each place.
    looks: BTreeMap<u16, Vec<Vec<Sight>>>,
}

// === impl View ===

impl View {
    /// Of these ports from so many places, with nothing seen yet.
    #[must_use]
    pub fn new(ports: &[u16], places: usize) -> Self {
        View { places, looks: ports.iter().map(|port| (*port, vec![Vec::new(); places])).collect() }
    }

    /// Adds a look. One at a port or from a place that nobody asked about is passed over.
    pub fn add(&mut self, place: usize, port: u16, sight: Sight) {
        if let Some(looks) = self.looks.get_mut(&port).and_then(|places| places.get_mut(place)) {
            looks.push(sight);
        }
    }

    /// Forgets what was seen of a port: it was in doubt, and could not be asked again.
    pub fn forget(&mut self, port: u16, why: &str) {
        if let Some(places) = self.looks.get_mut(&port) {
            places.iter_mut().for_each(|looks| *looks = vec![Sight::new(State::Unknown, why)]);
        }
    }

    /// The ports, ascending.
    pub fn ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.looks.keys().copied()
    }

    /// How many places look.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places
    }

    /// Ports that are to be asked again: those whose first looks differ among places that could look at all, or from
    /// what `expected` says of a port and a place.
    pub fn in_doubt(
        &self,
        is_blind: impl Fn(usize) -> bool,
        expected: impl Fn(u16, usize) -> Option<State>,
    ) -> BTreeSet<u16> {
        let doubtful = |(port, places): (&u16, &Vec<Vec<Sight>>)| {
            // Who may not look does not see more by asking again.
            let may_look =
                |place: usize| places[place].first().is_none_or(|sight| sight.reason != PROHIBITED);
            let seeing = || (0..self.places).filter(|place| !is_blind(*place) && may_look(*place));
            let first = |place: usize| places[place].first().map_or(State::Unknown, |sight| sight.state);
            let is_news = |place| expected(*port, place).is_some_and(|was| was != first(place));
            (is_in_doubt(seeing().map(first)) || seeing().any(is_news)).then_some(*port)
        };
        self.looks.iter().filter_map(doubtful).collect()
    }

    /// What one place knows of a port.
    #[must_use]
    pub fn settled(&self, port: u16, place: usize) -> Settled {
        match self.looks.get(&port).and_then(|places| places.get(place)) {
            Some(looks) => settle(&looks.iter().map(|sight| sight.state).collect::<Vec<_>>()),
            None => Settled::Unknown,
        }
    }

    /// What all of them know of it, in the order of places.
    #[must_use]
    pub fn row(&self, port: u16) -> Vec<Settled> {
        (0..self.places).map(|place| self.settled(port, place)).collect()
    }

    /// What they come to.
    #[must_use]
    pub fn verdict(&self, port: u16) -> Verdict {
        judge(&self.row(port))
    }

    /// Why a place sees a port as it does: the reason of its last look that bears its state out.
    #[must_use]
    pub fn reason(&self, port: u16, place: usize) -> &str {
        let looks = self.looks.get(&port).and_then(|places| places.get(place)).map_or(&[][..], Vec::as_slice);
        let settled = self.settled(port, place);
        let bears_out = |sight: &&Sight| settled == Settled::Known(sight.state);
        let found = looks.iter().rev().find(bears_out).or(looks.last());
        found.map_or("not-asked", |sight| sight.reason.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Closed, Filtered, Open};

    fn view(rows: &[(u16, &[State])]) -> View {
        let ports: Vec<u16> = rows.iter().map(|(port, _)| *port).collect();
        let mut view = View::new(&ports, rows[0].1.len());
        for (port, states) in rows {
            for (place, state) in states.iter().enumerate() {
                view.add(place, *port, Sight::new(*state, state.word()));
            }
        }
        view
    }

    #[test]
    fn only_what_is_doubtful_is_asked_again() {
        let view = view(&[(22, &[Open, Open]), (80, &[Open, Filtered]), (81, &[Closed, Closed])]);
        let none = |_: u16, _: usize| None;
        assert_eq!(view.in_doubt(|_| false, none), BTreeSet::from([80]));
        assert_eq!(view.in_doubt(|place| place == 1, none), BTreeSet::new());
        let was = |port: u16, place: usize| (port == 81 && place == 0).then_some(Open);
        assert_eq!(view.in_doubt(|_| false, was), BTreeSet::from([80, 81]));
    }

    #[test]
    fn whoever_may_not_look_is_not_asked_again() {
        let mut view = View::new(&[22, 80], 2);
        view.add(0, 22, Sight::new(Open, "connected"));
        view.add(1, 22, Sight::new(State::Unknown, PROHIBITED));
        view.add(0, 80, Sight::new(Open, "connected"));
        view.add(1, 80, Sight::new(State::Unknown, "lost"));
        assert_eq!(view.in_doubt(|_| false, |_, _| None), BTreeSet::from([80]));
        assert_eq!(view.verdict(22), Verdict::Inconclusive);
    }

    #[test]
    fn reasons_are_those_of_looks_that_bear_the_state_out() {
        let mut view = view(&[(80, &[Filtered, Open])]);
        for _ in 0..3 {
            view.add(0, 80, Sight::new(Open, "connected"));
            view.add(1, 80, Sight::new(Open, "connected"));
        }
        assert_eq!((view.verdict(80), view.reason(80, 0)), (Verdict::Consistent, "connected"));
        assert_eq!(view.reason(81, 0), "not-asked");
    }
}
