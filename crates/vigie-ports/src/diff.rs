//! What changed between two scans.
//!
//! States are compared, not reasons, names or times. A target is the same if its address is, but for a link-local one
//! that was asked for on another interface, or else the name by which it was asked for. "Could not look" is never a
//! change and never the same: it is inconclusive.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use crate::finding::State;
use crate::host::Host;
use crate::ports::PortSet;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As the user wrote it.
    pub target: String,
    /// Its address, the later one if it changed.
    pub address: IpAddr,
    /// What is different.
    #[serde(flatten)]
    pub what: What,
}

/// What is different of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum What {
    /// It is in the second scan only.
    Appeared {
        /// Its open ports.
        open: Vec<u16>,
    },
    /// It is in the first scan only.
    Vanished {
        /// Its open ports.
        open: Vec<u16>,
    },
    /// It answers, and did not.
    CameUp {
        /// Its open ports.
        open: Vec<u16>,
    },
    /// It answered, and does not.
    WentDown {
        /// Its open ports of then.
        open: Vec<u16>,
    },
    /// Its name has another address.
    Moved {
        /// The address of the first scan.
        from: IpAddr,
    },
    /// A port has another state.
    Port {
        /// Which.
        port: u16,
        /// Always `tcp`.
        proto: &'static str,
        /// In the first scan.
        before: State,
        /// In the second.
        after: State,
    },
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// By target, then by port.
    pub changes: Vec<Change>,
    /// Targets of both scans.
    pub targets: usize,
    /// Ports that have a verdict in both.
    pub ports: u64,
    /// Ports asked for in both of which at least one scan has no verdict.
    pub unknown: u64,
    /// Ports that only one of the scans asked for, by target.
    pub asked_once: Vec<(String, PortSet)>,
}

/// Compares the first scan with the second.
#[must_use]
pub fn compare(before: &[Host], after: &[Host]) -> Comparison {
    let mut comparison = Comparison::default();
    let mut left: BTreeSet<usize> = (0..after.len()).collect();
    let mut by_address: BTreeMap<(IpAddr, &str), usize> = BTreeMap::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    let mut any_of: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (index, host) in after.iter().enumerate().rev() {
        by_address.insert((host.address, &host.target), index);
        by_name.insert(&host.target, index);
        any_of.insert(host.address, index);
    }
    for old in before {
        let exact = by_address.get(&(old.address, old.target.as_str()));
        let of_address = any_of.get(&old.address).filter(|index| may_be_same(old, &after[**index]));
        let same = exact.or(of_address).or_else(|| by_name.get(old.target.as_str()));
        match same {
            Some(index) => {
                left.remove(index);
                comparison.pair(old, &after[*index]);
            }
            None => comparison.push(old, What::Vanished { open: open(old) }),
        }
    }
    for index in left {
        comparison.push(&after[index], What::Appeared { open: open(&after[index]) });
    }
    // Each target's own order stays: the sort is stable.
    comparison.changes.sort_by(|a, b| (a.address, &a.target).cmp(&(b.address, &b.target)));
    comparison
}

/// Whether two targets of one address are not known to be on different interfaces: other programs do not write them.
fn may_be_same(old: &Host, new: &Host) -> bool {
    let interface = |host: &Host| {
        let (address, interface) = host.target.split_once('%')?;
        (address.parse() == Ok(host.address)).then(|| interface.to_owned())
    };
    interface(old).zip(interface(new)).is_none_or(|(old, new)| old == new)
}

fn open(host: &Host) -> Vec<u16> {
    host.ports.iter().filter(|port| port.state == State::Open).map(|port| port.port).collect()
}

impl Comparison {
    /// Whether something is certain to be different.
    #[must_use]
    pub fn differs(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Whether something could not be compared.
    #[must_use]
    pub fn is_inconclusive(&self) -> bool {
        self.unknown > 0 || !self.asked_once.is_empty() || self.is_of_nothing()
    }

    /// Whether there was nothing to compare: two scans that found no target, or died before they wrote one.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        self.targets == 0 && self.changes.is_empty()
    }

    fn push(&mut self, host: &Host, what: What) {
        self.changes.push(Change { target: host.target.clone(), address: host.address, what });
    }

