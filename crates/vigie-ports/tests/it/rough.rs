//! Loss, limits and want: slower, never wrong.

use std::process::Command;

use vigie_ports::{EngineChoice, Loss, Reason, State};

use crate::lab::{Lab, V4, V6, plan};

const ENGINES: [EngineChoice; 2] = [EngineChoice::Connect, EngineChoice::Syn];

/// Ports that listen, spread over the ones asked for.
fn listeners() -> impl Iterator<Item = u16> {
    (1..=20).map(|n| n * 97)
}

fn check(lab: &Lab, engine: EngineChoice, address: &str, others: State) {
    let found = lab.findings(&plan(engine, 1..=2000), address);
    for finding in found {
        let expected = if listeners().any(|port| port == finding.port) { State::Open } else { others };
        assert_eq!(finding.state, expected, "{engine:?} {address} {} {:?}", finding.port, finding.reason);
    }
}

#[test]
fn lost_packets_change_nothing_as_root() {
    for percent in [1, 5] {
        for engine in ENGINES {
            for others in [State::Closed, State::Filtered] {
                let Some(lab) = Lab::new() else { return };
                let _listening = lab.listen(listeners());
                let wanted: Vec<String> = listeners().map(|port| port.to_string()).collect();
                let rest = if others == State::Filtered {
                    format!("tcp dport != {{ {} }} drop;", wanted.join(", "))
                } else {
                    String::new()
                };
                // Both ways at once: what is lost coming in is never answered.
                lab.filter(&format!("meta l4proto tcp numgen random mod 100 < {} drop; {rest}", percent * 2));
                check(&lab, engine, V4, others);
                check(&lab, engine, V6, others);
            }
        }
    }
}

#[test]
fn a_limit_of_500_a_second_in_the_way_is_met_as_root() {
    for engine in ENGINES {
        let Some(lab) = Lab::new() else { return };
        let _listening = lab.listen(listeners());
        lab.filter("tcp flags & (syn | ack) == syn limit rate over 500/second burst 5 packets drop;");
        check(&lab, engine, V4, State::Closed);
    }
}

#[test]
fn what_this_machine_drops_for_a_moment_is_asked_again_as_root() {
    let Some(lab) = Lab::new() else { return };
    let _listening = lab.listen(listeners());
    // As a full table of connections does it: some of the probes are refused, whatever their port.
    lab.filter_here("meta l4proto tcp numgen random mod 100 < 20 drop;");
    check(&lab, EngineChoice::Syn, V4, State::Closed);
    check(&lab, EngineChoice::Syn, V6, State::Closed);
}

#[test]
fn what_a_rule_here_forbids_is_unknown_as_root() {
    let Some(lab) = Lab::new() else { return };
    lab.filter_here("tcp dport 5-6 drop;");
    for address in [V4, V6] {
        let (_, told) = lab.scan(&plan(EngineChoice::Syn, 1..=10), &[address]);
        let report = &told.reports[0];
        for finding in &report.findings {
            let expected = match finding.port {
                5 | 6 => (State::Unknown, Reason::ForbiddenHere),
                _ => (State::Closed, Reason::Reset),
            };
            assert_eq!((finding.state, finding.reason), expected, "{address} {}", finding.port);
        }
        assert!((report.coverage() - 0.8).abs() < 1e-9);
        assert!(report.notes.iter().any(|note| note.contains("of 2 ports (EPERM)")), "{:?}", report.notes);
    }
}

#[test]
fn a_rule_here_against_everything_is_known_soon_as_root() {
    let Some(lab) = Lab::new() else { return };
    lab.filter_here("meta l4proto tcp drop;");
    let found = lab.findings(&plan(EngineChoice::Syn, 1..=2000), V4);
    for finding in found {
        let seen = (finding.state, finding.reason, finding.attempts);
        assert_eq!(seen, (State::Unknown, Reason::ForbiddenHere, 0), "{}", finding.port);
    }
}

#[test]
fn what_the_own_queue_drops_is_no_loss_as_root() {
    for address in [V4, V6] {
        let Some(lab) = Lab::new() else { return };
        let _listening = lab.listen(listeners());
        lab.slow_here("2mbit");
        let (_, told) = lab.scan(&plan(EngineChoice::Syn, 1..=2000), &[address]);
        let report = &told.reports[0];
        assert_eq!(report.counts().open, 20);
        assert_eq!(report.counts().closed, 1980);
        assert_eq!(report.loss, Loss::Estimated(0.0), "{address} {:?}", report.notes);
    }
}

#[test]
fn nothing_but_silence_is_filtered_as_root() {
    let Some(lab) = Lab::new() else { return };
    lab.filter("meta l4proto tcp drop;");
    for engine in ENGINES {
        check_all_filtered(&lab, engine);
    }
}

fn check_all_filtered(lab: &Lab, engine: EngineChoice) {
    let found = lab.findings(&plan(engine, 1..=2000), V4);
    assert!(found.iter().all(|finding| finding.state == State::Filtered && finding.attempts == 2));
}

#[test]
fn few_descriptors_give_the_same_answer_as_root() {
    // The limit is the process's, and so another process has it.
    let exe = std::env::current_exe().unwrap();
    let script = r#"ulimit -n 256 && exec "$0" --exact rough::with_few_descriptors --ignored --nocapture"#;
    let output = Command::new("sh").arg("-c").arg(script).arg(exe).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "run by few_descriptors_give_the_same_answer_as_root, in a process with few descriptors"]
fn with_few_descriptors() {
    let Some(lab) = Lab::new() else { return };
    let _listening = lab.listen(listeners());
    check(&lab, EngineChoice::Connect, V4, State::Closed);
    let wanted: Vec<String> = listeners().map(|port| port.to_string()).collect();
    lab.filter(&format!("tcp dport != {{ {} }} drop;", wanted.join(", ")));
    check(&lab, EngineChoice::Connect, V4, State::Filtered);
    check(&lab, EngineChoice::Connect, V6, State::Filtered);
}
