//! What to probe next, and what the answers mean. No I/O and no clock: time is handed in.
//!
//! In reading order: `course` one target, from its first probe to its report · `cells` its ports · `canaries` those of
//! them known to answer · `rtt` how long answers take · `pace` how fast to ask, by a `bucket` of moments · `loss` when silence is believed ·
//! `tarpit` when answers are not · `group` many targets · `limits`.

pub(crate) mod bucket;
pub(crate) mod canaries;
pub(crate) mod cells;
pub(crate) mod course;
pub(crate) mod group;
pub(crate) mod limits;
pub(crate) mod loss;
pub(crate) mod pace;
pub(crate) mod rtt;
pub(crate) mod tarpit;

#[cfg(test)]
mod simulated;

use std::net::SocketAddr;
use std::time::Duration;

use crate::finding::{Reason, State};

/// Time since the scan began.
pub(crate) type Moment = Duration;

/// One probe of one port of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Which target, by its number in the group.
    pub(crate) target: u32,
    pub(crate) port: u16,
    /// Which attempt at the target.
    pub(crate) serial: u32,
}

/// A probe to send now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) probe: Probe,
    pub(crate) to: SocketAddr,
    /// From then on its place may be given to another probe, if places are short.
    pub(crate) late: Moment,
    /// Until then its answer counts.
    pub(crate) until: Moment,
}

/// What became of a probe.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// It was answered, by the target, the network, or this machine's own tables.
    Answer(Answer),
    /// This machine lacked what it takes to send it.
    NoResources,
    /// This machine's own packet filter dropped it (`EPERM`): a rule, or a table of connections that is full.
    Refused,
}

/// How long it was from a probe to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Took {
    /// Measured where it happened.
    Known(Duration),
    /// As long as the attempt is old now.
    SinceSent,
    /// Nobody knows, or nothing was sent.
    Unknown,
}

/// An answer to a probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answer {
    pub(crate) state: State,
    pub(crate) reason: Reason,
    pub(crate) took: Took,
    /// Somebody other than the target said it.
    pub(crate) by_other: bool,
}

impl Answer {
    /// Whether it is TCP's own: only such ports answer as often as they are asked.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.reason, Reason::SynAck | Reason::Reset)
    }
}
