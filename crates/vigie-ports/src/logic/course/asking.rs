//! Which port is asked next, pass after pass.

use std::time::Duration;

use super::super::Moment;
use super::super::limits::{HOLD_BLIND, PASSES_BLIND, PASSES_MAX, PATIENT_PORTS_MAX, PATIENT_RATE};
use super::{Course, Kind};

impl Course {
    pub(super) fn has_next(&mut self) -> bool {
        while let Some(&cell) = self.queue.back() {
            if self.cells.is_silent(cell) {
                return true;
            }
            self.queue.pop_back();
        }
        self.canaries_left()
    }

    pub(super) fn canaries_left(&self) -> bool {
        !self.canaries.is_empty() && self.canaries.owes() && !self.patient && self.wanted.retries.is_none()
    }

    pub(super) fn pick(&mut self) -> Option<(u32, Kind)> {
        let rest = self.queue.is_empty();
        if !self.patient
            && let Some(cell) = self.canaries.next(rest)
        {
            return Some((cell, Kind::Canary));
        }
        let cell = self.queue.pop_back()?;
        self.canaries.passed(self.pace.rate());
        Some((cell, Kind::Port))
    }

    pub(super) fn begin_pass(&mut self) {
        let mut silent: Vec<u32> = self.cells.all_silent().collect();
        self.rng.shuffle(&mut silent);
        self.queue = silent.into();
        self.passes.push(self.serial_front + self.flights.len() as u32);
        self.ledger.begin();
        match self.passes.len() {
            1 => self.canaries.begin_first(true),
            _ => self.canaries.begin(self.cells.silent()),
        }
    }

    /// Another pass, if silence is not to be believed yet.
    pub(super) fn begin_another(&mut self, now: Moment) -> bool {
        let passes = self.passes.len() as u32;
        let another = match self.wanted.retries {
            Some(retries) => passes <= retries,
            None if !self.heard => passes < PASSES_BLIND,
            None => passes < PASSES_MAX && !self.ledger.is_settled(self.cells.len()),
        };
        if !another {
            return self.begin_patient(now);
        }
        self.begin_pass();
        true
    }

    /// Hosts are thrifty with ICMP errors: where there were some, few silent ports are asked once more, slowly.
    pub(super) fn begin_patient(&mut self, now: Moment) -> bool {
        let few = self.cells.silent() <= PATIENT_PORTS_MAX;
        if self.patient
            || !self.icmp
            || !few
            || self.said_by_router().is_some()
            || self.wanted.any
            || self.wanted.retries.is_some()
        {
            return false;
        }
        self.patient = true;
        self.pace.pin(PATIENT_RATE, now + Duration::from_secs_f64(1.0 / PATIENT_RATE));
        self.begin_pass();
        true
    }

    /// Where nothing answers, the verdict of neighbours and routers is awaited: it takes them three seconds.
    pub(super) fn still_blind(&self, now: Moment) -> Option<Moment> {
        let until = self.started? + self.wanted.timeout.map_or(HOLD_BLIND, |longest| longest.min(HOLD_BLIND));
        (!self.heard && !self.icmp && until > now).then_some(until)
    }
}
