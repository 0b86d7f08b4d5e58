//! One target, from its first probe to its report.
//!
//! Ports are asked in passes, each in a new random order: first all, then again and again those that stayed silent,
//! until the canaries in between show that silence is not loss. An attempt that is overdue is not given up when its
//! port is asked again: a late answer still counts, and makes the next ones be waited for longer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::canaries::Canaries;
use super::cells::Cells;
use super::limits::{
    BLIND_RATE_ON_LINK, BLIND_RATE_ROUTED, CONTACT_CANARIES, CONTACT_LOST, HOLD_BLIND, NO_RESOURCES_MAX,
    PASSES_BLIND, PASSES_MAX, PATIENT_PORTS_MAX, PATIENT_RATE, REPEATED_BY_KERNEL,
};
use super::loss::Ledger;
use super::pace::Pace;
use super::rtt::Estimator;
use super::{Answer, Moment, Outcome, Took, tarpit};
use crate::finding::{Finding, Reason, State};
use crate::report::Loss;

/// What is wanted of a target.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) ports: Arc<[u16]>,
    /// No router lies between.
    pub(crate) on_link: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) seed: u64,
    /// One answer of any kind is enough: whether something is there.
    pub(crate) any: bool,
}

/// What a target wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To send a probe.
    Send,
    /// Nothing before then.
    Wait(Moment),
    /// Nothing more: it is finished.
    Done,
}

/// A probe to send: to which port, and which attempt it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) port: u16,
    pub(crate) serial: u32,
    pub(crate) late: Moment,
    pub(crate) until: Moment,
}

/// The state of the scan of one target.
#[derive(Debug)]
pub(crate) struct Course {
    wanted: Wanted,
    rng: fastrand::Rng,
    cells: Cells,
    /// Ports that this pass has still to ask, the next one last.
    queue: VecDeque<u32>,
    canaries: Canaries,
    flights: VecDeque<Flight>,
    /// The attempt at the front of `flights`.
    serial_front: u32,
    /// How many at the front are overdue.
    overdue: usize,
    /// The first attempt of each pass.
    passes: Vec<u32>,
    rtt: Estimator,
    pace: Pace,
    ledger: Ledger,
    /// Some TCP answer came.
    heard: bool,
    icmp: bool,
    router: Said,
    patient: bool,
    searching: bool,
    lost_in_row: u32,
    heard_last: Moment,
    starved: Option<Moment>,
    started: Option<Moment>,
    last: Moment,
    alive: Option<Reason>,
    /// What was wanted is known.
    enough: bool,
    ended: bool,
    notes: Vec<String>,
    probes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Flight {
    cell: u32,
    sent: Moment,
    kind: Kind,
    /// Answered, or never sent.
    over: bool,
}

/// An attempt that came to an end.
struct Landed {
    kind: Kind,
    sent: Moment,
    was_overdue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Port,
    Canary,
}

/// What others than the target said of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Always(State, Reason),
    Various,
}

impl Said {
    fn then(self, answer: &Answer) -> Said {
        let said = Said::Always(answer.state, answer.reason);
        match self {
            Said::Nothing if answer.by_other => said,
            Said::Nothing if !matches!(answer.reason, Reason::Icmp { .. }) => Said::Nothing,
            _ if self == said && answer.by_other => said,
            _ => Said::Various,
        }
    }
}

/// What is known of a target at its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) findings: Vec<Finding>,
    pub(crate) loss: Loss,
    pub(crate) notes: Vec<String>,
    pub(crate) elapsed: Duration,
    /// What the target itself said first, if it said anything.
    pub(crate) alive: Option<Reason>,
}

impl Course {
    pub(crate) fn new(wanted: Wanted) -> Self {
        let rate = if wanted.on_link { BLIND_RATE_ON_LINK } else { BLIND_RATE_ROUTED };
        let mut course = Course {
            rng: fastrand::Rng::with_seed(wanted.seed),
            cells: Cells::new(Arc::clone(&wanted.ports)),
            queue: VecDeque::new(),
            canaries: Canaries::default(),
            flights: VecDeque::new(),
            serial_front: 0,
            overdue: 0,
            passes: Vec::new(),
            rtt: Estimator::new(wanted.timeout),
            pace: Pace::new(rate),
            ledger: Ledger::default(),
            heard: false,
            icmp: false,
            router: Said::Nothing,
            patient: false,
            searching: true,
            lost_in_row: 0,
            heard_last: Moment::ZERO,
            starved: None,
            started: None,
            last: Moment::ZERO,
            alive: None,
            enough: false,
            ended: false,
            notes: Vec::new(),
            probes: 0,
            wanted,
        };
        course.begin_pass();
        course
    }

