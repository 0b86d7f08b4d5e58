//! A run for people: a matrix of ports and places, with what is the same told once.

use super::told::{DriftTold, PortTold, Result, TargetTold};
use crate::output::{Output, Paint, Table, count, escaped};
use std::io;

/// Longest list of ports in a line.
const PORTS_BYTES_MAX: usize = 60;

pub(super) fn print(result: &Result, out: &mut Output) -> io::Result<()> {
    for target in &result.targets {
        for line in lines(target, out) {
            out.line(&line)?;
        }
    }
    out.flush()?;
    result.targets.iter().flat_map(|target| &target.remarks).for_each(|remark| out.warn(remark));
    result.expired.iter().for_each(|remark| out.warn(remark));
    out.remark(&sum(result));
    Ok(())
}

fn lines(target: &TargetTold, out: &Output) -> Vec<String> {
    let address = target.address.to_string();
    let mut lines = vec![match target.target == address {
        true => address,
        false => format!("{} ({address})", escaped(target.target.as_bytes())),
    }];
    let single = || target.ports.iter().filter(|port| port.stands_out);
    let mut head = vec!["PORT", "SERVICE"];
    head.extend(target.columns.iter().map(String::as_str));
    head.push("VERDICT");
    let mut table = Table::new(&head, &[]);
    for port in single() {
        let service = port.service.clone().unwrap_or_else(|| "-".to_owned());
        let cells = port.seen.iter().map(|seen| cell(seen.state, &seen.reason));
        let verdict = port.verdict.to_owned() + if port.allowed { " (allowed)" } else { "" };
        table.row([port.ports.clone(), service].into_iter().chain(cells).chain([verdict]));
    }
    if single().next().is_some() {
        let painted = table.lines().into_iter().zip([None].into_iter().chain(single().map(Some)));
        lines.extend(painted.map(|(line, port)| match port {
            Some(port) if port.verdict != "consistent" && !port.allowed => out.paint(Paint::Attention, &line),
            _ => line,
        }));
    }
    lines.extend(target.ports.iter().filter(|port| !port.stands_out).map(|ports| others(ports, out)));
    for port in single() {
        if let Some(why) = &port.explanation {
            lines.push(format!("{}: {why}", port.ports));
        }
    }
    lines.extend(target.drifts.iter().map(|drift| changed(drift, out)));
    lines.push(String::new());
    lines
}

fn cell(state: &str, reason: &str) -> String {
    // Of what is not known, the reason is all that there is to tell.
    if state == "unknown" { format!("unknown ({})", escaped(reason.as_bytes())) } else { state.to_owned() }
}

/// Ports that are alike, in one line.
fn others(ports: &PortTold, out: &Output) -> String {
    let list = match ports.ports.len() {
        0..=PORTS_BYTES_MAX => format!(" ({})", ports.ports),
        _ => String::new(),
    };
    let what = format!("{} {}", count(ports.count as u64), if ports.count == 1 { "port" } else { "ports" });
    if ports.verdict == "consistent" {
        let state = ports.seen.first().map_or("", |seen| seen.state);
        return out.paint(Paint::Dim, &format!("{what}{list}: {state} from everywhere"));
    }
    let cells =
        ports.seen.iter().map(|seen| format!("{} from {}", cell(seen.state, &seen.reason), seen.from));
    let cells = cells.collect::<Vec<_>>().join(", ");
    out.paint(Paint::Attention, &format!("{what}{list}: {}: {cells}", ports.verdict))
}

fn changed(drift: &DriftTold, out: &Output) -> String {
    let what = drift.port.map(|port| format!(" {port}")).unwrap_or_default();
    let from = drift.from.as_ref().map(|from| format!(", from {from}")).unwrap_or_default();
    let allowed = if drift.allowed { " (allowed)" } else { "" };
    let text = format!("{}{what}: was {}, is {}{from}{allowed}", drift.change, drift.was, drift.is);
    if drift.allowed { text } else { out.paint(Paint::Attention, &text) }
}

/// All in one line.
fn sum(result: &Result) -> String {
    let end = &result.end;
    let numbers = [
        (end.consistent, "the same from everywhere"),
        (end.vantage_dependent, "different from place to place"),
        (end.flapping, "flapping"),
        (end.inconclusive, "inconclusive"),
        (end.drifts, "changed since the baseline"),
        (end.allowed, "different, and allowed"),
    ];
    let told = numbers.iter().filter(|(number, _)| *number > 0);
    let told: Vec<String> = told.map(|(number, what)| format!("{} {what}", count(*number as u64))).collect();
    format!("{}: {}", end.result, told.join(", "))
}
