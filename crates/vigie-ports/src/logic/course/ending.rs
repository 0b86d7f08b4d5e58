//! The last words on a target.

use super::super::limits::PATIENT_PORTS_MAX;
use super::super::{Moment, tarpit};
use super::Course;
use crate::finding::{Reason, State};

impl Course {
    pub(super) fn finish(&mut self, now: Moment) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if self.cells.silent() > 0 {
            self.last = now;
            self.say_doubts();
            let (state, reason) = self.said_by_router().unwrap_or((State::Filtered, Reason::NoResponse));
            self.cells.conclude(state, reason);
        }
        if self.refused_for_good > 0 {
            self.notes.push(format!(
                "this machine's own packet filter dropped the probes of {} ports (EPERM): a rule for outgoing packets, \
                 or a full table of connections (net.netfilter.nf_conntrack_max)",
                self.refused_for_good
            ));
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

    pub(super) fn say_doubts(&mut self) {
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

    pub(super) fn is_tarpit(&mut self) -> bool {
        let mut order: Vec<u32> =
            (0..self.cells.len()).filter(|cell| self.cells.port(*cell) >= tarpit::HIGH).collect();
        self.rng.shuffle(&mut order);
        let high = order.iter().map(|cell| self.cells.is_open(*cell));
        tarpit::is_tarpit(self.cells.len(), self.cells.open(), high)
    }
}
