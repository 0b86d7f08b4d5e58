//! Reports as nmap's XML.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use quick_xml::escape::escape;

use crate::finding::{State, Tls};
use crate::host::{Host, Port};
use crate::limits::XML_FOLDED_MIN;
use crate::ports::PortSet;
use crate::services::Services;
use crate::words::nmap_reason;

/// What the head says of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// The command line.
    pub args: String,
    /// Of this program.
    pub version: String,
    /// Seconds since 1970.
    pub start_unix: i64,
    /// The same, for people.
    pub start_text: String,
    /// Whether SYN probes were sent, else `connect(2)`.
    pub is_syn: bool,
}

/// What the end says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStats {
    /// Seconds since 1970.
    pub end_unix: i64,
    /// The same, for people.
    pub end_text: String,
    /// From start to end.
    pub elapsed: Duration,
    /// Whether it was stopped before its end, or could not see all.
    pub incomplete: bool,
}

/// Writes one document.
#[derive(Debug)]
pub struct Writer {
    /// Names of services as nmap has them, if it is installed.
    services: Services,
    up: u64,
    down: u64,
}

impl Writer {
    /// Writes the head.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn start(to: &mut dyn Write, run: &RunInfo, ports: &PortSet, services: Services) -> io::Result<Self> {
        let RunInfo { args, version, start_unix, start_text, is_syn } = run;
        let kind = if *is_syn { "syn" } else { "connect" };
        writeln!(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>")?;
        // The definition knows no other scanner than nmap; who it was is in `args`.
        writeln!(
            to,
            "<nmaprun scanner=\"nmap\" args=\"{}\" start=\"{start_unix}\" startstr=\"{}\" version=\"{}\" \
             xmloutputversion=\"1.05\">",
            attribute(args),
            attribute(start_text),
            attribute(version)
        )?;
        writeln!(
            to,
            "<scaninfo type=\"{kind}\" protocol=\"tcp\" numservices=\"{}\" services=\"{ports}\"/>",
            ports.as_slice().len()
        )?;
        writeln!(to, "<verbose level=\"0\"/>\n<debugging level=\"0\"/>")?;
        Ok(Writer { services, up: 0, down: 0 })
    }

