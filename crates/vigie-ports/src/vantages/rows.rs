//! What is to be shown of a view: places that saw the same as one, ports that are alike as one.

use super::verdict::{Settled, Verdict};
use super::view::View;
use crate::finding::State;

/// Places that saw the same of every port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// By their numbers, ascending.
    pub places: Vec<usize>,
}

/// Ports with the same verdict that every column sees alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Ascending. One, where the port is open from somewhere or places differ.
    pub ports: Vec<u16>,
    /// What they come to.
    pub verdict: Verdict,
    /// What each column saw.
    pub cells: Vec<Settled>,
}

impl Row {
    /// Whether it has a line of its own: it is open from somewhere, or the places differ.
    #[must_use]
    pub fn stands_out(&self) -> bool {
        matches!(self.verdict, Verdict::VantageDependent | Verdict::Flapping)
            || self.cells.contains(&Settled::Known(State::Open))
    }
}

/// The columns of a view, in the order of their first places, and its rows: first those that stand out, by port, then the
/// rest, the largest first.
#[must_use]
pub fn rows(view: &View) -> (Vec<Column>, Vec<Row>) {
    let seen: Vec<Vec<Settled>> = view.ports().map(|port| view.row(port)).collect();
    let mut columns: Vec<Column> = Vec::new();
    for place in 0..view.places() {
        let is_same = |column: &&mut Column| {
            let one = column.places.first().copied().unwrap_or_default();
            seen.iter().all(|row| row[one] == row[place])
        };
        match columns.iter_mut().find(is_same) {
            Some(column) => column.places.push(place),
            None => columns.push(Column { places: vec![place] }),
        }
    }
    let (mut single, mut alike): (Vec<Row>, Vec<Row>) = (Vec::new(), Vec::new());
    for (port, places) in view.ports().zip(&seen) {
        let cells = columns.iter().filter_map(|column| column.places.first()).map(|place| places[*place]);
        let row = Row { ports: vec![port], verdict: view.verdict(port), cells: cells.collect() };
        if row.stands_out() {
            single.push(row);
        } else if let Some(same) =
            alike.iter_mut().find(|same| (same.verdict, &same.cells) == (row.verdict, &row.cells))
        {
            same.ports.push(port);
        } else {
            alike.push(row);
        }
    }
    alike.sort_by_key(|row| std::cmp::Reverse(row.ports.len()));
    single.append(&mut alike);
    (columns, single)
}

#[cfg(test)]
mod tests {
    use super::super::sight::Sight;
    use super::*;
    use State::{Closed, Filtered, Open, Unknown};

    #[test]
    fn places_and_ports_that_are_alike_are_one() {
        let ports = [22, 80, 81, 82, 443];
        let mut view = View::new(&ports, 4);
        let seen: [[State; 5]; 4] = [
            [Open, Open, Closed, Closed, Closed],
            [Open, Open, Closed, Closed, Closed],
            [Open, Filtered, Closed, Closed, Closed],
            [Unknown; 5],
        ];
        for (place, states) in seen.iter().enumerate() {
            for (port, state) in ports.iter().zip(states) {
                view.add(place, *port, Sight::new(*state, "x"));
            }
        }
        let (columns, rows) = rows(&view);
        let places: Vec<&[usize]> = columns.iter().map(|column| column.places.as_slice()).collect();
        assert_eq!(places, [&[0, 1][..], &[2], &[3]]);
        let told: Vec<(&[u16], Verdict)> =
            rows.iter().map(|row| (row.ports.as_slice(), row.verdict)).collect();
        assert_eq!(
            told,
            [
                (&[22][..], Verdict::Inconclusive),
                (&[80], Verdict::VantageDependent),
                (&[81, 82, 443], Verdict::Inconclusive),
            ]
        );
    }
}
