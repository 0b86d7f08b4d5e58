//! Ports that are known to answer: asked again in between, they tell of loss.

use super::limits::{
    CANARIES_KEPT, CANARIES_PER_PASS, CANARIES_PER_SECOND, PROBES_PER_CANARY, PROBES_PER_CANARY_AT_FIRST,
    SILENT_PER_CANARY,
};
use crate::finding::State;

/// SSH daemons since OpenSSH 9.8 shut out whoever connects often without logging in.
const SSH: u16 = 22;

/// Which ports take turns, and when the next one has its turn.
#[derive(Debug, Default)]
pub(crate) struct Canaries {
    cells: Vec<u32>,
    rank: u8,
    turn: usize,
    /// Canaries to one probe.
    share: f64,
    credit: f64,
    /// How many this pass still owes.
    owed: u32,
}

/// How little a port minds being asked often: a closed one not at all, an open one wakes its service.
fn rank(port: u16, state: State) -> u8 {
    match state {
        State::Closed => 3,
        _ if port == SSH => 1,
        _ => 2,
    }
}

impl Canaries {
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Whether this pass still owes some.
    pub(crate) fn owes(&self) -> bool {
        self.owed > 0
    }

    /// A port answered; the kind that minds least is kept.
    pub(crate) fn add(&mut self, cell: u32, port: u16, state: State) {
        let rank = rank(port, state);
        if rank > self.rank {
            self.rank = rank;
            self.cells.clear();
        }
        if rank == self.rank && self.cells.len() < CANARIES_KEPT {
            self.cells.push(cell);
        }
    }

    /// The first pass: as many as the pace needs.
    pub(crate) fn begin_first(&mut self, searching: bool) {
        self.share = 1.0 / if searching { PROBES_PER_CANARY_AT_FIRST } else { PROBES_PER_CANARY };
        self.owed = 0;
    }

    /// A pass over the silent ports: as many as its proof needs, evenly among them.
    pub(crate) fn begin(&mut self, silent: u32) {
        // Where only open ports answer, their services are spared what is not strictly needed.
        let per_silent = if self.rank == 3 { SILENT_PER_CANARY } else { SILENT_PER_CANARY * 2 };
        self.owed = (silent / per_silent).max(CANARIES_PER_PASS);
        self.share = f64::from(self.owed) / f64::from(silent.max(1));
        self.credit = 0.0;
    }

    /// A probe goes out that is none.
    pub(crate) fn passed(&mut self, rate: f64) {
        let at_least = (CANARIES_PER_SECOND / rate).min(0.25);
        self.credit = (self.credit + self.share.max(at_least)).min(256.0);
    }

    /// The canary whose turn it is, if one's turn it is; `rest` once only they are left in this pass.
    pub(crate) fn next(&mut self, rest: bool) -> Option<u32> {
        if self.cells.is_empty() || !(self.credit >= 1.0 || (rest && self.owed > 0)) {
            return None;
        }
        self.credit = (self.credit - 1.0).max(0.0);
        self.owed = self.owed.saturating_sub(1);
        self.turn = (self.turn + 1) % self.cells.len();
        self.cells.get(self.turn).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_ports_are_asked_before_open_ones_and_ssh_last() {
        let mut canaries = Canaries::default();
        canaries.add(0, 22, State::Open);
        canaries.add(1, 443, State::Open);
        assert_eq!(canaries.cells, [1]);
        canaries.add(2, 9999, State::Closed);
        canaries.add(3, 80, State::Open);
        assert_eq!(canaries.cells, [2]);
    }

    #[test]
    fn a_pass_sends_what_it_owes_among_its_probes() {
        for silent in [1, 50, 1000, 65_000] {
            let mut canaries = Canaries::default();
            canaries.add(0, 80, State::Closed);
            canaries.begin(silent);
            let mut sent = 0;
            for _ in 0..silent {
                canaries.passed(1e6);
                sent += std::iter::from_fn(|| canaries.next(false)).count();
            }
            sent += std::iter::from_fn(|| canaries.next(true)).count();
            assert_eq!(sent as u32, (silent / SILENT_PER_CANARY).max(CANARIES_PER_PASS), "{silent}");
        }
    }
}
