//! A report for people.

use crate::output::{Output, Paint, Table, count, escaped, span};
use std::collections::BTreeMap;
use std::time::Duration;
use vigie_ports::State;
use vigie_ports::finding::Tls;
use vigie_ports::host::{Host, LossShare, Port};

/// Up to so many ports each has its line, whatever its state.
const LISTED_MAX: usize = 25;

/// The lines of a report, with an empty one at its end.
pub(super) fn lines(out: &Output, host: &Host, asked: usize) -> Vec<String> {
    let mut lines = vec![head(out, host)];
    let (listed, folded) = split(host, asked);
    lines.extend(table(out, &listed));
    let folded: Vec<String> = folded
        .iter()
        .map(|((state, reason), number)| format!("{} {state} ({})", count(*number), tame(reason)))
        .collect();
    if !folded.is_empty() {
        let what = if listed.is_empty() { "all" } else { "others" };
        lines.push(out.paint(Paint::Dim, &format!("{what}: {}", folded.join(", "))));
    }
    if host.coverage < 1.0 {
        let share = host.coverage * 100.0;
        let text =
            format!("coverage {share:.1} %: {} ports could not be probed", count(host.counts.unknown.into()));
        lines.push(out.paint(Paint::Attention, &text));
    }
    if let LossShare::Share(share) = host.loss
        && share > 0.0
    {
        lines.push(format!("about {:.1} % of probes are lost on the way", share * 100.0));
    }
    lines.extend(host.notes.iter().map(|note| format!("note: {}", tame(note))));
    lines.push(String::new());
    lines
}

fn head(out: &Output, host: &Host) -> String {
    let address = host.address.to_string();
    let name = if host.target == address { address } else { format!("{} ({address})", tame(&host.target)) };
    let alive = match host.alive.as_str() {
        _ if host.is_dead() => out.paint(Paint::Attention, ": no answer; nothing was probed"),
        "assumed" => String::new(),
        word => format!(": up ({})", tame(word)),
    };
    let others: Vec<String> = host.other_addresses.iter().map(ToString::to_string).collect();
    let others =
        if others.is_empty() { String::new() } else { format!("; not probed: {}", others.join(", ")) };
    format!("{name}{alive}{others}")
}

/// The ports that have a line each, and how many of each state and reason have none: states of which there are more
/// than a screen has lines, but `open` never.
fn split(host: &Host, asked: usize) -> (Vec<Port>, BTreeMap<(State, String), u64>) {
    let mut folded: BTreeMap<(State, String), u64> = BTreeMap::new();
    let mut listed = host.ports.clone();
    if asked <= LISTED_MAX {
        listed.extend(host.unfolded());
        listed.sort_by_key(|port| port.port);
        return (listed, folded);
    }
    for others in &host.others {
        *folded.entry((others.state, others.reason.clone())).or_default() += u64::from(others.count);
    }
    let is_listed =
        |port: &Port| port.state == State::Open || host.counts.of(port.state) as usize <= LISTED_MAX;
    for port in listed.iter().filter(|port| !is_listed(port)) {
        *folded.entry((port.state, port.reason.clone())).or_default() += 1;
    }
    listed.retain(is_listed);
    (listed, folded)
}

fn table(out: &Output, ports: &[Port]) -> Vec<String> {
    if ports.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["PORT", "STATE", "REASON", "RTT", "SERVICE", "SAYS"], &[3]);
    for port in ports {
        // A terminal's colours have no width, which the table does not know: every cell of the column has one.
        let state = out.paint(paint(port.state), &format!("{:<11}", port.state));
        table.row([
            format!("{}/{}", port.port, tame(&port.proto)),
            state,
            tame(&port.reason),
            port.rtt_us.map(|us| rtt(Duration::from_micros(us))).unwrap_or_default(),
            service(port),
            port.banner.as_ref().and_then(|banner| banner.text.as_deref()).map(tame).unwrap_or_default(),
        ]);
    }
    let mut lines = table.lines().into_iter();
    let mut all: Vec<String> = lines.next().into_iter().collect();
    for (line, port) in lines.zip(ports) {
        all.push(line);
        if let Some(tls) = port.banner.as_ref().and_then(|banner| banner.tls.as_ref()) {
            all.push(certificate(tls));
        }
    }
    all
}

