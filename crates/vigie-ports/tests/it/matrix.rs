//! The confusion matrix: everything that can happen to a probe, each told from all others.

use vigie_ports::{EngineChoice, Loss, Reason, State};

use crate::lab::{Lab, V4, V6, plan};

const ENGINES: [EngineChoice; 2] = [EngineChoice::Connect, EngineChoice::Syn];

/// What nft rejects with, and what is to be seen of it.
const REJECTS_V4: [(&str, u8, State); 7] = [
    ("net-unreachable", 0, State::Unreachable),
    ("host-unreachable", 1, State::Unreachable),
    ("prot-unreachable", 2, State::Unreachable),
    ("port-unreachable", 3, State::Filtered),
    ("net-prohibited", 9, State::Filtered),
    ("host-prohibited", 10, State::Filtered),
    ("admin-prohibited", 13, State::Filtered),
];

/// The same for IPv6.
const REJECTS_V6: [(&str, u8, State); 6] = [
    ("no-route", 0, State::Unreachable),
    ("admin-prohibited", 1, State::Filtered),
    ("addr-unreachable", 3, State::Unreachable),
    ("port-unreachable", 4, State::Filtered),
    ("policy-fail", 5, State::Filtered),
    ("reject-route", 6, State::Filtered),
];

const OPEN: u16 = 1000;
const CLOSED: u16 = 1001;
const DROPPED: u16 = 1002;
const RESET: u16 = 1003;
const REJECTED: u16 = 1010;

fn rejects(protocol: &str, kinds: &[(&str, u8, State)]) -> String {
    let rule = |(n, (kind, ..)): (usize, &(&str, u8, State))| {
        format!(
            "meta nfproto {protocol} tcp dport {} reject with {} type {kind}; ",
            REJECTED as usize + n,
            match protocol {
                "ipv4" => "icmp",
                _ => "icmpv6",
            }
        )
    };
    kinds.iter().enumerate().map(rule).collect()
}

#[test]
fn every_answer_is_told_from_every_other_as_root() {
    for engine in ENGINES {
        for (address, protocol, kinds) in [(V4, "ipv4", &REJECTS_V4[..]), (V6, "ipv6", &REJECTS_V6)] {
            let Some(lab) = Lab::new() else { return };
            let _listening = lab.listen([OPEN].into_iter());
            lab.filter(&format!(
                "tcp dport {DROPPED} drop; tcp dport {RESET} reject with tcp reset; {}",
                rejects(protocol, kinds)
            ));
            let ports = (OPEN..=RESET).chain(REJECTED..REJECTED + kinds.len() as u16);
            let found = lab.findings(&plan(engine, ports), address);
            let seen: Vec<_> =
                found.iter().map(|finding| (finding.port, finding.state, finding.reason)).collect();

            let (version, kind) = if protocol == "ipv4" { (4, 3) } else { (6, 1) };
            let mut expected = vec![
                (OPEN, State::Open, Reason::SynAck),
                (CLOSED, State::Closed, Reason::Reset),
                (DROPPED, State::Filtered, Reason::NoResponse),
                (RESET, State::Closed, Reason::Reset),
            ];
            expected.extend(
                kinds.iter().zip(REJECTED..).map(|((_, code, state), port)| {
                    (port, *state, Reason::Icmp { version, kind, code: *code })
                }),
            );
            assert_eq!(seen, expected, "{engine:?}, {protocol}");
        }
    }
}

#[test]
fn routes_here_that_lead_nowhere_are_told_apart_as_root() {
    let Some(lab) = Lab::new() else { return };
    for (route, v4, v6) in [
        ("blackhole", "10.66.0.1", "fd66::1"),
        ("prohibit", "10.66.0.2", "fd66::2"),
        ("unreachable", "10.66.0.3", "fd66::3"),
    ] {
        for address in [v4, v6] {
            lab.ip_here(&format!("route add {route} {address}"));
            for engine in ENGINES {
                for finding in lab.findings(&plan(engine, 1..=3), address) {
                    let expected = match route {
                        "prohibit" => (State::Filtered, Reason::ForbiddenHere),
                        _ => (State::Unreachable, Reason::NoRoute),
                    };
                    assert_eq!((finding.state, finding.reason), expected, "{engine:?} {route} {address}");
                }
            }
        }
    }
    let found = lab.findings(&plan(EngineChoice::Connect, [80]), "10.67.0.1");
    assert_eq!((found[0].state, found[0].reason), (State::Unreachable, Reason::NoRoute), "no route at all");
}

#[test]
fn routes_on_the_way_that_lead_nowhere_are_told_apart_as_root() {
    let blackhole = ("blackhole", [None, None]);
    let prohibit = ("prohibit", [Some((State::Filtered, 13)), Some((State::Filtered, 1))]);
    let unreachable = ("unreachable", [Some((State::Unreachable, 1)), Some((State::Unreachable, 0))]);
    for engine in ENGINES {
        for (route, expected) in [blackhole, prohibit, unreachable] {
            // A router speaks of such things once a second at most, so that each asks another one.
            let Some(lab) = Lab::new() else { return };
            lab.sysctl_there("net.ipv4.ip_forward=1");
            lab.sysctl_there("net.ipv6.conf.all.forwarding=1");
            lab.ip_here("route add 10.77.0.0/24 via 10.9.0.2");
            lab.ip_here("route add fd77::/64 via fd09::2");
            let protocols = [("10.77.0.1", 4, 3), ("fd77::1", 6, 1)];
            for ((address, version, kind), expected) in protocols.into_iter().zip(expected) {
                lab.ip_there(&format!("route add {route} {address}"));
                let (_, told) = lab.scan(&plan(engine, 1..=3), &[address]);
                let report = &told.reports[0];
                let expected = expected.map_or((State::Filtered, Reason::NoResponse), |(state, code)| {
                    (state, Reason::Icmp { version, kind, code })
                });
                for finding in &report.findings {
                    assert_eq!((finding.state, finding.reason), expected, "{engine:?} {route} {address}");
                }
                assert_eq!(report.loss, Loss::Unknown);
                assert!((report.coverage() - 1.0).abs() < f64::EPSILON);
            }
        }
    }
}

#[test]
fn a_neighbour_that_is_not_there_is_unreachable_on_all_ports_as_root() {
    let Some(lab) = Lab::new() else { return };
    for engine in ENGINES {
        for address in ["10.9.0.99", "fd09::99"] {
            // More than the kernel keeps for a neighbour that it is looking for.
            let found = lab.findings(&plan(engine, 1..=300), address);
            for finding in found {
                let seen = (finding.state, finding.reason);
                assert_eq!(
                    seen,
                    (State::Unreachable, Reason::NoNeighbour),
                    "{engine:?} {address} {}",
                    finding.port
                );
            }
        }
    }
}
