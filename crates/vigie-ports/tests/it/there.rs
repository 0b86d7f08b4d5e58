//! Whether anything is there, many addresses at once, and being told to stop.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;

use vigie_ports::{EngineChoice, Liveness, Ping, Plan, Reason, State, Target, scan};

use crate::lab::{LOCAL, Lab, Told, plan};

const ENGINES: [EngineChoice; 2] = [EngineChoice::Connect, EngineChoice::Syn];

fn asking(engine: EngineChoice) -> Plan {
    Plan { ping: Ping::Ask, ..plan(engine, 1..=50) }
}

#[test]
fn who_is_on_the_link_is_found_by_arp_whatever_the_firewall_as_root() {
    for engine in ENGINES {
        let Some(lab) = Lab::new() else { return };
        lab.ip_there("address add 10.9.0.5/24 dev v0");
        lab.ip_there("address add 10.9.0.200/24 dev v0");
        let _listening = lab.listen([7].into_iter());
        lab.filter("ip daddr 10.9.0.200 drop;");
        let all: Vec<String> = (1..=254).map(|last| format!("10.9.0.{last}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let (summary, told) = lab.scan(&asking(engine), &all);
        assert_eq!((summary.targets, summary.no_answer), (254, 250), "{engine:?}");
        assert!((summary.coverage - 1.0).abs() < f64::EPSILON);
        for report in &told.reports {
            let open: Vec<u16> = report
                .findings
                .iter()
                .filter(|finding| finding.state == State::Open)
                .map(|found| found.port)
                .collect();
            let (expected, liveness, others) = match report.target.as_str() {
                // This machine itself; nobody listens there.
                "10.9.0.1" => (vec![], None, State::Closed),
                "10.9.0.2" | "10.9.0.5" => (vec![7], Some(Liveness::Up("arp-response")), State::Closed),
                "10.9.0.200" => (vec![], Some(Liveness::Up("arp-response")), State::Filtered),
                _ => (vec![], Some(Liveness::NoAnswer), State::Unknown),
            };
            assert_eq!(open, expected, "{engine:?} {}", report.target);
            assert!(
                liveness.is_none_or(|liveness| liveness == report.liveness),
                "{engine:?} {}",
                report.target
            );
            let rest = report.findings.iter().filter(|finding| finding.state != State::Open);
            assert!(rest.clone().all(|finding| finding.state == others), "{engine:?} {}", report.target);
            let no_answer = rest.clone().all(|finding| finding.reason == Reason::NoAnswer);
            assert_eq!(no_answer, report.liveness == Liveness::NoAnswer, "{engine:?} {}", report.target);
        }
    }
}

#[test]
fn behind_a_router_an_echo_or_an_open_port_is_a_sign_of_life_as_root() {
    for engine in ENGINES {
        let Some(lab) = Lab::new() else { return };
        lab.ip_here("route add 10.77.0.0/24 via 10.9.0.2");
        for last in 1..=3 {
            lab.ip_there(&format!("address add 10.77.0.{last}/32 dev lo"));
        }
        lab.filter(
            "ip daddr 10.77.0.1 ip protocol tcp drop; ip daddr 10.77.0.2 ip protocol icmp drop; ip daddr 10.77.0.3 drop;",
        );
        let addresses = ["10.77.0.1", "10.77.0.2", "10.77.0.3"];
        let (_, told) = lab.scan(&asking(engine), &addresses);
        for (address, expected) in
            addresses.into_iter().zip([Liveness::Up("echo-reply"), Liveness::Up("reset"), Liveness::NoAnswer])
        {
            let report = told.reports.iter().find(|report| report.target == address).unwrap();
            assert_eq!(report.liveness, expected, "{engine:?} {address}");
        }
    }
}

#[test]
fn one_address_under_two_names_is_scanned_twice_as_root() {
    for engine in ENGINES {
        let Some(lab) = Lab::new() else { return };
        let (summary, told) = lab.scan(&plan(engine, 1..=100), &["10.9.0.2", "10.9.0.2"]);
        assert_eq!((summary.targets, told.reports.len()), (2, 2));
        assert!(told.reports.iter().all(|report| report.counts().closed == 100));
    }
}

#[test]
fn one_link_local_address_on_two_links_is_two_targets_as_root() {
    for engine in ENGINES {
        for ping in [Ping::Skip, Ping::Ask] {
            let Some(lab) = Lab::new() else { return };
            lab.add_twin();
            let _listening = [lab.listen_local("v0", 11), lab.listen_local("v1", 22)];
            // Rejected, so that ICMP errors have to find their way, too.
            lab.filter("iif v0 tcp dport 33 reject with icmpv6 type admin-prohibited;");
            let words = [&format!("{LOCAL}%v0")[..], &format!("{LOCAL}%v1")];
            let (_, told) = lab.scan_targets(&Plan { ping, ..plan(engine, 1..=50) }, lab.targets(&words));
            let mut seen: Vec<_> = told
                .reports
                .iter()
                .map(|report| {
                    let with = |state| {
                        let found = report.findings.iter().filter(move |finding| finding.state == state);
                        found.map(|finding| finding.port).collect::<Vec<_>>()
                    };
                    let closed = with(State::Closed).len();
                    (report.target.as_str(), with(State::Open), with(State::Filtered), closed)
                })
                .collect();
            seen.sort_unstable();
            let expected = [(words[0], vec![11], vec![33], 48), (words[1], vec![22], vec![], 49)];
            assert_eq!(seen, expected, "{engine:?} {ping:?}");
        }
    }
}

#[test]
fn what_is_stopped_says_so() {
    let mut told = Told::default();
    let mut targets =
        ["127.0.0.1", "127.0.0.2"].iter().map(|address| Target::of(address.parse::<IpAddr>().unwrap()));
    let plan = plan(EngineChoice::Connect, 1..=1000);
    let summary = scan(&plan, &mut targets, &mut told, &AtomicBool::new(true)).unwrap();
    assert!(summary.stopped);
    assert!(
        told.reports
            .iter()
            .flat_map(|report| &report.findings)
            .all(|finding| finding.reason == Reason::Stopped)
    );
}

#[test]
fn ports_in_any_order_and_twice_are_each_reported_once() {
    let plan = plan(EngineChoice::Connect, [9, 3, 9, 0]);
    let mut told = Told::default();
    let mut targets = std::iter::once(Target::of(IpAddr::from([127, 0, 0, 1])));
    scan(&plan, &mut targets, &mut told, &AtomicBool::new(false)).unwrap();
    let ports: Vec<u16> = told.reports[0].findings.iter().map(|finding| finding.port).collect();
    assert_eq!(ports, [0, 3, 9]);
}
