//! What is told of a run: the same facts for people and for scripts.

use super::Seen;
use super::against::{Against, today};
use super::inside::Inside;
use super::places::Places;
use crate::failure::Outcome;
use crate::output::Output;
use serde::Serialize;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use vigie_ports::Target;
use vigie_ports::ports::PortSet;
use vigie_ports::services::Services;
use vigie_ports::vantages::allow::Case;
use vigie_ports::vantages::drift::compare;
use vigie_ports::vantages::rows::{Row, rows};
use vigie_ports::vantages::verdict::{Settled, Verdict};

/// Everything that is said, in its order.
pub(super) struct Result {
    pub(super) vantages: Vec<Vantage>,
    pub(super) targets: Vec<TargetTold>,
    pub(super) expired: Vec<String>,
    pub(super) end: End,
}

/// A place.
#[derive(Debug, Serialize)]
pub(super) struct Vantage {
    vantage: String,
    /// How it looked.
    by: &'static str,
    /// `ok`, or why nothing is seen from there.
    class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Connections that were made to it.
    connections: u32,
    /// Lines that it cost in the log over there.
    log_lines: u64,
}

/// A target.
pub(super) struct TargetTold {
    pub(super) target: String,
    pub(super) address: IpAddr,
    /// Places that saw the same, as node sets.
    pub(super) columns: Vec<String>,
    pub(super) ports: Vec<PortTold>,
    pub(super) drifts: Vec<DriftTold>,
    /// What cannot be compared with the baseline.
    pub(super) remarks: Vec<String>,
}

/// A port, or several that are alike.
#[derive(Debug, Serialize)]
pub(super) struct PortTold {
    pub(super) target: String,
    pub(super) address: IpAddr,
    pub(super) ports: String,
    pub(super) count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<String>,
    pub(super) verdict: &'static str,
    /// The baseline has the same difference, or allows it.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) allowed: bool,
    pub(super) seen: Vec<SeenTold>,
    /// What the target itself says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explanation: Option<String>,
    #[serde(skip)]
    pub(super) stands_out: bool,
}

/// What places saw.
#[derive(Debug, Serialize)]
pub(super) struct SeenTold {
    pub(super) from: String,
    pub(super) state: &'static str,
    pub(super) reason: String,
}

/// A change.
#[derive(Debug, Serialize)]
pub(super) struct DriftTold {
    pub(super) target: String,
    pub(super) address: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<u16>,
    /// `added`, `removed`, `changed`, `host-key`.
    pub(super) change: &'static str,
    pub(super) was: String,
    pub(super) is: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) allowed: bool,
}

/// How it ended, in numbers of ports.
#[derive(Debug, Default, Serialize)]
pub(super) struct End {
    /// `same`, `differs` or `inconclusive`.
    pub(super) result: &'static str,
    pub(super) consistent: usize,
    pub(super) vantage_dependent: usize,
    pub(super) flapping: usize,
    pub(super) inconclusive: usize,
    pub(super) drifts: usize,
    pub(super) allowed: usize,
    /// Pairs of port and place that could not be compared with the baseline.
    pub(super) not_compared: usize,
}