    /// Nothing was heard yet: its pace is that of all such targets together.
    pub(crate) fn is_blind(&self) -> bool {
        !self.heard
    }

    /// It is asked only whether it is there.
    pub(crate) fn is_question(&self) -> bool {
        self.wanted.any
    }

    /// What was wanted is known already.
    pub(crate) fn has_enough(&self) -> bool {
        self.enough
    }

    pub(crate) fn on_link(&self) -> bool {
        self.wanted.on_link
    }

    pub(crate) fn probes(&self) -> u64 {
        self.probes
    }

    pub(crate) fn cells(&self) -> &Cells {
        &self.cells
    }

    /// What is wanted now.
    pub(crate) fn ask(&mut self, now: Moment) -> Ask {
        self.expire(now);
        loop {
            if self.ended || self.enough || self.cells.silent() == 0 {
                self.finish(now);
                return Ask::Done;
            }
            if self.has_next() {
                let at = self.pace.next();
                return if at <= now { Ask::Send } else { Ask::Wait(at) };
            }
            if let Some(flight) = self.flights.get(self.overdue) {
                return Ask::Wait(flight.sent + self.rtt.timeout());
            }
            if !self.begin_another(now) {
                if let Some(until) = self.still_blind(now) {
                    return Ask::Wait(until);
                }
                self.finish(now);
            }
        }
    }

    /// The probe that [`ask`](Self::ask) wanted to send.
    pub(crate) fn send(&mut self, now: Moment) -> Option<Sent> {
        let (cell, kind) = self.pick()?;
        let serial = self.serial_front + self.flights.len() as u32;
        self.flights.push_back(Flight { cell, sent: now, kind, over: false });
        self.cells.attempt(cell);
        self.pace.sent((kind == Kind::Canary).then_some(serial), now);
        self.started.get_or_insert(now);
        self.last = now;
        self.probes += 1;
        Some(Sent {
            port: self.cells.port(cell),
            serial,
            late: now + self.rtt.timeout(),
            until: now + self.rtt.hold(),
        })
    }

    /// Takes what became of a probe; the port, if this made it open.
    pub(crate) fn hear(&mut self, port: u16, serial: u32, outcome: &Outcome, now: Moment) -> Option<u16> {
        let cell = self.cells.find_port(port)?;
        match outcome {
            Outcome::NoResources => {
                self.starve(cell, serial, now);
                None
            }
            Outcome::Answer(answer) => self.answer(cell, serial, answer, now),
        }
    }

    /// Ends it here: what is not known is said to be unknown.
    pub(crate) fn stop(&mut self, now: Moment) {
        self.cells.conclude(State::Unknown, Reason::Stopped);
        self.finish(now);
    }

    /// All that is known.
    pub(crate) fn end(self) -> Ended {
        let loss = match self.ledger.share() {
            Some(share) => Loss::Estimated(share),
            None if self.heard => Loss::Estimated(0.0),
            None => Loss::Unknown,
        };
        Ended {
            alive: self.alive,
            findings: self.cells.findings(),
            loss,
            notes: self.notes,
            elapsed: self.last.saturating_sub(self.started.unwrap_or(self.last)),
        }
    }

    // --- sending

    fn has_next(&mut self) -> bool {
        while let Some(&cell) = self.queue.back() {
            if self.cells.is_silent(cell) {
                return true;
            }
            self.queue.pop_back();
        }
        self.canaries_left()
    }

    fn canaries_left(&self) -> bool {
        !self.canaries.is_empty() && self.canaries.owes() && !self.patient && self.wanted.retries.is_none()
    }

