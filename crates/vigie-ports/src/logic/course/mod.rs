//! One target, from its first probe to its report.
//!
//! Ports are asked in passes, each in a new random order: first all, then again and again those that stayed silent,
//! until the canaries in between show that silence is not loss. An attempt that is overdue is not given up when its
//! port is asked again: a late answer still counts, and makes the next ones be waited for longer.
//!
//! In reading order: this file what it knows and how it is used · `asking` the passes · `hearing` answers and silence ·
//! `ending` the last words.

mod asking;
mod ending;
mod hearing;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::canaries::Canaries;
use super::cells::Cells;
use super::limits::{BLIND_RATE_ON_LINK, BLIND_RATE_ROUTED};
use super::loss::Ledger;
use super::pace::Pace;
use super::rtt::Estimator;
use super::{Answer, Moment, Outcome};
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
    /// How often this machine's own filter dropped a port's probe in a row.
    refused: HashMap<u32, u32>,
    /// When such a port has its turn again.
    refused_due: BTreeSet<(Moment, u32)>,
    refused_for_good: u32,
    /// Some probe did leave this machine.
    let_out: bool,
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
            refused: HashMap::new(),
            refused_due: BTreeSet::new(),
            refused_for_good: 0,
            let_out: false,
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
        self.retry_refused(now);
        loop {
            if self.ended || self.enough || self.cells.silent() == 0 {
                self.finish(now);
                return Ask::Done;
            }
            if self.has_next() {
                let at = self.pace.next();
                return if at <= now { Ask::Send } else { Ask::Wait(at) };
            }
            let flight = self.flights.get(self.overdue).map(|flight| flight.sent + self.rtt.timeout());
            let refused = self.refused_due.first().map(|(due, _)| *due);
            if let Some(at) = [flight, refused].into_iter().flatten().min() {
                return Ask::Wait(at);
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
            Outcome::Refused => {
                self.refuse(cell, serial, now);
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
}
