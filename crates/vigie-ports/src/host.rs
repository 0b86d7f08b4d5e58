//! A report as every output shows it: open ports and whatever is unusual one by one, the most common state folded.
//! It is also the JSON, and what comparisons start from, so nothing that was asked for is lost in it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::finding::{Banner, State};
use crate::plan::Scoped;
use crate::ports::PortSet;
use crate::report::{Counts, Liveness, Loss, TargetReport};
use crate::services::Services;

/// One target, folded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// As the user wrote it.
    pub target: String,
    /// Which address was probed.
    pub address: IpAddr,
    /// The interface of an IPv6 link-local address, else 0. Numbers of interfaces mean nothing elsewhere or later.
    #[serde(skip)]
    pub scope: u32,
    /// Other addresses of the same name, not probed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_addresses: Vec<IpAddr>,
    /// What told that something is there (`arp-response`), or `assumed`, or `no-answer`.
    #[serde(default = "assumed")]
    pub alive: String,
    /// Ascending: the open ones, and every port that is not in the folded state.
    pub ports: Vec<Port>,
    /// The folded state, by reason; every port asked for is either here or in `ports`.
    #[serde(default)]
    pub others: Vec<Others>,
    /// How many ports have each state.
    pub counts: Counts,
    /// The share of ports that got a verdict, 0 to 1.
    pub coverage: f64,
    /// What share of probes is lost on the way.
    pub loss: LossShare,
    /// Who probed.
    #[serde(default)]
    pub engine: String,
    /// What the user should know besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// From the first probe to the last verdict, in milliseconds.
    pub elapsed_ms: u64,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// Always `tcp`.
    pub proto: String,
    /// The verdict.
    pub state: State,
    /// Why, in a word of [`crate::words`].
    pub reason: String,
    /// What usually listens there, or what `nmap -sV` found.
    pub service: Option<String>,
    /// Product and version, if `nmap -sV` found them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it said of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banner: Option<Banner>,
    /// From a probe to its answer, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u64>,
}

/// Ports of one state and reason that are not worth a line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Others {
    /// Their verdict.
    pub state: State,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u32,
    /// Which, as ranges.
    pub ports: String,
}

/// A share of probes from 0 to 1, or `"unknown"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LossShare {
    /// As estimated.
    Share(f64),
    /// A word that says why there is none.
    Word(String),
}

/// A port before it is folded or listed.
pub(crate) type Verdicts = BTreeMap<u16, Port>;

fn assumed() -> String {
    "assumed".to_owned()
}

// === impl Host ===

impl Host {
    /// Folds a report, and names what usually listens. A target that gave no sign of life has no ports: none was
    /// probed.
    #[must_use]
    pub fn of(report: TargetReport, services: &Services) -> Self {
        let coverage = report.coverage();
        let is_dead = report.liveness == Liveness::NoAnswer;
        let verdicts = report.findings.into_iter().filter(|_| !is_dead).map(|finding| {
            let port = Port {
                port: finding.port,
                proto: "tcp".to_owned(),
                state: finding.state,
                reason: finding.reason.to_string(),
                service: finding.service.or_else(|| services.name(finding.port).map(str::to_owned)),
                version: None,
                banner: finding.banner,
                rtt_us: finding.rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
            };
            (port.port, port)
        });
        let mut host = Host {
            target: report.target,
            address: report.address,
            scope: report.scope,
            other_addresses: report.other_addresses,
            alive: match report.liveness {
                Liveness::Up(word) => word.to_owned(),
                Liveness::Assumed => assumed(),
                Liveness::NoAnswer => "no-answer".to_owned(),
            },
            ports: Vec::new(),
            others: Vec::new(),
            counts: Counts::default(),
            coverage,
            loss: match report.loss {
                // More digits would be a promise that no estimate keeps.
                Loss::Estimated(share) => LossShare::Share((share * 10_000.0).round() / 10_000.0),
                Loss::Unknown => LossShare::Word("unknown".to_owned()),
            },
            engine: report.engine.word().to_owned(),
            notes: report.notes,
            elapsed_ms: u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
        };
        host.set_ports(verdicts.collect());
        host
    }

