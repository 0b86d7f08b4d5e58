//! A report for people.

use crate::output::{Output, Paint, Table, count, escaped, span};
use std::time::Duration;
use vigie_ports::State;
use vigie_ports::finding::Tls;
use vigie_ports::host::{Host, LossShare, Port};

/// Up to so many ports each has its line, whatever its state.
const LISTED_MAX: usize = 25;

/// The lines of a report, with an empty one at its end.
pub(super) fn lines(out: &Output, host: &Host, asked: usize) -> Vec<String> {
    let mut lines = vec![head(out, host)];
    let ports = ports(host, asked <= LISTED_MAX);
    lines.extend(table(out, &ports));
    let others: Vec<String> = host
        .others
        .iter()
        .filter(|_| asked > LISTED_MAX)
        .map(|others| format!("{} {} ({})", count(others.count.into()), others.state, tame(&others.reason)))
        .collect();
    if !others.is_empty() {
        let what = if ports.is_empty() { "all" } else { "others" };
        lines.push(out.paint(Paint::Dim, &format!("{what}: {}", others.join(", "))));
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

/// The ports that have a line each.
fn ports(host: &Host, with_folded: bool) -> Vec<Port> {
    let mut ports = host.ports.clone();
    if with_folded {
        ports.extend(host.unfolded());
        ports.sort_by_key(|port| port.port);
    }
    ports
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
