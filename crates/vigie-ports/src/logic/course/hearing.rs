//! What answers mean, and their absence.

use super::super::limits::{
    CONTACT_CANARIES, CONTACT_LOST, NO_RESOURCES_MAX, REFUSED_AGAIN, REFUSED_AGAIN_MAX, REFUSED_PORTS,
    REFUSED_TRIES, REPEATED_BY_KERNEL,
};
use super::super::{Answer, Moment, Took};
use super::{Course, Flight, Kind, Landed, Said};
use crate::finding::{Reason, State};

impl Course {
    pub(super) fn answer(&mut self, cell: u32, serial: u32, answer: &Answer, now: Moment) -> Option<u16> {
        if serial.wrapping_sub(self.serial_front) as usize >= self.flights.len()
            && serial >= self.serial_front
        {
            // Never sent: somebody makes answers up.
            return None;
        }
        let flight = self.land(cell, serial);
        self.starved = None;
        self.let_out |= answer.took != Took::Unknown;
        let rtt = match answer.took {
            Took::Known(rtt) => Some(rtt),
            Took::SinceSent => flight.as_ref().map(|landed| now.saturating_sub(landed.sent)),
            Took::Unknown => None,
        };
        if let Some(rtt) = rtt
            && (rtt < REPEATED_BY_KERNEL || self.rtt.smoothed().is_none())
        {
            self.rtt.sample(rtt);
        }
        let pass = self.pass_of(serial);
        if answer.is_tcp() {
            self.lost_in_row = 0;
            self.heard_last = now;
        }
        if let Some(Landed { kind: Kind::Canary, was_overdue, .. }) = flight {
            match was_overdue {
                true => self.ledger.late(pass),
                false => self.ledger.heard(pass),
            }
            self.pace.heard(serial, self.rtt.overdue(), now);
        }
        if !self.cells.answer(cell, answer, rtt) {
            return None;
        }
        self.last = now;
        self.icmp |= matches!(answer.reason, Reason::Icmp { .. });
        if answer.is_tcp() || (matches!(answer.reason, Reason::Icmp { .. }) && !answer.by_other) {
            self.alive.get_or_insert(answer.reason);
            self.enough = self.wanted.any;
        }
        self.router = self.router.then(answer);
        if answer.is_tcp() {
            self.heard = true;
            self.ledger.answered(pass);
            self.canaries.add(cell, self.cells.port(cell), answer.state);
            if self.searching && !self.pace.searching() && self.passes.len() == 1 {
                self.searching = false;
                self.canaries.begin_first(false);
            }
        }
        self.condemn(answer);
        (answer.state == State::Open).then(|| self.cells.port(cell))
    }

    /// Marks an attempt as over. `None` for one that is forgotten.
    pub(super) fn land(&mut self, cell: u32, serial: u32) -> Option<Landed> {
        let index = serial.wrapping_sub(self.serial_front) as usize;
        let flight = self.flights.get_mut(index).filter(|flight| flight.cell == cell && !flight.over)?;
        flight.over = true;
        Some(Landed { kind: flight.kind, sent: flight.sent, was_overdue: index < self.overdue })
    }

    pub(super) fn pass_of(&self, serial: u32) -> u32 {
        (self.passes.partition_point(|first| *first <= serial) as u32).saturating_sub(1)
    }

    /// A neighbour that is not there is missing for all ports at once.
    pub(super) fn condemn(&mut self, answer: &Answer) {
        if answer.reason == Reason::NoNeighbour && !self.heard {
            self.cells.conclude(answer.state, answer.reason);
        }
    }

    /// Where the target never said a word and a router always the same one, what the router says is of the address: it
    /// says it once a second at most, whatever the number of ports.
    pub(super) fn said_by_router(&self) -> Option<(State, Reason)> {
        match self.router {
            Said::Always(state, reason) if !self.heard => Some((state, reason)),
            _ => None,
        }
    }

    /// This machine could not send it: it waits for its turn again.
    pub(super) fn starve(&mut self, cell: u32, serial: u32, now: Moment) {
        if self.unsend(cell, serial) == Some(Kind::Port) && self.cells.is_silent(cell) {
            self.queue.push_front(cell);
        }
        let since = *self.starved.get_or_insert(now);
        if now.saturating_sub(since) > NO_RESOURCES_MAX {
            self.cells.conclude(State::Unknown, Reason::NoResources);
        }
    }

    /// Takes back an attempt that never left this machine.
    fn unsend(&mut self, cell: u32, serial: u32) -> Option<Kind> {
        let Landed { kind, .. } = self.land(cell, serial)?;
        self.cells.withdraw(cell);
        self.pace.withdraw(serial);
        self.probes -= 1;
        Some(kind)
    }

    /// This machine's own filter dropped it. That is no word on the port: it is tried again later, and in the end
    /// said not to have been probed.
    pub(super) fn refuse(&mut self, cell: u32, serial: u32, now: Moment) {
        if self.unsend(cell, serial) != Some(Kind::Port) || !self.cells.is_silent(cell) {
            return;
        }
        let tries = self.refused.entry(cell).or_default();
        *tries += 1;
        if *tries >= REFUSED_TRIES {
            self.refused_for_good += 1;
            self.cells.give_up(cell, State::Unknown, Reason::ForbiddenHere);
            if !self.let_out && self.refused_for_good >= REFUSED_PORTS {
                self.refused_for_good += self.cells.silent();
                self.cells.conclude(State::Unknown, Reason::ForbiddenHere);
            }
            return;
        }
        let wait = (REFUSED_AGAIN * (1 << (*tries - 1))).min(REFUSED_AGAIN_MAX);
        self.refused_due.insert((now + wait, cell));
    }

    /// Ports whose probes were dropped here and whose turn has come again.
    pub(super) fn retry_refused(&mut self, now: Moment) {
        while let Some((_, cell)) = self.refused_due.first().copied().filter(|(due, _)| *due <= now) {
            self.refused_due.pop_first();
            if self.cells.is_silent(cell) {
                self.queue.push_back(cell);
            }
        }
    }

    /// Goes over what is overdue, and forgets what is not listened for any more.
    pub(super) fn expire(&mut self, now: Moment) {
        let (timeout, hold) = (self.rtt.timeout(), self.rtt.hold());
        let is_over = |flight: &&Flight| flight.over || flight.sent + timeout <= now;
        while let Some(flight) = self.flights.get(self.overdue).filter(is_over) {
            let serial = self.serial_front + self.overdue as u32;
            let lost = flight.kind == Kind::Canary && !flight.over;
            if !flight.over {
                // It did get out: this machine lacks nothing, and no rule forbids it.
                self.starved = None;
                self.refused.remove(&flight.cell);
                self.let_out = true;
            }
            self.overdue += 1;
            if lost {
                self.canary_lost(serial, now);
            }
        }
        while self.overdue > 0 && self.flights.front().is_some_and(|flight| flight.sent + hold <= now) {
            self.flights.pop_front();
            self.serial_front = self.serial_front.wrapping_add(1);
            self.overdue -= 1;
        }
    }

    pub(super) fn canary_lost(&mut self, serial: u32, now: Moment) {
        self.ledger.lost(self.pass_of(serial));
        self.pace.lost(serial, self.rtt.overdue(), now);
        self.lost_in_row += 1;
        if self.lost_in_row >= CONTACT_CANARIES && now.saturating_sub(self.heard_last) > CONTACT_LOST {
            self.notes.push(format!(
                "stopped answering during the scan, even on ports that had answered: {} ports could not be probed",
                self.cells.silent()
            ));
            self.cells.conclude(State::Unknown, Reason::NoResponse);
        }
    }
}
