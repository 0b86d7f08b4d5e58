//! Groups become frames.

use super::decoder::Event;
use super::group::FaultKind;
use super::mode::Mode;
use super::value::{Reading, Value};
use crate::limits;
use serde::Serialize;

/// A frame: what a meter says of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// In which mode it came.
    pub mode: Mode,
    /// What it says, in the meter's order, each label once.
    pub readings: Vec<Reading>,
    /// What did not count, at most [`limits::FRAME_FAULTS`] of them.
    pub faults: Vec<Fault>,
    /// Whether beginning and end were seen and nothing was lost between them.
    pub is_whole: bool,
}

/// Something of a frame that did not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Why.
    pub kind: FaultKind,
    /// Of which label, where that is known for sure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Frame {
    /// What a label says.
    #[must_use]
    pub fn get(&self, label: &str) -> Option<&Value> {
        self.readings.iter().find(|reading| reading.label == label).map(|reading| &reading.value)
    }

    /// The number behind a label.
    #[must_use]
    pub fn number(&self, label: &str) -> Option<u64> {
        self.get(label).and_then(Value::number)
    }

    /// Number of the meter, which leads to a person.
    #[must_use]
    pub fn meter(&self) -> Option<&str> {
        match self.get("ADCO").or_else(|| self.get("ADSC")) {
            Some(Value::Identifier(id)) => Some(id),
            _ => None,
        }
    }
}

/// Collects what a decoder tells.
#[derive(Clone, Debug)]
pub struct Assembler {
    mode: Mode,
    saw_start: bool,
    readings: Vec<Reading>,
    faults: Vec<Fault>,
}

impl Assembler {
    /// Nothing collected yet.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Assembler { mode, saw_start: false, readings: Vec::new(), faults: Vec::new() }
    }

    /// Takes an event; a frame comes out at its end, or at the start of the next when the end was lost. What has no value is
    /// no frame.
    pub fn take(&mut self, event: Event) -> Option<Frame> {
        match event {
            Event::Start => {
                let unfinished = self.finish(false);
                self.saw_start = true;
                unfinished
            }
            Event::Group(reading) => {
                self.add(reading);
                None
            }
            Event::Fault(kind) => {
                self.fault(kind, None);
                None
            }
            Event::End { is_interrupted } => self.finish(!is_interrupted),
        }
    }

    fn add(&mut self, reading: Reading) {
        match self.readings.iter().find(|other| other.label == reading.label) {
            Some(same) if *same == reading => {}
            Some(_) => self.fault(FaultKind::Repeated, Some(reading.label)),
            None if self.readings.len() < limits::FRAME_GROUPS => self.readings.push(reading),
            None => self.fault(FaultKind::TooLong, Some(reading.label)),
        }
    }

    fn fault(&mut self, kind: FaultKind, label: Option<String>) {
        if self.faults.len() < limits::FRAME_FAULTS {
            self.faults.push(Fault { kind, label });
        }
    }

    fn finish(&mut self, saw_end: bool) -> Option<Frame> {
        let is_whole = self.saw_start && saw_end && self.faults.is_empty();
        self.saw_start = false;
        let readings = std::mem::take(&mut self.readings);
        let faults = std::mem::take(&mut self.faults);
        let frame = Frame { mode: self.mode, readings, faults, is_whole };
        (!frame.readings.is_empty()).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tic::value::Unit;

    fn reading(label: &str, number: u64) -> Event {
        let value = Value::Number(number, Unit::Va);
        Event::Group(Reading { label: label.into(), value, time: None, is_known: true })
    }

    #[test]
    fn a_frame_without_its_end_comes_out_at_the_next_start() {
        let mut assembler = Assembler::new(Mode::Historic);
        assert_eq!(assembler.take(Event::Start), None);
        assert_eq!(assembler.take(reading("PAPP", 1)), None);
        let frame = assembler.take(Event::Start).unwrap();
        assert!(!frame.is_whole);
        assembler.take(reading("PAPP", 2));
        let frame = assembler.take(Event::End { is_interrupted: false }).unwrap();
        assert!(frame.is_whole);
        assert_eq!(frame.number("PAPP"), Some(2));
    }

    #[test]
    fn a_label_that_says_two_things_is_a_fault() {
        let mut assembler = Assembler::new(Mode::Historic);
        for event in [Event::Start, reading("PAPP", 1), reading("PAPP", 1), reading("PAPP", 2)] {
            assert_eq!(assembler.take(event), None);
        }
        let frame = assembler.take(Event::End { is_interrupted: false }).unwrap();
        assert_eq!(frame.faults, [Fault { kind: FaultKind::Repeated, label: Some("PAPP".into()) }]);
        assert_eq!(frame.number("PAPP"), Some(1));
    }
}