    fn pick(&mut self) -> Option<(u32, Kind)> {
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

    // --- passes

    fn begin_pass(&mut self) {
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
    fn begin_another(&mut self, now: Moment) -> bool {
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
    fn begin_patient(&mut self, now: Moment) -> bool {
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
    fn still_blind(&self, now: Moment) -> Option<Moment> {
        let until = self.started? + self.wanted.timeout.map_or(HOLD_BLIND, |longest| longest.min(HOLD_BLIND));
        (!self.heard && !self.icmp && until > now).then_some(until)
    }

    // --- hearing

    fn answer(&mut self, cell: u32, serial: u32, answer: &Answer, now: Moment) -> Option<u16> {
        if serial.wrapping_sub(self.serial_front) as usize >= self.flights.len()
            && serial >= self.serial_front
        {
            // Never sent: somebody makes answers up.
            return None;
        }
        let flight = self.land(cell, serial);
        self.starved = None;
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
    fn land(&mut self, cell: u32, serial: u32) -> Option<Landed> {
        let index = serial.wrapping_sub(self.serial_front) as usize;
        let flight = self.flights.get_mut(index).filter(|flight| flight.cell == cell && !flight.over)?;
        flight.over = true;
        Some(Landed { kind: flight.kind, sent: flight.sent, was_overdue: index < self.overdue })
    }

    fn pass_of(&self, serial: u32) -> u32 {
        (self.passes.partition_point(|first| *first <= serial) as u32).saturating_sub(1)
    }

    /// A neighbour that is not there is missing for all ports at once.
    fn condemn(&mut self, answer: &Answer) {
        if answer.reason == Reason::NoNeighbour && !self.heard {
            self.cells.conclude(answer.state, answer.reason);
        }
    }

    /// Where the target never said a word and a router always the same one, what the router says is of the address: it
    /// says it once a second at most, whatever the number of ports.
    fn said_by_router(&self) -> Option<(State, Reason)> {
        match self.router {
            Said::Always(state, reason) if !self.heard => Some((state, reason)),
            _ => None,
        }
    }

    /// This machine could not send it: it waits for its turn again.
    fn starve(&mut self, cell: u32, serial: u32, now: Moment) {
        if let Some(Landed { kind, .. }) = self.land(cell, serial) {
            self.cells.withdraw(cell);
            self.pace.withdraw(serial);
            self.probes -= 1;
            if kind == Kind::Port && self.cells.is_silent(cell) {
                self.queue.push_front(cell);
            }
        }
        let since = *self.starved.get_or_insert(now);
        if now.saturating_sub(since) > NO_RESOURCES_MAX {
            self.cells.conclude(State::Unknown, Reason::NoResources);
        }
    }

    /// Goes over what is overdue, and forgets what is not listened for any more.
    fn expire(&mut self, now: Moment) {
        let (timeout, hold) = (self.rtt.timeout(), self.rtt.hold());
        let is_over = |flight: &&Flight| flight.over || flight.sent + timeout <= now;
        while let Some(flight) = self.flights.get(self.overdue).filter(is_over) {
            let serial = self.serial_front + self.overdue as u32;
            let lost = flight.kind == Kind::Canary && !flight.over;
            if !flight.over {
                // It did get out: this machine lacks nothing.
                self.starved = None;
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

    fn canary_lost(&mut self, serial: u32, now: Moment) {
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

    // --- the end

    fn finish(&mut self, now: Moment) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if self.cells.silent() > 0 {
            self.last = now;
            self.say_doubts();
            let (state, reason) = self.said_by_router().unwrap_or((State::Filtered, Reason::NoResponse));
            self.cells.conclude(state, reason);
        }
        self.queue.clear();
        if let Some(rate) = self.pace.limited() {
            let figure = 10f64.powf(rate.log10().floor());
            let rate = (rate / figure).round() * figure;
            self.notes.push(format!(
                "something on the way limits the rate of probes: slowed down to some {rate:.0}/s"
            ));
        }
        if self.is_tarpit() {
            self.cells.distrust();
            self.notes.push(
                "almost every port accepts: this proves nothing of its services (tarpit or SYN proxy)".into(),
            );
        }
    }

    fn say_doubts(&mut self) {
        let silent = self.cells.silent();
        if self.heard && self.wanted.retries.is_none() && !self.ledger.is_settled(self.cells.len()) {
            let share = self.ledger.share().unwrap_or(1.0) * 100.0;
            self.notes
                .push(format!("{share:.0} % of probes are lost: of {silent} silent ports some may be open"));
        }
        if self.said_by_router().is_some() {
            self.notes
                .push("a router on the way said so of some ports; it is taken to mean the address".into());
        } else if self.icmp && silent > PATIENT_PORTS_MAX {
            self.notes
                .push("hosts limit their ICMP errors: ports without an answer may be rejected, too".into());
        }
    }

    fn is_tarpit(&mut self) -> bool {
        let mut order: Vec<u32> =
            (0..self.cells.len()).filter(|cell| self.cells.port(*cell) >= tarpit::HIGH).collect();
        self.rng.shuffle(&mut order);
        let high = order.iter().map(|cell| self.cells.is_open(*cell));
        tarpit::is_tarpit(self.cells.len(), self.cells.open(), high)
    }
}