    /// What tells it from every other target of the same run.
    #[must_use]
    pub fn scoped(&self) -> Scoped {
        (self.address, self.scope)
    }

    /// Whether it gave no sign of life.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.alive == "no-answer"
    }

    /// Folds the most common state but `open`, which is always shown.
    pub(crate) fn set_ports(&mut self, verdicts: Verdicts) {
        let mut counts = Counts::default();
        verdicts.values().for_each(|port| *counts.of_mut(port.state) += 1);
        self.counts = counts;
        let folded = State::ALL[1..].iter().copied().rev().max_by_key(|state| counts.of(*state));
        let mut others: BTreeMap<(State, String), Vec<u16>> = BTreeMap::new();
        self.ports.clear();
        for port in verdicts.into_values() {
            if Some(port.state) == folded {
                others.entry((port.state, port.reason)).or_default().push(port.port);
            } else {
                self.ports.push(port);
            }
        }
        let fold = |((state, reason), ports): ((State, String), Vec<u16>)| {
            let count = u32::try_from(ports.len()).unwrap_or(u32::MAX);
            Others { state, reason, count, ports: ports.into_iter().collect::<PortSet>().to_string() }
        };
        self.others = others.into_iter().map(fold).collect();
        self.others.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
    }

    /// Computes the share of ports with a verdict from their counts.
    pub(crate) fn set_coverage(&mut self) {
        let all: u32 = State::ALL.iter().map(|state| self.counts.of(*state)).sum();
        self.coverage = if all == 0 { 1.0 } else { f64::from(all - self.counts.unknown) / f64::from(all) };
    }

    /// The ports of the folded state, one by one; which reasons they have in which order is not told.
    pub fn unfolded(&self) -> impl Iterator<Item = Port> + '_ {
        self.others.iter().flat_map(|others| {
            others.ports().into_iter().map(|port| Port {
                port,
                proto: "tcp".to_owned(),
                state: others.state,
                reason: others.reason.clone(),
                service: None,
                version: None,
                banner: None,
                rtt_us: None,
            })
        })
    }

    /// The verdict on every port that was asked for.
    #[must_use]
    pub fn states(&self) -> BTreeMap<u16, State> {
        let folded =
            self.others.iter().flat_map(|others| others.ports().into_iter().map(|port| (port, others.state)));
        folded.chain(self.ports.iter().map(|port| (port.port, port.state))).collect()
    }

    /// Takes over what somebody else found out about the services on open ports.
    pub fn take_services(&mut self, seen: &Host) {
        for port in &mut self.ports {
            let same = seen.ports.iter().find(|other| other.port == port.port && other.state == State::Open);
            if let Some(other) = same.filter(|other| other.service.is_some()) {
                (port.service, port.version) = (other.service.clone(), other.version.clone());
            }
        }
    }

    /// The same findings under another name of the address.
    #[must_use]
    pub fn renamed(&self, target: String, other_addresses: Vec<IpAddr>) -> Self {
        Host { target, other_addresses, ..self.clone() }
    }
}

impl Others {
    /// The ports, ascending; none where the text is not ours.
    fn ports(&self) -> Vec<u16> {
        let parsed = PortSet::parse(&self.ports, &crate::services::Services::default());
        parsed.map(|ports| ports.as_slice().to_vec()).unwrap_or_default()
    }
}

// === impl Counts ===

impl Counts {
    /// Of one state.
    #[must_use]
    pub fn of(&self, state: State) -> u32 {
        match state {
            State::Open => self.open,
            State::Closed => self.closed,
            State::Filtered => self.filtered,
            State::Unreachable => self.unreachable,
            State::Unknown => self.unknown,
        }
    }

