//! Loss, limits and want: slower, never wrong.

use std::process::Command;

use vigie_ports::{EngineChoice, State};

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
