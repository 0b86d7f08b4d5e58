//! All that was found of one target. Every output and every comparison starts from it.

use std::net::IpAddr;
use std::time::Duration;

use crate::finding::{Finding, State};

/// What was asked for, as it was written, and what was found of one of its addresses.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetReport {
    /// As the user wrote it: a name, an address, or an address out of a range.
    pub target: String,
    /// Which address was probed.
    pub address: IpAddr,
    /// The interface of an IPv6 link-local address, else 0.
    pub scope: u32,
    /// Other addresses of the same name, not probed.
    pub other_addresses: Vec<IpAddr>,
    /// Whether anything is there.
    pub liveness: Liveness,
    /// Every port asked for, in ascending order, with its verdict.
    pub findings: Vec<Finding>,
    /// What share of probes gets lost on the way.
    pub loss: Loss,
    /// Who probed.
    pub engine: EngineName,
    /// What the user should know besides: a fallback, a rate limit in the way, a tarpit.
    pub notes: Vec<String>,
    /// From the first probe of this target to the last verdict.
    pub elapsed: Duration,
}

/// Whether anything is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It answered: what, in nmap's words (`arp-response`, `echo-reply`, `syn-ack`, `reset`).
    Up(&'static str),
    /// It was taken for alive without being asked.
    Assumed,
    /// It answered nothing; its ports were not probed.
    NoAnswer,
}

/// What is known of loss on the way to a target and back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// A share of probes, 0 to 1.
    Estimated(f64),
    /// Nothing ever answered, so nothing can be said.
    Unknown,
}

/// Which engine probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineName {
    /// `connect(2)`.
    Connect,
    /// Raw SYN segments.
    Syn,
    /// The user's own nmap.
    Nmap,
}

/// How many ports have each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Ports in state [`State::Open`].
    pub open: u32,
    /// Ports in state [`State::Closed`].
    pub closed: u32,
    /// Ports in state [`State::Filtered`].
    pub filtered: u32,
    /// Ports in state [`State::Unreachable`].
    pub unreachable: u32,
    /// Ports in state [`State::Unknown`].
    pub unknown: u32,
}

// === impl TargetReport ===

impl TargetReport {
    /// How many ports have each state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for finding in &self.findings {
            match finding.state {
                State::Open => counts.open += 1,
                State::Closed => counts.closed += 1,
                State::Filtered => counts.filtered += 1,
                State::Unreachable => counts.unreachable += 1,
                State::Unknown => counts.unknown += 1,
            }
        }
        counts
    }

    /// The share of the ports asked for that got a verdict, 0 to 1. A target without a sign of life is covered: that
    /// is its verdict.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        if self.findings.is_empty() || self.liveness == Liveness::NoAnswer {
            return 1.0;
        }
        let known = self.findings.iter().filter(|finding| finding.state != State::Unknown).count();
        known as f64 / self.findings.len() as f64
    }
}