fn paint(state: State) -> Paint {
    match state {
        State::Open => Paint::Good,
        State::Closed => Paint::Dim,
        State::Filtered | State::Unreachable => Paint::Attention,
        State::Unknown => Paint::Bad,
    }
}

fn service(port: &Port) -> String {
    let name = port.service.as_deref().map(tame).unwrap_or_default();
    match &port.version {
        Some(version) => format!("{name} ({})", tame(version)),
        None => name,
    }
}

/// Three digits: `0.25 ms`, `12.3 ms`.
fn rtt(rtt: Duration) -> String {
    let ms = rtt.as_secs_f64() * 1000.0;
    match ms {
        ..10.0 => format!("{ms:.2} ms"),
        10.0..1000.0 => format!("{ms:.1} ms"),
        _ => span(rtt),
    }
}

fn certificate(tls: &Tls) -> String {
    let mut facts = vec![tame(&tls.version)];
    facts.extend(tls.alpn.as_deref().map(tame));
    facts.extend(tls.subject.as_ref().map(|subject| format!("certificate of {}", tame(subject))));
    if !tls.names.is_empty() {
        facts.push(format!("for {}", tls.names.iter().map(|name| tame(name)).collect::<Vec<_>>().join(" ")));
    }
    facts.extend(tls.not_after.as_ref().map(|end| format!("until {}", tame(end))));
    facts.push("not verified".to_owned());
    format!("    {}", facts.join(", "))
}

/// Nothing that a terminal would obey.
fn tame(text: &str) -> String {
    // What is escaped already has backslashes, which stay.
    text.split('\\').map(|part| escaped(part.as_bytes())).collect::<Vec<_>>().join("\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};
    use vigie_ports::services::Services;
    use vigie_ports::{EngineName, Finding, Liveness, Loss, Reason, TargetReport};

    fn host(findings: impl Iterator<Item = (u16, State, Reason)>) -> Host {
        let finding = |(port, state, reason)| Finding {
            port,
            state,
            reason,
            attempts: 1,
            rtt: None,
            service: None,
            banner: None,
        };
        let report = TargetReport {
            target: "db1\u{1b}[2J".to_owned(),
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            scope: 0,
            other_addresses: vec![Ipv4Addr::new(192, 0, 2, 2).into()],
            liveness: Liveness::Up("arp-response"),
            findings: findings.map(finding).collect(),
            loss: Loss::Estimated(0.05),
            engine: EngineName::Connect,
            notes: vec!["a note".to_owned()],
            elapsed: Duration::ZERO,
        };
        Host::of(report, &Services::parse("ssh 22/tcp"))
    }

    #[test]
    fn a_few_ports_are_listed_and_many_are_summed_up() {
        let closed = |ports: std::ops::Range<u16>| ports.map(|port| (port, State::Closed, Reason::Reset));
        let open = [(22, State::Open, Reason::SynAck)];
        let few = host(closed(20..22).chain(open));
        let shown = lines(&Output::new(true), &few, 3);
        assert_eq!(
            shown,
            [
                "db1\\x1b[2J (192.0.2.1): up (arp-response); not probed: 192.0.2.2",
                "PORT    STATE        REASON   RTT  SERVICE  SAYS",
                "20/tcp  closed       reset",
                "21/tcp  closed       reset",
                "22/tcp  open         syn-ack       ssh",
                "about 5.0 % of probes are lost on the way",
                "note: a note",
                "",
            ]
        );
        // Stopped half way: what was found closed is no more worth a line than what was not reached.
        let stopped = (1000..1100).map(|port| (port, State::Unknown, Reason::Stopped));
        let many = host(open.into_iter().chain(closed(100..160)).chain(stopped));
        let shown = lines(&Output::new(true), &many, 161);
        assert_eq!(shown[3], "others: 60 closed (reset), 100 unknown (stopped)");
        assert_eq!(shown[4], "coverage 37.9 %: 100 ports could not be probed");
    }
}