    fn of_mut(&mut self, state: State) -> &mut u32 {
        match state {
            State::Open => &mut self.open,
            State::Closed => &mut self.closed,
            State::Filtered => &mut self.filtered,
            State::Unreachable => &mut self.unreachable,
            State::Unknown => &mut self.unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Finding, Reason};
    use crate::report::EngineName;
    use std::time::Duration;

    pub(crate) fn report(findings: &[(u16, State, Reason)]) -> TargetReport {
        let finding = |(port, state, reason): &(u16, State, Reason)| Finding {
            port: *port,
            state: *state,
            reason: *reason,
            attempts: 1,
            rtt: (*state == State::Open).then_some(Duration::from_micros(250)),
            service: None,
            banner: None,
        };
        TargetReport {
            target: "web01".to_owned(),
            address: "192.0.2.1".parse().unwrap(),
            scope: 0,
            other_addresses: vec![],
            liveness: Liveness::Up("arp-response"),
            findings: findings.iter().map(finding).collect(),
            loss: Loss::Estimated(0.012_345),
            engine: EngineName::Connect,
            notes: vec![],
            elapsed: Duration::from_millis(1234),
        }
    }

    fn folded(report: TargetReport) -> Host {
        Host::of(report, &Services::parse("ssh 22/tcp"))
    }

    #[test]
    fn the_json_is_what_scripts_were_promised() {
        let host = folded(report(&[
            (21, State::Closed, Reason::Reset),
            (22, State::Open, Reason::SynAck),
            (23, State::Closed, Reason::Reset),
            (25, State::Filtered, Reason::NoResponse),
        ]));
        assert_eq!(
            serde_json::to_string(&host).unwrap(),
            r#"{"target":"web01","address":"192.0.2.1","alive":"arp-response","ports":["#.to_owned()
                + r#"{"port":22,"proto":"tcp","state":"open","reason":"syn-ack","service":"ssh","rtt_us":250},"#
                + r#"{"port":25,"proto":"tcp","state":"filtered","reason":"no-response","service":null}],"#
                + r#""others":[{"state":"closed","reason":"reset","count":2,"ports":"21,23"}],"#
                + r#""counts":{"open":1,"closed":2,"filtered":1,"unreachable":0,"unknown":0},"#
                + r#""coverage":1.0,"loss":0.0123,"engine":"connect","elapsed_ms":1234}"#
        );
        let back: Host = serde_json::from_str(&serde_json::to_string(&host).unwrap()).unwrap();
        assert_eq!(back, host);
        assert_eq!(
            back.states().into_iter().collect::<Vec<_>>(),
            [(21, State::Closed), (22, State::Open), (23, State::Closed), (25, State::Filtered)]
        );
    }

    #[test]
    fn open_ports_are_never_folded() {
        let host = folded(report(&[(22, State::Open, Reason::SynAck), (80, State::Open, Reason::SynAck)]));
        assert_eq!((host.ports.len(), host.others.len()), (2, 0));
    }

    #[test]
    fn a_dead_host_has_no_ports_and_is_covered() {
        let mut dead = report(&[(22, State::Unknown, Reason::NoAnswer)]);
        dead.liveness = Liveness::NoAnswer;
        let host = folded(dead);
        assert!(host.is_dead());
        assert_eq!((host.ports.len(), host.others.len(), host.coverage), (0, 0, 1.0));
        assert_eq!(host.counts, Counts::default());
    }

    #[test]
    fn one_state_may_have_several_reasons() {
        let host = folded(report(&[
            (1, State::Filtered, Reason::NoResponse),
            (2, State::Filtered, Reason::Icmp { version: 4, kind: 3, code: 3 }),
            (3, State::Filtered, Reason::NoResponse),
        ]));
        let told: Vec<_> = host.others.iter().map(|o| (o.reason.as_str(), o.ports.as_str())).collect();
        assert_eq!(told, [("no-response", "1,3"), ("port-unreach", "2")]);
    }
}