    /// Writes one target.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn host(&mut self, to: &mut dyn Write, host: &Host) -> io::Result<()> {
        let (state, reason) = match host.alive.as_str() {
            _ if host.is_dead() => ("down", "no-response"),
            "assumed" => ("up", "user-set"),
            word => ("up", word),
        };
        *if host.is_dead() { &mut self.down } else { &mut self.up } += 1;
        writeln!(to, "<host><status state=\"{state}\" reason=\"{}\" reason_ttl=\"0\"/>", attribute(reason))?;
        let kind = if host.address.is_ipv4() { "ipv4" } else { "ipv6" };
        writeln!(to, "<address addr=\"{}\" addrtype=\"{kind}\"/>", host.address)?;
        if host.target.parse::<IpAddr>().is_err() {
            let name = attribute(&host.target);
            writeln!(to, "<hostnames>\n<hostname name=\"{name}\" type=\"user\"/>\n</hostnames>")?;
        }
        if !host.is_dead() {
            self.ports(to, host)?;
        }
        writeln!(to, "</host>")
    }

    /// The ports: as nmap does, states of which there are many are summed up, and the others listed.
    fn ports(&self, to: &mut dyn Write, host: &Host) -> io::Result<()> {
        let (listed, folded) = split(host);
        writeln!(to, "<ports>")?;
        for (state, reasons) in folded {
            let count: usize = reasons.values().map(Vec::len).sum();
            writeln!(to, "<extraports state=\"{state}\" count=\"{count}\">")?;
            for (reason, ports) in reasons {
                let count = ports.len();
                let ports: PortSet = ports.into_iter().collect();
                writeln!(
                    to,
                    "<extrareasons reason=\"{}\" count=\"{count}\" proto=\"tcp\" ports=\"{ports}\"/>",
                    attribute(&reason)
                )?;
            }
            writeln!(to, "</extraports>")?;
        }
        for port in listed.into_values() {
            self.port(to, &port)?;
        }
        writeln!(to, "</ports>")
    }

    /// The name of a service, where nobody asked it: nmap's own if its list is here, so that both say the same.
    fn name<'a>(&'a self, port: u16, ours: Option<&'a str>) -> Option<&'a str> {
        if self.services.is_empty() { ours } else { self.services.name(port) }
    }

    fn port(&self, to: &mut dyn Write, port: &Port) -> io::Result<()> {
        let Port { port: number, state, reason, service, version, banner, .. } = port;
        write!(to, "<port protocol=\"tcp\" portid=\"{number}\"><state state=\"{}\" ", state.nmap_word())?;
        write!(to, "reason=\"{}\" reason_ttl=\"0\"/>", attribute(nmap_reason(reason)))?;
        if let Some(version) = version {
            let name = attribute(service.as_deref().unwrap_or("unknown"));
            let product = attribute(version);
            write!(to, "<service name=\"{name}\" product=\"{product}\" method=\"probed\" conf=\"10\"/>")?;
        } else if let Some(name) = self.name(*number, service.as_deref()) {
            write!(to, "<service name=\"{}\" method=\"table\" conf=\"3\"/>", attribute(name))?;
        }
        if let Some(banner) = banner {
            if let Some(text) = &banner.text {
                write!(to, "<script id=\"banner\" output=\"{}\"/>", attribute(text))?;
            }
            if let Some(tls) = &banner.tls {
                write!(to, "<script id=\"ssl-cert\" output=\"{}\"/>", attribute(&certificate(tls)))?;
            }
        }
        writeln!(to, "</port>")
    }

    /// Writes the end.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish(self, to: &mut dyn Write, stats: &RunStats) -> io::Result<()> {
        let RunStats { end_unix, end_text, elapsed, incomplete } = stats;
        let (up, down, elapsed) = (self.up, self.down, elapsed.as_secs_f64());
        let total = up + down;
        let (exit, error) = if *incomplete {
            ("error", " errormsg=\"incomplete: stopped, or something could not be probed\"")
        } else {
            ("success", "")
        };
        writeln!(
            to,
            "<runstats><finished time=\"{end_unix}\" timestr=\"{}\" elapsed=\"{elapsed:.2}\" \
             summary=\"{total} IP addresses ({up} hosts up) scanned in {elapsed:.2} seconds\" \
             exit=\"{exit}\"{error}/><hosts up=\"{up}\" down=\"{down}\" total=\"{total}\"/>\n</runstats>\n</nmaprun>",
            attribute(end_text)
        )
    }
}

/// By nmap's words: states with many ports, by reason; and all other ports.
type Folded = BTreeMap<&'static str, BTreeMap<String, Vec<u16>>>;

fn split(host: &Host) -> (BTreeMap<u16, Port>, Folded) {
    let all = host.ports.iter().cloned().chain(host.unfolded());
    let mut listed: BTreeMap<u16, Port> = all.map(|port| (port.port, port)).collect();
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    listed.values().for_each(|port| *counts.entry(port.state.nmap_word()).or_default() += 1);
    let is_folded = |port: &Port| {
        port.state != State::Open && counts.get(port.state.nmap_word()).is_some_and(|n| *n >= XML_FOLDED_MIN)
    };
    let mut folded = Folded::new();
    for port in listed.values().filter(|port| is_folded(port)) {
        let reasons = folded.entry(port.state.nmap_word()).or_default();
        reasons.entry(nmap_reason(&port.reason).to_owned()).or_default().push(port.port);
    }
    listed.retain(|_, port| !is_folded(port));
    (listed, folded)
}

/// The facts of a TLS side in one text.
fn certificate(tls: &Tls) -> String {
    let mut text = tls.version.clone();
    let unknown = || "-".to_owned();
    let names = if tls.names.is_empty() { unknown() } else { tls.names.join(", ") };
    for (key, value) in [
        ("ALPN", tls.alpn.clone()),
        ("Subject", tls.subject.clone()),
        ("Subject Alternative Name", Some(names)),
        ("Issuer", tls.issuer.clone()),
        ("Not valid after", tls.not_after.clone()),
        ("SHA-256", Some(tls.sha256.clone())),
        ("Verified", Some("no".to_owned())),
    ] {
        text.push_str(&format!("; {key}: {}", value.unwrap_or_else(unknown)));
    }
    text
}

/// A text as the value of an attribute. XML 1.0 has no way to write most control characters: they become `?`.
fn attribute(text: &str) -> String {
    let allowed = |c: char| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '?' } else { c };
    escape(text.chars().map(allowed).collect::<String>()).into_owned()
}
