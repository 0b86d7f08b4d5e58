//! Reports in the user's format. Standard output carries these and nothing else.

use super::{PortsArgs, table};
use crate::failure::Failure;
use crate::output::{Output, count, escaped, span};
use jiff::Zoned;
use std::time::Instant;
use vigie_ports::Target;
use vigie_ports::host::Host;
use vigie_ports::ports::PortSet;
use vigie_ports::services::{NmapServices, Services};
use vigie_ports::xml::{RunInfo, RunStats, Writer};
use vigie_ports::{State, grep};

/// Above so many targets, those that give no sign of life are counted for people, not listed.
const DEAD_LISTED_MAX: u128 = 16;

/// How reports are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    Xml,
    Grep,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) incomplete: bool,
}

/// Prints reports, and counts what the end needs.
pub(super) struct Printer {
    format: Format,
    out: Output,
    ports: PortSet,
    targets: u128,
    xml: Option<Writer>,
    with_nmap: bool,
    begun: bool,
    started: Instant,
    start: Zoned,
    hosts: u64,
    dead: u64,
    open: u64,
    /// Whether every port of every report has its verdict.
    covered: bool,
    /// What is to be known about the whole scan, for readers of JSON: they get it with every report.
    notes: Vec<String>,
}

impl Format {
    pub(super) fn of(args: &PortsArgs, out: &Output) -> Self {
        match (args.xml, args.grep, out.is_json()) {
            (true, _, _) => Format::Xml,
            (_, true, _) => Format::Grep,
            (_, _, true) => Format::Json,
            _ => Format::Text,
        }
    }
}

impl Printer {
    pub(super) fn new(format: Format, out: Output, ports: PortSet, targets: u128, with_nmap: bool) -> Self {
        Printer {
            format,
            out,
            ports,
            targets,
            xml: None,
            with_nmap,
            begun: false,
            started: Instant::now(),
            start: Zoned::now(),
            hosts: 0,
            dead: 0,
            open: 0,
            covered: true,
            notes: Vec::new(),
        }
    }

    /// Whether no person reads it.
    pub(super) fn is_for_scripts(&self) -> bool {
        self.out.is_json()
    }

    /// Something about the whole scan, said before the reports that it concerns.
    pub(super) fn note(&mut self, text: &str) {
        match self.format {
            Format::Json => self.notes.push(text.to_owned()),
            Format::Text | Format::Xml | Format::Grep => self.out.remark(text),
        }
    }

    pub(super) fn warn(&self, text: &str) {
        self.out.warn(text);
    }

    /// Prints a report, and again for every other name of its address.
    pub(super) fn host(&mut self, host: &Host, aliases: &[Target]) -> Result<(), Failure> {
        self.one(host)?;
        for alias in aliases {
            self.one(&host.renamed(alias.written.clone(), alias.other_addresses.clone()))?;
        }
        Ok(self.out.flush()?)
    }

    fn one(&mut self, host: &Host) -> Result<(), Failure> {
        self.hosts += 1;
        self.dead += u64::from(host.is_dead());
        self.open += host.ports.iter().filter(|port| port.state == State::Open).count() as u64;
        self.covered &= host.coverage >= 1.0;
        self.begin(host)?;
        match self.format {
            Format::Json if self.notes.is_empty() => self.out.json(host)?,
            Format::Json => {
                let mut host = host.clone();
                host.notes.extend_from_slice(&self.notes);
                self.out.json(&host)?;
            }
            Format::Text => self.text(host)?,
            Format::Grep => grep::write(&mut self.out, host)?,
            Format::Xml => {
                if let Some(xml) = &mut self.xml {
                    xml.host(&mut self.out, host)?;
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, host: &Host) -> Result<(), Failure> {
        if host.is_dead() && self.targets > DEAD_LISTED_MAX {
            return Ok(());
        }
        let lines = table::lines(&self.out, host, self.ports.as_slice().len());
        for line in lines {
            self.out.line(&line)?;
        }
        Ok(())
    }

    /// The head, once it is known who probes.
    fn begin(&mut self, first: &Host) -> Result<(), Failure> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        // nmap takes SYN where it may, as the others do.
        let is_syn = first.engine == "syn" || first.engine == "nmap" && rustix::process::geteuid().is_root();
        self.head(is_syn)
    }

    fn head(&mut self, is_syn: bool) -> Result<(), Failure> {
        let (args, version) = (command_line(), env!("CARGO_PKG_VERSION"));
        let start_text = self.start.strftime("%a %b %e %H:%M:%S %Y").to_string();
        match self.format {
            Format::Json | Format::Text => {}
            Format::Grep => {
                self.out.line(&format!("# vigie {version} scan initiated {start_text} as: {args}"))?;
                let (number, ports) = (self.ports.as_slice().len(), &self.ports);
                self.out.line(&format!(
                    "# Ports scanned: TCP({number};{ports}) UDP(0;) SCTP(0;) PROTOCOLS(0;)"
                ))?;
            }
            Format::Xml => {
                let names = NmapServices::installed().map_or_else(Services::default, |nmap| nmap.names);
                let start_unix = self.start.timestamp().as_second();
                let info = RunInfo { args, version: version.to_owned(), start_unix, start_text, is_syn };
                self.xml = Some(Writer::start(&mut self.out, &info, &self.ports, names)?);
            }
        }
        Ok(())
    }

    /// Prints the end; true when every port of every report has its verdict.
    pub(super) fn finish(mut self, end: &End) -> Result<bool, Failure> {
        if !self.begun {
            self.head(false)?;
        }
        let now = Zoned::now();
        let elapsed = self.started.elapsed();
        let end_text = now.strftime("%a %b %e %H:%M:%S %Y").to_string();
        let (hosts, up) = (count(self.hosts), count(self.hosts - self.dead));
        match self.format {
            Format::Json => {}
            Format::Grep => {
                let took = elapsed.as_secs_f64();
                let text = format!("{hosts} IP addresses ({up} hosts up) scanned in {took:.2} seconds");
                self.out.line(&format!("# vigie done at {end_text} -- {text}"))?;
            }
            Format::Xml => {
                let incomplete = end.incomplete || !self.covered;
                let end_unix = now.timestamp().as_second();
                let stats = RunStats { end_unix, end_text, elapsed, incomplete };
                if let Some(xml) = self.xml.take() {
                    xml.finish(&mut self.out, &stats)?;
                }
            }
            Format::Text => {
                let dead = if self.dead > 0 {
                    format!(", {} without an answer", count(self.dead))
                } else {
                    String::new()
                };
                let by = if self.with_nmap { ", with nmap" } else { "" };
                let (targets, open) = (of(self.hosts, "target"), count(self.open));
                let ports = of(self.ports.as_slice().len() as u64, "port");
                let text = format!("{targets}{dead}, {ports} each: {open} open");
                self.out.remark(&format!("{text}; took {}{by}", span(elapsed)));
            }
        }
        self.out.flush()?;
        Ok(self.covered)
    }
}

/// `1 port`, `1,000 ports`.
fn of(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// As it was typed, for those who find the file later.
fn command_line() -> String {
    let words: Vec<String> = std::env::args_os().map(|word| escaped(word.as_encoded_bytes())).collect();
    words.join(" ")
}
