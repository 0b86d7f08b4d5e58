//! Programs that look from there: this one, copied for the time, and nmap; and which way is taken when.

use crate::lab::{Lab, Server, TARGET, has_nmap};

const PLAIN: Server = Server::OpenSsh("");

const DIFFERENT: &str = "iifname v2 tcp dport 80 drop; iifname v1 tcp dport 81 reject with icmpx type port-unreachable; \
                         tcp dport 90-99 drop";

/// What a place uses, by its number.
fn ways(said: &crate::lab::Said) -> Vec<String> {
    said.lines("vantage").iter().map(|line| line["by"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn root_all_ways_see_the_same() {
    let Some(mut lab) = Lab::new(&[PLAIN; 2]) else { return };
    lab.listen([22, 80]);
    lab.rules("c", "forward", DIFFERENT);
    for by in ["forwarding", "copy", "nmap"] {
        if by == "nmap" && !has_nmap() {
            continue;
        }
        let said = lab.ports(&[
            TARGET,
            "--from",
            "v[1-2]",
            "-p",
            "20-100",
            "--json",
            "--by",
            by,
            "--timeout",
            "1100ms",
        ]);
        assert_eq!(
            (said.code, said.with_verdict("vantage-dependent")),
            (1, vec!["80".to_owned()]),
            "{said:?}"
        );
        assert_eq!(ways(&said), [by, by]);
        assert_eq!((said.seen(80, 2).0.as_str(), said.seen(81, 1).0.as_str()), ("filtered", "closed"));
        assert_eq!(
            (said.seen(95, 1).0.as_str(), said.seen(22, 2).0.as_str()),
            ("filtered", "open"),
            "{said:?}"
        );
        assert_eq!(lab.left_behind(), Vec::<String>::new());
    }
}

#[test]
fn root_where_forwarding_is_forbidden_a_program_looks() {
    let Some(mut lab) = Lab::new(&[Server::OpenSsh("AllowTcpForwarding no"), PLAIN]) else { return };
    lab.listen([22, 80]);
    let said = lab.ports(&[TARGET, "--from", "v[1-2]", "-p", "20-100", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(ways(&said), ["copy", "forwarding"]);
    assert_eq!(lab.left_behind(), Vec::<String>::new());
}

#[test]
fn root_a_wide_range_goes_by_a_program_and_else_by_forwarding() {
    let Some(mut lab) = Lab::new(&[PLAIN, Server::OpenSsh("MaxSessions 0")]) else { return };
    lab.listen([22, 80]);
    let said = lab.ports(&[TARGET, "--from", "v[1-2]", "-p", "1-3000", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(ways(&said), ["copy", "forwarding"], "{said:?}");
    let said = lab.ports(&[TARGET, "--from", "v2", "-p", "1-2", "--by", "copy"]);
    assert_eq!(said.code, 3, "{said:?}");
}

#[test]
fn root_a_machine_of_another_kind_is_asked_for_its_nmap() {
    if !has_nmap() {
        return;
    }
    let Some(mut lab) = Lab::new(&[Server::OtherMachine]) else { return };
    lab.listen([22, 80]);
    let args = [TARGET, "--from", "v1", "-p", "1-3000"];
    let said = lab.ports(&args);
    assert!(said.err.contains("its machine is armv9") && said.err.contains("by the nmap"), "{said:?}");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("2,998 ports"), "{said:?}");
    assert_eq!(lab.left_behind(), Vec::<String>::new());
}

#[test]
fn root_an_interrupted_run_claims_nothing_and_leaves_nothing() {
    let Some(mut lab) = Lab::new(&[PLAIN; 2]) else { return };
    lab.listen([22, 80]);
    lab.rules("c", "forward", "tcp dport 1000-9999 drop; iifname v2 tcp dport 80 drop");
    for (by, word) in [("copy", "copied there"), ("forwarding", "nothing runs there")] {
        let said = lab.interrupted_at(word, &[TARGET, "--from", "v[1-2]", "-p", "80,1000-9999", "--by", by]);
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.err.contains("stopped before the end"), "{said:?}");
        assert!(!said.out.contains("vantage-dependent"), "{said:?}");
        assert_eq!(lab.left_behind(), Vec::<String>::new());
    }
}
