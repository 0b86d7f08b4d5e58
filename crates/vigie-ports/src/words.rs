//! States and reasons as words: ours in JSON and tables, nmap's in its XML.
//!
//! A reason that nmap has a word for keeps it everywhere. Where nmap has none, XML gets the nearest one and JSON ours.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::finding::{Reason, State};
use crate::report::EngineName;

/// The least common denominator of a reading error: a word that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of a port")]
pub struct NotAState(pub String);

/// ICMP errors that have a word, which is nmap's: version, type, code (RFC 792, RFC 1812, RFC 4443).
const ICMP: &[((u8, u8, u8), &str)] = &[
    ((4, 3, 0), "net-unreach"),
    ((4, 3, 1), "host-unreach"),
    ((4, 3, 2), "proto-unreach"),
    ((4, 3, 3), "port-unreach"),
    ((4, 3, 9), "net-prohibited"),
    ((4, 3, 10), "host-prohibited"),
    ((4, 3, 13), "admin-prohibited"),
    ((4, 11, 0), "time-exceeded"),
    ((6, 1, 0), "net-unreach"),
    ((6, 1, 1), "admin-prohibited"),
    ((6, 1, 3), "host-unreach"),
    ((6, 1, 4), "port-unreach"),
    ((6, 3, 0), "time-exceeded"),
];

/// Words of ICMP errors by which the network, not an administrator, says no.
const UNREACHABLE: &[&str] =
    &["net-unreach", "host-unreach", "proto-unreach", "dest-unreach", "time-exceeded", "beyond-scope"];

// === impl State ===

impl State {
    /// Every state, in the order of their words' weight.
    pub const ALL: [State; 5] =
        [State::Open, State::Closed, State::Filtered, State::Unreachable, State::Unknown];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Closed => "closed",
            State::Filtered => "filtered",
            State::Unreachable => "unreachable",
            State::Unknown => "unknown",
        }
    }

    /// nmap's word for it: what the network refuses is `filtered` there.
    #[must_use]
    pub fn nmap_word(self) -> &'static str {
        if self == State::Unreachable { "filtered" } else { self.word() }
    }

    /// Back from nmap's words for state and reason. What nmap is not sure of (`open|filtered`) is unknown.
    #[must_use]
    pub fn from_nmap(state: &str, reason: &str) -> Self {
        match state {
            "filtered" if UNREACHABLE.contains(&reason) => State::Unreachable,
            _ => state.parse().unwrap_or(State::Unknown),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for State {
    type Err = NotAState;

    fn from_str(word: &str) -> Result<Self, NotAState> {
        let found = State::ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| NotAState(word.to_owned()))
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

// === impl Reason ===

/// Our word; nmap's where it has one.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match *self {
            Reason::SynAck => "syn-ack",
            Reason::Reset => "reset",
            Reason::NoResponse => "no-response",
            Reason::NoRoute => "no-route",
            Reason::NoNeighbour => "no-neighbour",
            Reason::ForbiddenHere => "forbidden-here",
            Reason::Tarpit => "tarpit",
            Reason::NoResources => "no-resources",
            Reason::Stopped => "stopped",
            Reason::NoAnswer => "no-answer",
            Reason::Icmp { version, kind, code } => {
                match ICMP.iter().find(|(numbers, _)| *numbers == (version, kind, code)) {
                    Some((_, word)) => word,
                    None => return write!(f, "icmp{version}-{kind}-{code}"),
                }
            }
        };
        f.write_str(word)
    }
}

/// nmap's word for one of our reasons, by its word.
#[must_use]
pub fn nmap_reason(word: &str) -> &str {
    match word {
        "no-route" => "net-unreach",
        "no-neighbour" => "host-unreach",
        "forbidden-here" => "perm-denied",
        "no-answer" => "no-response",
        // Failed policy and rejecting route (RFC 4443, 3.1): somebody's will.
        "icmp6-1-5" | "icmp6-1-6" => "admin-prohibited",
        _ if word.starts_with("icmp") => "dest-unreach",
        other => other,
    }
}

/// A reason out of nmap's XML in the singular and in our words: summaries of many ports have plurals in some versions.
#[must_use]
pub fn reason_from_nmap(word: &str) -> String {
    match word {
        "conn-refused" | "resets" => "reset".to_owned(),
        "echo-replies" => "echo-reply".to_owned(),
        _ if word.ends_with("-unreaches") => word.trim_end_matches("es").to_owned(),
        _ => word.strip_suffix('s').unwrap_or(word).to_owned(),
    }
}

impl EngineName {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            EngineName::Connect => "connect",
            EngineName::Syn => "syn",
            EngineName::Nmap => "nmap",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back_from_their_words() {
        for state in State::ALL {
            assert_eq!(state.word().parse(), Ok(state));
        }
        assert!("Open".parse::<State>().is_err());
        assert_eq!(State::from_nmap("filtered", "no-response"), State::Filtered);
        assert_eq!(State::from_nmap("filtered", "host-unreach"), State::Unreachable);
        assert_eq!(State::from_nmap("filtered", "port-unreach"), State::Filtered);
        assert_eq!(State::from_nmap("open|filtered", "no-response"), State::Unknown);
    }

    #[test]
    fn reasons_have_nmaps_words_where_it_has_one() {
        let icmp = |version, kind, code| Reason::Icmp { version, kind, code }.to_string();
        assert_eq!(icmp(4, 3, 13), "admin-prohibited");
        assert_eq!(icmp(6, 1, 4), "port-unreach");
        assert_eq!(icmp(4, 3, 6), "icmp4-3-6");
        assert_eq!(nmap_reason("icmp4-3-6"), "dest-unreach");
        assert_eq!(nmap_reason(&icmp(6, 1, 6)), "admin-prohibited");
        assert_eq!(nmap_reason("no-neighbour"), "host-unreach");
        assert_eq!(nmap_reason("syn-ack"), "syn-ack");
    }

    #[test]
    fn plurals_and_connect_words_are_the_same_reasons() {
        for (nmap, ours) in [
            ("conn-refused", "reset"),
            ("resets", "reset"),
            ("reset", "reset"),
            ("no-responses", "no-response"),
            ("admin-prohibiteds", "admin-prohibited"),
            ("host-unreaches", "host-unreach"),
            ("syn-ack", "syn-ack"),
        ] {
            assert_eq!(reason_from_nmap(nmap), ours);
        }
    }
}
