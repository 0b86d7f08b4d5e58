//! Two results, and what changed between them.

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, count, escaped};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use vigie_ports::State;
use vigie_ports::diff::{Change, Comparison, What, compare};
use vigie_ports::files::{Reports, read};
use vigie_ports::ports::PortSet;

/// Prints what is different in the second file.
pub(super) fn run(files: &[PathBuf], mut context: Context) -> Result<Outcome, Failure> {
    let [before, after] = files else { return Err(Failure::usage("--diff takes two files")) };
    if files.iter().all(|file| file == Path::new("-")) {
        return Err(Failure::usage("only one of the two can be standard input"));
    }
    let (before_reports, after_reports) = (reports(before)?, reports(after)?);
    for (file, reports) in [(before, &before_reports), (after, &after_reports)] {
        for note in &reports.notes {
            context.out.warn(&format!("{}: {}", file.display(), escaped(note.as_bytes())));
        }
    }
    let has_notes = !(before_reports.notes.is_empty() && after_reports.notes.is_empty());
    let comparison = compare(&before_reports.hosts, &after_reports.hosts);
    print(&mut context.out, &comparison)?;
    Ok(match comparison.differs() {
        true => Outcome::Negative,
        false => Outcome::partial_if(comparison.is_inconclusive() || has_notes),
    })
}

fn reports(file: &Path) -> Result<Reports, Failure> {
    let name = file.display();
    let from: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let opened =
            File::open(file).map_err(|e| Failure::failed(format!("cannot read {name}")).because(&e))?;
        Box::new(BufReader::new(opened))
    };
    read(from).map_err(|e| Failure::failed(format!("cannot use {name}")).because(&e))
}

fn print(out: &mut Output, comparison: &Comparison) -> Result<(), Failure> {
    for change in &comparison.changes {
        if out.is_json() {
            out.json(change)?;
        } else {
            let line = line(out, change);
            out.line(&line)?;
        }
    }
    if comparison.unknown > 0 {
        let text = format!("{} ports have no verdict in one of the two", count(comparison.unknown));
        out.warn(&format!("{text}: whether they changed is not known"));
    }
    for (target, ports) in &comparison.asked_once {
        let target = escaped(target.as_bytes());
        out.warn(&format!("{target}: only one of the two asked for {}", shortened(ports)));
    }
    if comparison.is_of_nothing() {
        out.warn("there is no target in either of the two: nothing was compared");
    }
    let number = |n: u64, what: &str| format!("{} {what}{}", count(n), if n == 1 { "" } else { "s" });
    let targets = number(comparison.targets as u64, "target");
    let changes = number(comparison.changes.len() as u64, "change");
    out.remark(&format!("compared {targets} and {}: {changes}", number(comparison.ports, "port")));
    out.flush()?;
    Ok(())
}

/// As ranges, of bounded length.
fn shortened(ports: &PortSet) -> String {
    const CHARS_MAX: usize = 200;
    let text = ports.to_string();
    let number = count(ports.as_slice().len() as u64);
    if text.len() <= CHARS_MAX { format!("{number} ports, {text}") } else { format!("{number} ports") }
}

fn line(out: &Output, change: &Change) -> String {
    let Change { target, address, what } = change;
    let target = escaped(target.as_bytes());
    let name = if *target == address.to_string() { target } else { format!("{target} ({address})") };
    let list = |open: &[u16]| {
        let ports: PortSet = open.iter().copied().collect();
        if open.is_empty() { "nothing open".to_owned() } else { format!("open: {}", shortened(&ports)) }
    };
    let (paint, text) = match what {
        What::Appeared { open } => (Paint::Good, format!("is new; {}", list(open))),
        What::Vanished { open } => (Paint::Bad, format!("is no longer looked at; {} then", list(open))),
        What::CameUp { open } => (Paint::Good, format!("answers now; {}", list(open))),
        What::WentDown { open } => (Paint::Bad, format!("gives no answer any more; {} then", list(open))),
        What::Moved { from } => (Paint::Moved, format!("was {from}")),
        What::Port { port, proto, before, after } => {
            let paint = match after {
                State::Open => Paint::Good,
                _ if *before == State::Open => Paint::Bad,
                _ => Paint::Attention,
            };
            (paint, format!("{port}/{proto}: {before} -> {after}"))
        }
    };
    format!("{name}  {}", out.paint(paint, &text))
}
