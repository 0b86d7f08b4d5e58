//! What cannot be, although parity and checksum are right: counters that go back, or grow faster than the connection allows.

use super::frame::{Fault, Frame};
use super::group::FaultKind;
use super::labels::{self, Kind};
use crate::limits;
use std::collections::BTreeMap;
use std::time::Duration;

/// Judges frame after frame of one line.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    meter: Option<String>,
    counters: BTreeMap<String, Counter>,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    believed: Seen,
    /// A value that does not follow from the believed one, and how often it, or what follows from it, was seen.
    suspect: Option<(Seen, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    value: u64,
    at: Duration,
}

impl Judge {
    /// Takes out of a frame what cannot be; it is told among the frame's faults. `at` is the time on a clock that never goes
    /// back.
    pub fn judge(&mut self, frame: &mut Frame, at: Duration) {
        if let Some(meter) = frame.meter()
            && self.meter.as_deref() != Some(meter)
        {
            // Another meter, with counters of its own.
            self.meter = Some(meter.to_owned());
            self.counters.clear();
        }
        let kva = frame.number("PCOUP").map_or(0, |kva| kva * 1000);
        let most_va = kva.max(limits::CONNECTION_VA);
        let mode = frame.mode;
        let (mut kept, mut doubted) = (Vec::with_capacity(frame.readings.len()), Vec::new());
        for reading in frame.readings.drain(..) {
            let is_counter = labels::find(mode, &reading.label)
                .is_some_and(|label| matches!(label.kind, Kind::Counter(_)));
            match reading.value.number() {
                Some(value) if is_counter && !self.believes(&reading.label, Seen { value, at }, most_va) => {
                    doubted.push(Fault { kind: FaultKind::Implausible, label: Some(reading.label) });
                }
                _ => kept.push(reading),
            }
        }
        frame.readings = kept;
        frame.is_whole &= doubted.is_empty();
        frame.faults.extend(doubted);
    }

    fn believes(&mut self, label: &str, seen: Seen, most_va: u64) -> bool {
        let Some(counter) = self.counters.get_mut(label) else {
            self.counters.insert(label.to_owned(), Counter { believed: seen, suspect: None });
            return true;
        };
        if follows(counter.believed, seen, most_va) {
            *counter = Counter { believed: seen, suspect: None };
            return true;
        }
        let sightings = match counter.suspect {
            Some((before, sightings)) if follows(before, seen, most_va) => sightings + 1,
            _ => 1,
        };
        if sightings >= limits::JUMP_SIGHTINGS {
            *counter = Counter { believed: seen, suspect: None };
            return true;
        }
        counter.suspect = Some((seen, sightings));
        false
    }
}

/// Whether a counter can have come from one value to another.
fn follows(before: Seen, after: Seen, most_va: u64) -> bool {
    let Some(grown) = after.value.checked_sub(before.value) else { return false };
    let passed = after.at.saturating_sub(before.at);
    // A fifth more than the power: a breaker takes its time.
    let hours = passed.as_secs_f64() / 3600.0;
    let allowed = most_va as f64 * 1.2 * hours + limits::COUNTER_SLACK_WH as f64;
    grown as f64 <= allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tic::mode::Mode;
    use crate::tic::value::{Reading, Unit, Value};

    fn frame(meter: &str, wh: u64) -> Frame {
        let reading = |label: &str, value| Reading { label: label.into(), value, time: None, is_known: true };
        let readings = vec![
            reading("ADCO", Value::Identifier(meter.into())),
            reading("BASE", Value::Number(wh, Unit::Wh)),
        ];
        Frame { mode: Mode::Historic, readings, faults: Vec::new(), is_whole: true }
    }

    /// What is believed of counters seen two seconds apart.
    fn believed(counters: &[u64]) -> Vec<bool> {
        let mut judge = Judge::default();
        counters
            .iter()
            .zip(0..)
            .map(|(wh, turn)| {
                let mut frame = frame("012345678901", *wh);
                judge.judge(&mut frame, Duration::from_secs(2 * turn));
                assert_eq!(frame.is_whole, frame.number("BASE").is_some());
                frame.is_whole
            })
            .collect()
    }

    #[test]
    fn counters_grow_no_faster_than_the_connection_allows() {
        assert_eq!(believed(&[1000, 1000, 1010, 1031]), [true; 4]);
        assert_eq!(believed(&[1000, 9000, 1001]), [true, false, true]);
        assert_eq!(believed(&[1000, 999, 1000]), [true, false, true]);
    }

    #[test]
    fn a_jump_that_stays_is_believed() {
        assert_eq!(believed(&[1000, 9000, 9000, 9001, 9002]), [true, false, false, true, true]);
        assert_eq!(believed(&[1000, 9000, 5000, 9000, 9000, 9000]), [true, false, false, false, false, true]);
    }

    #[test]
    fn a_long_absence_allows_much() {
        let mut judge = Judge::default();
        judge.judge(&mut frame("012345678901", 1000), Duration::ZERO);
        let mut later = frame("012345678901", 30_000);
        judge.judge(&mut later, Duration::from_secs(3600));
        assert!(later.is_whole);
    }

    #[test]
    fn another_meter_has_other_counters() {
        let mut judge = Judge::default();
        judge.judge(&mut frame("012345678901", 9000), Duration::ZERO);
        let mut other = frame("012345678902", 5);
        judge.judge(&mut other, Duration::from_secs(2));
        assert!(other.is_whole);
    }
}