    fn pair(&mut self, old: &Host, new: &Host) {
        self.targets += 1;
        if old.address != new.address {
            self.push(new, What::Moved { from: old.address });
        }
        match (old.is_dead(), new.is_dead()) {
            (true, true) => return,
            (true, false) => return self.push(new, What::CameUp { open: open(new) }),
            (false, true) => return self.push(new, What::WentDown { open: open(old) }),
            (false, false) => {}
        }
        let (before, after) = (old.states(), new.states());
        let mut once: Vec<u16> = after.keys().filter(|port| !before.contains_key(port)).copied().collect();
        for (port, before) in before {
            match after.get(&port) {
                None => once.push(port),
                Some(after) if before == State::Unknown || *after == State::Unknown => self.unknown += 1,
                Some(after) => {
                    self.ports += 1;
                    if before != *after {
                        self.push(new, What::Port { port, proto: "tcp", before, after: *after });
                    }
                }
            }
        }
        if !once.is_empty() {
            self.asked_once.push((new.target.clone(), once.into_iter().collect()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Port, Verdicts};
    use crate::xml::host::SeenHost;

    fn host(address: &str, target: &str, ports: &[(u16, State)]) -> Host {
        let seen = SeenHost { address: Some(address.parse().unwrap()), ..SeenHost::default() };
        let mut host = seen.into_host(&PortSet::default()).unwrap();
        host.target = target.into();
        let port = |(port, state): &(u16, State)| Port {
            port: *port,
            proto: "tcp".into(),
            state: *state,
            reason: "reset".into(),
            service: None,
            version: None,
            banner: None,
            rtt_us: None,
        };
        host.set_ports(ports.iter().map(|pair| (pair.0, port(pair))).collect::<Verdicts>());
        host
    }

    use State::{Closed, Filtered, Open, Unknown};

    #[test]
    fn a_link_local_address_on_another_interface_is_another_target() {
        let on = |target: &str, port| [host("fe80::1", target, &[(port, Open)])];
        let other = compare(&on("fe80::1%eth0", 22), &on("fe80::1%eth1", 22));
        assert_eq!((other.targets, other.changes.len()), (0, 2), "{other:?}");
        // nmap does not write the interface.
        assert_eq!(compare(&on("fe80::1", 22), &on("fe80::1%eth1", 22)).targets, 1);
        assert_eq!(compare(&on("fe80::1%eth1", 22), &on("fe80::1%eth1", 22)).targets, 1);
    }

    #[test]
    fn the_same_is_the_same_and_a_port_is_a_change() {
        let before = [host("192.0.2.1", "a", &[(22, Open), (80, Closed), (81, Closed)])];
        assert!(!compare(&before, &before).differs());
        let after = [host("192.0.2.1", "a", &[(22, Filtered), (80, Closed), (81, Open)])];
        let comparison = compare(&before, &after);
        let told: Vec<String> =
            comparison.changes.iter().map(|c| serde_json::to_string(c).unwrap()).collect();
        assert_eq!(
            told,
            [
                r#"{"target":"a","address":"192.0.2.1","change":"port","port":22,"proto":"tcp","before":"open","after":"filtered"}"#,
                r#"{"target":"a","address":"192.0.2.1","change":"port","port":81,"proto":"tcp","before":"closed","after":"open"}"#,
            ]
        );
        assert_eq!((comparison.targets, comparison.ports), (1, 3));
        assert!(!comparison.is_inconclusive());
    }

    #[test]
    fn nothing_beside_nothing_is_not_the_same() {
        assert!(compare(&[], &[]).is_inconclusive());
    }

    #[test]
    fn what_could_not_be_seen_is_neither_same_nor_different() {
        let before = [host("192.0.2.1", "a", &[(22, Open), (23, Open)])];
        let after = [host("192.0.2.1", "a", &[(22, Unknown), (24, Open)])];
        let comparison = compare(&before, &after);
        assert!(!comparison.differs() && comparison.is_inconclusive());
        assert_eq!(comparison.unknown, 1);
        assert_eq!(comparison.asked_once[0].1.to_string(), "23-24");
    }

    #[test]
    fn targets_come_go_move_and_fall_silent() {
        let dead = |address, target| Host { alive: "no-answer".into(), ..host(address, target, &[]) };
        let before = [
            host("192.0.2.1", "gone", &[(22, Open)]),
            host("192.0.2.2", "moved", &[(22, Open)]),
            host("192.0.2.3", "down", &[(22, Open)]),
            dead("192.0.2.4", "up"),
        ];
        let after = [
            host("192.0.2.9", "new", &[(80, Open)]),
            host("192.0.2.8", "moved", &[(22, Open)]),
            dead("192.0.2.3", "down"),
            host("192.0.2.4", "up", &[(22, Open)]),
        ];
        let changes = compare(&before, &after).changes;
        let told: Vec<_> = changes.iter().map(|c| (c.target.as_str(), &c.what)).collect();
        assert_eq!(
            told,
            [
                ("gone", &What::Vanished { open: vec![22] }),
                ("down", &What::WentDown { open: vec![22] }),
                ("up", &What::CameUp { open: vec![22] }),
                ("moved", &What::Moved { from: "192.0.2.2".parse().unwrap() }),
                ("new", &What::Appeared { open: vec![80] }),
            ]
        );
    }

    #[test]
    fn a_name_and_its_address_are_the_same_target() {
        let before = [host("192.0.2.1", "a.example", &[(22, Open)])];
        let after = [host("192.0.2.1", "192.0.2.1", &[(22, Open)])];
        assert!(!compare(&before, &after).differs());
    }
}
