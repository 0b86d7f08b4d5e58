//! A host out of XML as a report of ours.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::finding::State;
use crate::host::{Host, LossShare, Port, Verdicts};
use crate::ports::PortSet;
use crate::report::{Counts, EngineName};
use crate::services::Services;
use crate::words::reason_from_nmap;

/// A host as XML told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenHost {
    /// `up` or `down`.
    pub status: String,
    /// Why.
    pub reason: String,
    /// Its IP address.
    pub address: Option<IpAddr>,
    /// The name that the user gave, else one from DNS.
    pub name: Option<String>,
    /// Ports that were listed; TCP only.
    pub ports: Vec<SeenPort>,
    /// Ports that were summed up.
    pub extras: Vec<Extra>,
    /// Whether nmap gave up on it.
    pub timed_out: bool,
}

/// A port that was listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenPort {
    /// Its number.
    pub port: u16,
    /// nmap's word.
    pub state: String,
    /// nmap's word.
    pub reason: String,
    /// The name of the service.
    pub service: Option<String>,
    /// Product, version and remarks, if they were probed for.
    pub version: Option<String>,
    /// Whether the service was found behind TLS.
    pub is_tls: bool,
}

/// Ports that were summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// nmap's word.
    pub state: String,
    /// How many, those of other protocols included.
    pub count: u32,
    /// Reasons, with their ports as ranges where the version of nmap tells them.
    pub reasons: Vec<(String, String)>,
}

impl SeenPort {
    pub(super) fn new(port: u16) -> Self {
        SeenPort { port, ..SeenPort::default() }
    }

    fn into_port(self) -> Port {
        let reason = reason_from_nmap(&self.reason);
        Port {
            port: self.port,
            proto: "tcp".to_owned(),
            state: State::from_nmap(&self.state, &reason),
            reason,
            service: self.service.map(|name| if self.is_tls { format!("ssl/{name}") } else { name }),
            version: self.version,
            banner: None,
            rtt_us: None,
        }
    }
}

impl SeenHost {
    /// The report; `None` for one without an address. `asked` are the ports of the run: of those, which the XML
    /// neither lists nor sums up, nothing is known.
    #[must_use]
    pub fn into_host(self, asked: &PortSet) -> Option<Host> {
        let address = self.address?;
        let is_down = self.status == "down";
        let mut verdicts = Verdicts::new();
        if !is_down {
            let extras = folded(&self.extras);
            let only = only_extra(&self.extras);
            verdicts.extend(self.ports.into_iter().map(|port| (port.port, port.into_port())));
            for number in asked.as_slice() {
                let told = extras.get(number).or(only.as_ref());
                let (state, reason) = match told {
                    _ if self.timed_out && told.is_none() => ("unknown", "timed-out"),
                    Some((state, reason)) => (state.as_str(), reason.as_str()),
                    None => ("unknown", "not-told"),
                };
                let seen =
                    || SeenPort { state: state.into(), reason: reason.into(), ..SeenPort::new(*number) };
                verdicts.entry(*number).or_insert_with(|| seen().into_port());
            }
        }
        let mut host = Host {
            target: self.name.unwrap_or_else(|| address.to_string()),
            address,
            scope: 0,
            other_addresses: Vec::new(),
            alive: match self.reason.as_str() {
                _ if is_down => "no-answer".to_owned(),
                "user-set" | "" => "assumed".to_owned(),
                word => word.to_owned(),
            },
            ports: Vec::new(),
            others: Vec::new(),
            counts: Counts::default(),
            coverage: 1.0,
            loss: LossShare::Word("unknown".to_owned()),
            engine: EngineName::Nmap.word().to_owned(),
            notes: if self.timed_out {
                vec!["nmap gave up on it (--host-timeout)".to_owned()]
            } else {
                vec![]
            },
            elapsed_ms: 0,
        };
        host.set_ports(verdicts);
        host.set_coverage();
        Some(host)
    }
}

/// Ports that were summed up and named.
fn folded(extras: &[Extra]) -> BTreeMap<u16, (String, String)> {
    let mut all = BTreeMap::new();
    let nobody = Services::default();
    for extra in extras {
        for (reason, ports) in &extra.reasons {
            let Ok(ports) = PortSet::parse(ports, &nobody) else { continue };
            for port in ports.as_slice() {
                all.insert(*port, (extra.state.clone(), reason.clone()));
            }
        }
    }
    all
}

/// What was summed up without names, if there is only one way to read it: as nmap before 7.91 writes it.
fn only_extra(extras: &[Extra]) -> Option<(String, String)> {
    match extras {
        [Extra { state, reasons, .. }] if reasons.iter().all(|(_, ports)| ports.is_empty()) => {
            let reason = reasons.first().map(|(reason, _)| reason.clone()).unwrap_or_default();
            Some((state.clone(), reason))
        }
        _ => None,
    }
}
