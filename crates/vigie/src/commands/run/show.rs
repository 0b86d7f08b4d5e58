//! What is printed of runs, for people.

use crate::output::{Output, Paint, escaped};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use vigie_exec::readers::{Format, Reading, Row};
use vigie_exec::ssh::class::Class;
use vigie_exec::ssh::session::{Ended, Piece};

/// A line longer than this is shown in pieces.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Prints rows or documents, one object a line, with the host in front if there are several. False when there are
/// none to print.
pub(super) fn rows(out: &mut Output, reading: &Reading, host: Option<&str>) -> io::Result<bool> {
    match reading.format {
        Format::Raw => return Ok(false),
        Format::Json | Format::NdJson => {
            for document in &reading.documents {
                match host {
                    None => out.json(document)?,
                    Some(host) => out.json(&serde_json::json!({ "host": host, "document": document }))?,
                }
            }
        }
        _ => {
            for row in &reading.rows {
                match host {
                    None => out.json(row)?,
                    Some(host) => {
                        let host = ("host".to_owned(), host.into());
                        out.json(&Row(std::iter::once(host).chain(row.0.iter().cloned()).collect()))?;
                    }
                }
            }
        }
    }
    Ok(true)
}

/// Output of many hosts as it comes: whole lines, each with its host in front, never mixed.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: HashMap<(Arc<str>, bool), Vec<u8>>,
}

impl Lines {
    /// Takes a piece and prints the lines that it ends.
    pub(super) fn take(&mut self, out: &mut Output, piece: &Piece) -> io::Result<()> {
        let key = (Arc::clone(&piece.host), piece.is_error);
        let begun = self.begun.entry(key).or_default();
        // What stays of a piece is moved once, however many lines it ends.
        let mut rest: &[u8] = &piece.bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            begun.extend_from_slice(&rest[..end]);
            print_line(out, &piece.host, piece.is_error, begun)?;
            begun.clear();
            rest = &rest[end + 1..];
        }
        begun.extend_from_slice(rest);
        if begun.len() > LINE_BYTES_MAX {
            print_line(out, &piece.host, piece.is_error, begun)?;
            begun.clear();
        }
        Ok(())
    }

    /// Prints lines of a host that have no end.
    pub(super) fn finish(&mut self, out: &mut Output, host: &str) -> io::Result<()> {
        for is_error in [false, true] {
            let rest = self.begun.remove(&(Arc::from(host), is_error)).unwrap_or_default();
            if !rest.is_empty() {
                print_line(out, host, is_error, &rest)?;
            }
        }
        Ok(())
    }
}

fn print_line(out: &mut Output, host: &str, is_error: bool, line: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\r').unwrap_or(&text);
    if is_error {
        out.remark(&format!("{host}: {text}"));
        return Ok(());
    }
    let host = out.paint(Paint::Dim, &format!("{host}:"));
    out.line(&format!("{host} {text}"))
}

/// A host whose command did not end by itself, in one line.
pub(super) fn not_ended(out: &Output, host: &str, ended: &Ended) {
    let why = ended.message.as_deref().unwrap_or(match ended.class {
        Class::TimedOut => "its time was over; it was ended there, with all that it had started",
        Class::Stopped => "it was ended there, with all that it had started",
        _ => "no more is known",
    });
    let why: Vec<String> = why.lines().map(|line| escaped(line.as_bytes())).collect();
    out.remark(&format!("{host}: {}: {}", out.paint(Paint::Bad, ended.class.as_str()), why.join("\n")));
}

/// One line about all hosts: how many, and which are not well.
pub(super) fn summary(hosts: &[String], ends: &[(usize, Class, Option<u32>)]) -> String {
    let mut kinds: Vec<(String, Vec<&str>)> = Vec::new();
    for (index, class, exit_code) in ends {
        let kind = match (class, exit_code) {
            (Class::Exit, Some(code)) => format!("exit {code}"),
            (class, _) => class.as_str().to_owned(),
        };
        let host = hosts.get(*index).map_or("", String::as_str);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, hosts)) => hosts.push(host),
            None => kinds.push((kind, vec![host])),
        }
    }
    kinds.sort_by_key(|(kind, hosts)| (kind != "ok", usize::MAX - hosts.len()));
    let told = kinds.iter().map(|(kind, hosts)| match kind.as_str() {
        "ok" => format!("{} ok", hosts.len()),
        kind => format!("{} {kind} ({})", hosts.len(), folded(hosts)),
    });
    format!("{} hosts: {}", hosts.len(), told.collect::<Vec<_>>().join(", "))
}

/// Names in short.
pub(in crate::commands) fn folded(hosts: &[&str]) -> String {
    vigie_model::nodeset::fold(hosts.iter().copied()).unwrap_or_else(|_| hosts.join(","))
}
