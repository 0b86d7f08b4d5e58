//! Scans one address and prints what it found: `scan ADDRESS FIRST LAST [connect|syn]`.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use vigie_ports::{EngineChoice, Plan, Sink, Target, TargetReport, scan};

struct Print;

impl Sink for Print {
    fn report(&mut self, report: TargetReport) {
        println!(
            "{} {:?} {:?} {:?} {:?}",
            report.target,
            report.counts(),
            report.loss,
            report.notes,
            report.elapsed
        );
        let counts = report.counts();
        let most = [counts.closed, counts.filtered, counts.unreachable, counts.unknown].into_iter().max();
        for finding in &report.findings {
            let is_most = match finding.state {
                vigie_ports::State::Open => false,
                vigie_ports::State::Closed => Some(counts.closed) == most,
                vigie_ports::State::Filtered => Some(counts.filtered) == most,
                vigie_ports::State::Unreachable => Some(counts.unreachable) == most,
                vigie_ports::State::Unknown => Some(counts.unknown) == most,
            };
            if report.findings.len() < 40 || (!is_most && counts.open < 30) {
                println!(
                    "{} {:?} {:?} {:?} {}",
                    finding.port, finding.state, finding.reason, finding.rtt, finding.attempts
                );
            }
        }
    }

    fn note(&mut self, note: &str) {
        println!("note: {note}");
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let address: IpAddr = args[1].parse().expect("an address");
    let (first, last): (u16, u16) = (args[2].parse().expect("a port"), args[3].parse().expect("a port"));
    let ports: Vec<u16> = (first..=last).collect();
    let mut plan = Plan::new(Arc::from(ports));
    plan.ping = if args.len() > 5 { vigie_ports::Ping::Ask } else { vigie_ports::Ping::Skip };
    plan.engine = match args.get(4).map(String::as_str) {
        Some("connect") => EngineChoice::Connect,
        Some("syn") => EngineChoice::Syn,
        _ => EngineChoice::Auto,
    };
    let mut targets = std::iter::once(Target::of(address));
    let summary = scan(&plan, &mut targets, &mut Print, &AtomicBool::new(false)).expect("a scan");
    println!("{summary:?}");
}
