//! What a scan is asked to do, and what it says at its end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::report::EngineName;

/// How to scan, the same for all targets.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who probes.
    pub engine: EngineChoice,
    /// The ports, in any order; each is asked once.
    pub ports: Arc<[u16]>,
    /// Most probes a second, over all targets. `None`: as the network bears it.
    pub rate: Option<u32>,
    /// Longest wait for one answer. `None`: learnt from each target, 3 s at most.
    pub timeout: Option<Duration>,
    /// How often silent ports are asked again. `None`: until the loss that was seen leaves no doubt.
    pub retries: Option<u32>,
    /// Whether, and how, to look first whether anything is there.
    pub ping: Ping,
    /// Fixes the order of the probes; any number will do.
    pub seed: u64,
    /// How many targets there will be, where it is known: for the progress.
    pub targets_total: Option<u64>,
}

/// Who is to probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// Raw SYN segments where this process may send them, else `connect(2)`, with a note.
    #[default]
    Auto,
    /// `connect(2)`: needs no privilege.
    Connect,
    /// Raw SYN segments: needs root or `CAP_NET_RAW`.
    Syn,
}

/// Whether to look first whether anything is at an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ping {
    /// Take every target for alive. Right for a single one, where the ports themselves are the answer.
    #[default]
    Skip,
    /// Ask first: ARP or neighbour discovery on-link as root, else an echo request and TCP 22, 80 and 443.
    Ask,
}

/// One address to scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As the user wrote it, or the address itself out of a range.
    pub written: String,
    /// Which address to probe.
    pub address: IpAddr,
    /// The interface of an IPv6 link-local address, else 0: other addresses have no scope, whatever was written.
    pub scope: u32,
    /// Other addresses of the same name, not probed.
    pub other_addresses: Vec<IpAddr>,
}

/// An address, and the interface of an IPv6 link-local one, else 0: on another interface, it is another machine's.
pub type Scoped = (IpAddr, u32);

/// What a scan came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Targets that were reported.
    pub targets: u64,
    /// Those of them that gave no sign of life.
    pub no_answer: u64,
    /// Open ports.
    pub open: u64,
    /// Probes sent, repetitions included, discovery not.
    pub probes: u64,
    /// The share of ports that got a verdict, 0 to 1.
    pub coverage: f64,
    /// Who probed.
    pub engine: EngineName,
    /// Whether it was stopped before its end; what was not yet probed is `Unknown`, reason `Stopped`, and targets
    /// whose turn never came are not reported.
    pub stopped: bool,
    /// From start to end.
    pub elapsed: Duration,
}

/// Why a scan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// SYN probes were asked for and are not allowed.
    #[error("cannot send raw segments{}: {source}", also_said(also.as_ref()))]
    NotPermitted {
        /// What the kernel said.
        source: std::io::Error,
        /// What it said of something else that lacks.
        also: Option<std::io::Error>,
    },
    /// SYN probes were asked for and are allowed, but the sockets that they take cannot be had.
    #[error("cannot open the sockets that raw segments take: {source}")]
    NoSockets {
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Not even the least of what the engine needs could be had.
    #[error("cannot set up the probes: {act}: {source}")]
    Setup {
        /// What was being done.
        act: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A thread of the engine ended in a panic; its findings are not to be relied upon.
    #[error("a thread of the scan failed; its result is lost")]
    Failed,
}

fn also_said(also: Option<&std::io::Error>) -> String {
    also.map_or_else(String::new, |also| format!(" (nor open their sockets: {also})"))
}

/// Whether an address means something else on every interface.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

// === impl Plan ===

impl Plan {
    /// Everything left to the scanner but the ports.
    #[must_use]
    pub fn new(ports: Arc<[u16]>) -> Self {
        Plan {
            engine: EngineChoice::Auto,
            ports,
            rate: None,
            timeout: None,
            retries: None,
            ping: Ping::Skip,
            seed: 0,
            targets_total: None,
        }
    }
}

// === impl Target ===

impl Target {
    /// An address that was written as such.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Target { written: address.to_string(), address, scope: 0, other_addresses: Vec::new() }
    }

    /// What tells it from every other.
    #[must_use]
    pub fn scoped(&self) -> Scoped {
        (self.address, self.scope)
    }
}