/// The kinds of lines for scripts.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Line<'a> {
    Vantage(&'a Vantage),
    Ports(&'a PortTold),
    Drift(&'a DriftTold),
    End(&'a End),
}

fn is_false(is: &bool) -> bool {
    !is
}

// === impl Result ===

impl Result {
    pub(super) fn of(
        seen: &[Seen],
        places: &Places,
        against: &Against,
        services: &Services,
        inside: &HashMap<IpAddr, Inside>,
    ) -> Self {
        let vantage = |(name, place): (&str, &super::places::Place)| Vantage {
            vantage: name.to_owned(),
            by: place.way(),
            class: place.failed.as_ref().map_or("ok", |failed| failed.class.as_str()),
            message: place.failed.as_ref().map(|failed| failed.message.clone()),
            connections: place.connections(),
            log_lines: place.log_lines,
        };
        let vantages = places.each().map(vantage).collect();
        let mut end = End::default();
        let mut teller = Teller { names: places.names(), against, services, today: today(), end: &mut end };
        let targets = seen.iter().map(|seen| teller.target(seen, inside.get(&seen.target.address))).collect();
        end.result = if end.vantage_dependent + end.drifts > 0 {
            "differs"
        } else if end.flapping + end.inconclusive + end.not_compared > 0 {
            "inconclusive"
        } else {
            "same"
        };
        Result { vantages, targets, expired: against.expired(), end }
    }

    pub(super) fn outcome(&self, is_partial: bool) -> Outcome {
        match self.end.result {
            "differs" => Outcome::Negative,
            "same" if !is_partial => Outcome::Done,
            _ => Outcome::Partial,
        }
    }

    /// One object a line.
    pub(super) fn print_json(&self, out: &mut Output) -> io::Result<()> {
        self.vantages.iter().try_for_each(|vantage| out.json(&Line::Vantage(vantage)))?;
        for target in &self.targets {
            target.ports.iter().try_for_each(|ports| out.json(&Line::Ports(ports)))?;
            target.drifts.iter().try_for_each(|drift| out.json(&Line::Drift(drift)))?;
            target.remarks.iter().for_each(|remark| out.warn(remark));
        }
        self.expired.iter().for_each(|remark| out.warn(remark));
        out.json(&Line::End(&self.end))?;
        out.flush()
    }
}

/// What all targets have in common while they are told.
struct Teller<'a> {
    names: &'a [String],
    against: &'a Against,
    services: &'a Services,
    today: String,
    end: &'a mut End,
}

impl Teller<'_> {
    fn target(&mut self, seen: &Seen, inside: Option<&Inside>) -> TargetTold {
        let (columns, rows) = rows(&seen.view);
        let folded = |places: &[usize]| fold(places.iter().map(|place| self.names[*place].as_str()));
        let names: Vec<String> = columns.iter().map(|column| folded(&column.places)).collect();
        let one_of: Vec<usize> =
            columns.iter().map(|column| column.places.first().copied().unwrap_or_default()).collect();
        let ports = rows.iter().map(|row| self.port(seen, row, &names, &one_of, inside)).collect();
        let mut told = TargetTold {
            target: seen.target.written.clone(),
            address: seen.target.address,
            columns: names,
            ports,
            drifts: Vec::new(),
            remarks: Vec::new(),
        };
        if self.against.compares() {
            self.drift(seen, inside, &mut told);
        }
        told
    }

    fn port(
        &mut self,
        seen: &Seen,
        row: &Row,
        names: &[String],
        one_of: &[usize],
        inside: Option<&Inside>,
    ) -> PortTold {
        let first = row.ports.first().copied().unwrap_or_default();
        let cells = row.cells.iter().zip(names).zip(one_of).map(|((cell, from), place)| SeenTold {
            from: from.clone(),
            state: cell.word(),
            reason: seen.view.reason(first, *place).to_owned(),
        });
        let differs = row.verdict == Verdict::VantageDependent;
        let allowed = differs && (self.is_as_it_was(seen, first) || self.difference_is_allowed(seen, first));
        let count = row.ports.len();
        *match row.verdict {
            Verdict::VantageDependent if allowed => &mut self.end.allowed,
            Verdict::VantageDependent => &mut self.end.vantage_dependent,
            Verdict::Consistent => &mut self.end.consistent,
            Verdict::Flapping => &mut self.end.flapping,
            Verdict::Inconclusive => &mut self.end.inconclusive,
        } += count;
        let is_open = row.cells.iter().any(|cell| cell.word() == "open");
        PortTold {
            target: seen.target.written.clone(),
            address: seen.target.address,
            ports: row.ports.iter().copied().collect::<PortSet>().to_string(),
            count,
            service: (count == 1).then(|| self.services.name(first).map(str::to_owned)).flatten(),
            verdict: row.verdict.word(),
            allowed,
            seen: cells.collect(),
            explanation: inside.filter(|_| differs).and_then(|inside| inside.explain(first, is_open)),
            stands_out: row.stands_out(),
        }
    }

    /// Whether each place sees a port just as the baseline says.
    fn is_as_it_was(&self, seen: &Seen, port: u16) -> bool {
        let expected = self.against.expected(&seen.target, self.names);
        let is_so = |(place, settled): (usize, &Settled)| {
            expected(port, place).is_some_and(|was| *settled == Settled::Known(was))
        };
        seen.view.row(port).iter().enumerate().all(is_so)
    }

    /// Whether the places agree once those are left out that may see the port as they do.
    fn difference_is_allowed(&self, seen: &Seen, port: u16) -> bool {
        let row = seen.view.row(port);
        let mut others = row.iter().enumerate().filter_map(|(place, settled)| match settled {
            Settled::Known(state) if self.is_allowed(&seen.target, port, place, *state) => None,
            Settled::Known(state) => Some(*state),
            Settled::Flapping | Settled::Unknown => None,
        });
        let first = others.next();
        others.all(|state| Some(state) == first)
    }

    fn is_allowed(&self, target: &Target, port: u16, place: usize, state: vigie_ports::State) -> bool {
        let address = target.address.to_string();
        let from = self.names[place].as_str();
        let case = Case { target: [&target.written, &address], port, from, state };
        self.against.allowed().iter().any(|allow| allow.allows(&case, &self.today))
    }

    /// The host key of the target, if it is another than it was.
    fn key_drift(&self, target: &Target, inside: Option<&Inside>) -> Option<(String, String)> {
        let (was, inside) = (self.against.host_key(target)?, inside?);
        match (&inside.key_changed, inside.host_key()) {
            (Some(how), _) => Some((was.to_owned(), how.clone())),
            (None, Some(is)) if is != was => Some((was.to_owned(), is.to_owned())),
            _ => None,
        }
    }

    fn drift(&mut self, seen: &Seen, inside: Option<&Inside>, told: &mut TargetTold) {
        let Seen { target, view } = seen;
        let name = &target.written;
        let Some(then) = self.against.states(target) else {
            self.end.not_compared += view.ports().count() * self.names.len();
            told.remarks.push(format!("the baseline does not know {name}"));
            return;
        };
        let drifts = compare(view, self.names, then);
        for drift in &drifts.found {
            let allowed =
                drift.places.iter().all(|place| self.is_allowed(target, drift.port, *place, drift.is));
            *if allowed { &mut self.end.allowed } else { &mut self.end.drifts } += 1;
            told.drifts.push(DriftTold {
                target: name.clone(),
                address: target.address,
                port: Some(drift.port),
                change: drift.change().word(),
                was: drift.was.to_string(),
                is: drift.is.to_string(),
                from: Some(fold(drift.places.iter().map(|place| self.names[*place].as_str()))),
                allowed,
            });
        }
        if let Some((was, is)) = self.key_drift(target, inside) {
            self.end.drifts += 1;
            told.drifts.push(DriftTold {
                target: name.clone(),
                address: target.address,
                port: None,
                change: "host-key",
                was,
                is,
                from: None,
                allowed: false,
            });
        }
        let new = drifts.new_places.len() * view.ports().count();
        self.end.not_compared += drifts.unknown + new;
        if !drifts.new_places.is_empty() {
            let new = fold(drifts.new_places.iter().map(|place| self.names[*place].as_str()));
            told.remarks.push(format!("the baseline does not know what {new} sees of {name}"));
        }
        if drifts.unknown > 0 {
            let pairs = crate::output::count(drifts.unknown as u64);
            told.remarks.push(format!(
                "{pairs} pairs of port and place cannot be compared with the baseline of {name}: one of both is not \
                 known"
            ));
        }
    }
}

/// Names in short.
pub(super) fn fold<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    vigie_model::nodeset::fold(names.clone()).unwrap_or_else(|_| names.collect::<Vec<_>>().join(","))
}
