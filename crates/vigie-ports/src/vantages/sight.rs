//! One look at one port from one place.
//!
//! Not every way to look tells as much. A connection that an SSH server makes for us tells a refusal, but not whether a
//! reset or ICMP's port-unreachable was behind it, and that there is no way, but not whether somebody forbids it. So that
//! two ways never differ where two places do not, all looks are brought down to what every way can tell.

use crate::finding::{Finding, State};
use crate::host::Host;
use std::collections::BTreeMap;

/// The reason of a look that is not allowed, now or when asked again.
pub const PROHIBITED: &str = "prohibited";

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The state, as every way to look can tell it: `closed` is any refusal, `filtered` silence, `unreachable` any other
    /// word of the network.
    pub state: State,
    /// Why, in the word of whoever looked.
    pub reason: String,
}

impl Sight {
    /// Of a state that is comparable already.
    #[must_use]
    pub fn new(state: State, reason: impl Into<String>) -> Self {
        Sight { state, reason: reason.into() }
    }

    /// Of what our own scanner found.
    #[must_use]
    pub fn of_finding(finding: &Finding) -> Self {
        let reason = finding.reason.to_string();
        Sight { state: comparable(finding.state, &reason), reason }
    }

    /// Of all ports in a report, whoever made it.
    #[must_use]
    pub fn of_host(host: &Host) -> BTreeMap<u16, Sight> {
        let ports = host.ports.iter().cloned().chain(host.unfolded());
        ports
            .map(|port| {
                (port.port, Sight { state: comparable(port.state, &port.reason), reason: port.reason })
            })
            .collect()
    }
}

/// A scanner's state by its reason, as forwarding would tell it. (`icmp_err_convert` of Linux)
fn comparable(state: State, reason: &str) -> State {
    match (state, reason) {
        // So many ports accept everything that something in between must be answering; still each was connected to.
        (_, "tarpit") => State::Open,
        (State::Filtered | State::Unreachable, "port-unreach") => State::Closed,
        (State::Filtered, "no-response") => State::Filtered,
        (State::Filtered, _) => State::Unreachable,
        (state, _) => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Reason;

    fn finding(state: State, reason: Reason) -> Sight {
        Sight::of_finding(&Finding {
            port: 1,
            state,
            reason,
            attempts: 1,
            rtt: None,
            service: None,
            banner: None,
        })
    }

    #[test]
    fn a_look_tells_no_more_than_forwarding_could() {
        let icmp = |code| Reason::Icmp { version: 4, kind: 3, code };
        for (state, reason, seen) in [
            (State::Open, Reason::SynAck, State::Open),
            (State::Closed, Reason::Reset, State::Closed),
            (State::Filtered, icmp(3), State::Closed),
            (State::Filtered, icmp(13), State::Unreachable),
            (State::Filtered, Reason::NoResponse, State::Filtered),
            (State::Unreachable, Reason::NoNeighbour, State::Unreachable),
            (State::Unknown, Reason::NoResources, State::Unknown),
            (State::Filtered, Reason::Tarpit, State::Open),
        ] {
            assert_eq!(finding(state, reason).state, seen, "{state} by {reason}");
        }
    }
}
