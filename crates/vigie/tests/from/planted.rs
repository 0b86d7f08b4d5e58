//! Exactly the planted differences are found, and nothing else, ever.

use crate::lab::{Lab, Server, TARGET};

const PLAIN: Server = Server::OpenSsh("");

/// Ports of the target that are open.
const OPEN: [u16; 4] = [22, 80, 443, 5432];

#[test]
fn root_exactly_the_planted_differences_are_found() {
    let Some(mut lab) = Lab::new(&[PLAIN; 4]) else { return };
    lab.listen(OPEN);
    let said = lab.ports(&[TARGET, "--from", &lab.all(), "-p", "1-1000,5432", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.with_verdict("consistent").len(), OPEN.len() + 1, "{said:?}");

    lab.rules(
        "c",
        "forward",
        "iifname v3 tcp dport 80 drop; iifname { v1, v4 } tcp dport 443 reject with tcp reset; \
         iifname v2 tcp dport 500 reject with icmpx type admin-prohibited; tcp dport 900-910 drop",
    );
    let said = lab.ports(&[TARGET, "--from", &lab.all(), "-p", "1-1000,5432", "--json"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.with_verdict("vantage-dependent"), ["80", "443", "500"], "{said:?}");
    assert_eq!((said.seen(80, 3).0.as_str(), said.seen(80, 1).0.as_str()), ("filtered", "open"));
    assert_eq!((said.seen(443, 4).0.as_str(), said.seen(443, 2).0.as_str()), ("closed", "open"));
    assert_eq!((said.seen(500, 2).0.as_str(), said.seen(500, 3).0.as_str()), ("unreachable", "closed"));
    assert_eq!(said.seen(905, 1).0, "filtered");
    assert_eq!(said.lines("end")[0]["result"], "differs");
    // What cost what.
    let vantages = said.lines("vantage");
    assert!(vantages.iter().all(|line| line["log_lines"].as_u64().unwrap() >= 900), "{vantages:?}");

    let said = lab.ports(&[TARGET, "--from", &lab.all(), "-p", "22,80,443,500"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("VERDICT") && said.out.contains("v[1,4]"), "{said:?}");
}

#[test]
fn root_this_machine_sees_what_others_see() {
    let Some(mut lab) = Lab::new(&[PLAIN; 2]) else { return };
    lab.listen(OPEN);
    lab.rules(
        "c",
        "forward",
        "tcp dport 90 drop; tcp dport 91 reject with icmpx type port-unreachable; \
         tcp dport 92 reject with icmpx type admin-prohibited",
    );
    lab.rules(
        "c",
        "output",
        "ip daddr 10.77.100.2 tcp dport 90 drop; tcp dport 91 reject with icmpx type port-unreachable",
    );
    lab.rules("t", "input", "tcp dport 92 reject with icmpx type admin-prohibited; tcp dport 93 drop");
    let said = lab.ports(&[TARGET, "--from", "here,v[1-2]", "-p", "20-100,443,5432", "--json"]);
    let odd = said.with_verdict("vantage-dependent");
    // 90 and 91 are stopped by this machine's own rules before anything is sent: that says nothing of the target.
    assert!(odd.iter().all(|ports| ["90", "91"].contains(&ports.as_str())), "{said:?}");
    assert_eq!(said.seen(93, 1).0, "filtered", "{said:?}");
    assert_eq!(said.seen(92, 1).0, "unreachable", "{said:?}");
}

#[test]
fn root_one_percent_loss_is_no_difference() {
    let Some(mut lab) = Lab::new(&[PLAIN; 2]) else { return };
    lab.listen(OPEN);
    lab.rules(
        "c",
        "forward",
        "iifname v1 tcp dport != 22 numgen random mod 100 < 1 drop; \
         oifname v1 tcp sport != 22 numgen random mod 100 < 1 drop",
    );
    for round in 0..5 {
        let said = lab.ports(&[TARGET, "--from", "v[1-2]", "-p", "1-1000", "--json"]);
        assert_eq!(said.code, 0, "round {round}: {said:?}");
        assert_eq!(said.lines("end")[0]["consistent"], 1000);
    }
}

#[test]
fn root_a_place_that_does_not_answer_makes_it_inconclusive() {
    let Some(mut lab) = Lab::new(&[PLAIN, Server::Dead, PLAIN]) else { return };
    lab.listen(OPEN);
    let said = lab.ports(&[TARGET, "--from", "v[1-3]", "-p", "1-100", "--json"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("nothing can be seen from v2"), "{said:?}");
    let end = &said.lines("end")[0];
    assert_eq!((&end["inconclusive"], &end["consistent"]), (&100.into(), &0.into()), "{said:?}");
    assert_eq!(said.lines("vantage")[1]["class"], "refused");
    assert_eq!(said.seen(22, 1).0, "open");
    // A difference between the others is still one.
    lab.rules("c", "forward", "iifname v1 tcp dport 80 drop");
    let said = lab.ports(&[TARGET, "--from", "v[1-3]", "-p", "1-100", "--json"]);
    assert_eq!((said.code, said.with_verdict("vantage-dependent")), (1, vec!["80".to_owned()]), "{said:?}");
}

#[test]
fn root_many_silent_ports_need_more_than_one_connection() {
    let Some(mut lab) = Lab::new(&[PLAIN; 2]) else { return };
    lab.listen(OPEN);
    lab.rules("c", "forward", "iifname { v1, v2 } tcp dport 1000-2999 drop");
    let args = [
        TARGET,
        "--from",
        "v[1-2]",
        "-p",
        "22,1000-2999",
        "--timeout",
        "500ms",
        "--json",
        "--by",
        "forwarding",
    ];
    let said = lab.ports(&args);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.seen(2999, 2).0, "filtered");
    assert!(said.lines("vantage").iter().all(|line| line["connections"].as_u64() > Some(2)), "{said:?}");
}

#[test]
fn root_a_connection_that_dies_makes_no_port_silent() {
    let Some(mut lab) = Lab::new(&[PLAIN; 2]) else { return };
    lab.listen(OPEN);
    lab.rules("c", "forward", "tcp dport 1000-1999 drop");
    // After so many bytes nothing of the first place comes through any more, in the midst of its ports.
    lab.rules("c", "input", "iifname v1 tcp sport 22 quota over 40 kbytes drop");
    let args = ["--from", "v[1-2]", "-p", "1-1999", "--timeout", "1100ms", "--json", "--by", "forwarding"];
    let said = lab.ports(&[&[TARGET], &args[..]].concat());
    assert_eq!(said.code, 3, "{said:?}");
    assert_eq!(said.seen(1999, 1).0, "unknown", "{said:?}");
    assert_eq!(said.seen(1999, 2).0, "filtered", "{said:?}");
}
