//! The ports of one target and what is known of each, a few bytes a port.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::Answer;
use crate::finding::{Finding, Reason, State};

/// Ports by position, ascending.
#[derive(Debug)]
pub(crate) struct Cells {
    ports: Arc<[u16]>,
    cells: Vec<Cell>,
    silent: u32,
    open: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    verdict: Option<(State, Reason)>,
    attempts: u16,
    rtt_us: Option<NonZeroU32>,
}

impl Cells {
    pub(crate) fn new(ports: Arc<[u16]>) -> Self {
        let cells = vec![Cell::default(); ports.len()];
        let silent = ports.len() as u32;
        Cells { ports, cells, silent, open: 0 }
    }

    pub(crate) fn len(&self) -> u32 {
        self.cells.len() as u32
    }

    /// Ports without an answer so far.
    pub(crate) fn silent(&self) -> u32 {
        self.silent
    }

    pub(crate) fn open(&self) -> u32 {
        self.open
    }

    pub(crate) fn port(&self, cell: u32) -> u16 {
        self.ports[cell as usize]
    }

    /// Where a port is, if it is one of them.
    pub(crate) fn find_port(&self, port: u16) -> Option<u32> {
        self.ports.binary_search(&port).ok().map(|cell| cell as u32)
    }

    pub(crate) fn is_silent(&self, cell: u32) -> bool {
        self.cells[cell as usize].verdict.is_none()
    }

    pub(crate) fn is_open(&self, cell: u32) -> bool {
        matches!(self.cells[cell as usize].verdict, Some((State::Open, _)))
    }

    /// The positions of all silent ports.
    pub(crate) fn all_silent(&self) -> impl Iterator<Item = u32> {
        (0..self.len()).filter(|cell| self.is_silent(*cell))
    }

    pub(crate) fn attempt(&mut self, cell: u32) {
        let attempts = &mut self.cells[cell as usize].attempts;
        *attempts = attempts.saturating_add(1);
    }

    /// Takes back an attempt that never left this machine.
    pub(crate) fn withdraw(&mut self, cell: u32) {
        let attempts = &mut self.cells[cell as usize].attempts;
        *attempts = attempts.saturating_sub(1);
    }

    /// Takes the first answer of a port; whether it was the first. A TCP answer overrules an error on the way.
    pub(crate) fn answer(&mut self, cell: u32, answer: &Answer, rtt: Option<Duration>) -> bool {
        let Some(place) = self.cells.get_mut(cell as usize) else { return false };
        let first = place.verdict.is_none();
        let overruled = answer.is_tcp()
            && place.verdict.is_some_and(|(_, reason)| !matches!(reason, Reason::SynAck | Reason::Reset));
        if !first && !overruled {
            return false;
        }
        place.verdict = Some((answer.state, answer.reason));
        place.rtt_us =
            rtt.and_then(|rtt| NonZeroU32::new(u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX)));
        self.silent -= u32::from(first);
        self.open += u32::from(answer.state == State::Open);
        true
    }

    /// What is to be said of one that could not be asked, if it is silent.
    pub(crate) fn give_up(&mut self, cell: u32, state: State, reason: Reason) {
        if let Some(place) = self.cells.get_mut(cell as usize).filter(|cell| cell.verdict.is_none()) {
            place.verdict = Some((state, reason));
            self.silent -= 1;
        }
    }

    /// What is left to say of the silent ones.
    pub(crate) fn conclude(&mut self, state: State, reason: Reason) {
        for cell in self.cells.iter_mut().filter(|cell| cell.verdict.is_none()) {
            cell.verdict = Some((state, reason));
        }
        self.silent = 0;
    }

    /// Open ports prove nothing here.
    pub(crate) fn distrust(&mut self) {
        for cell in &mut self.cells {
            if let Some((State::Open, reason)) = &mut cell.verdict {
                *reason = Reason::Tarpit;
            }
        }
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let finding = |(port, cell): (&u16, &Cell)| {
            let (state, reason) = cell.verdict.unwrap_or((State::Unknown, Reason::Stopped));
            Finding {
                port: *port,
                state,
                reason,
                attempts: u32::from(cell.attempts),
                rtt: cell.rtt_us.map(|us| Duration::from_micros(u64::from(us.get()))),
                service: None,
                banner: None,
            }
        };
        self.ports.iter().zip(&self.cells).map(finding).collect()
    }
}
