//! What may be different, and until when.

use crate::finding::State;
use crate::ports::PortSet;
use crate::services::Services;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;
use vigie_model::nodeset::NodeSet;

/// An entry of a baseline. What it does not say is anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Targets, by their names or addresses, as a node set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<String>,
    /// Places, as a node set: differences that only these see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The state that ports may be in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The last day on which it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Datetime>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One port of one target as one place sees it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The target as it was written, and its address.
    pub target: [&'a str; 2],
    /// The port.
    pub port: u16,
    /// The place.
    pub from: &'a str,
    /// The state it is in now.
    pub state: State,
}

impl Allow {
    /// Whether it makes sense.
    pub(super) fn check(&self) -> Result<(), String> {
        let ports = self.ports.as_ref().map(|ports| PortSet::parse(ports, &Services::default()));
        if let Some(Err(error)) = ports {
            return Err(format!("allow: {error}"));
        }
        for set in [&self.target, &self.from].into_iter().flatten() {
            set.parse::<NodeSet>().map_err(|e| format!("allow: {e}"))?;
        }
        match &self.expires {
            Some(expires) if expires.date.is_none() => {
                Err("allow: expires is a time without a day; write it as 2026-12-31".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether its last day is over on a day, written `2026-12-31`.
    #[must_use]
    pub fn is_over(&self, today: &str) -> bool {
        let day = self.expires.as_ref().and_then(|expires| expires.date).map(|date| date.to_string());
        day.is_some_and(|day| day.as_str() < today)
    }

    /// Whether it allows this, on a day.
    #[must_use]
    pub fn allows(&self, case: &Case<'_>, today: &str) -> bool {
        let has_port = |text: &String| {
            let ports = PortSet::parse(text, &Services::default());
            ports.is_ok_and(|ports| ports.as_slice().binary_search(&case.port).is_ok())
        };
        let names = |text: &String, wanted: &[&str]| {
            text.parse::<NodeSet>().is_ok_and(|set| set.names().any(|name| wanted.contains(&name.as_str())))
        };
        !self.is_over(today)
            && self.ports.as_ref().is_none_or(has_port)
            && self.target.as_ref().is_none_or(|text| names(text, &case.target))
            && self.from.as_ref().is_none_or(|text| names(text, &[case.from]))
            && self.state.is_none_or(|state| state == case.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_allows_what_it_says_until_its_last_day() {
        let text = "ports = \"8080-8090\"\ntarget = \"db[1-2]\"\nfrom = \"web[01-12]\"\nexpires = 2026-12-31";
        let allow: Allow = toml::from_str(text).unwrap();
        assert_eq!(allow.check(), Ok(()));
        let case = Case { target: ["db1", "192.0.2.1"], port: 8085, from: "web03", state: State::Open };
        assert!(allow.allows(&case, "2026-12-31"));
        assert!(!allow.allows(&case, "2027-01-01") && allow.is_over("2027-01-01"));
        for other in [
            Case { port: 8091, ..case },
            Case { from: "web3", ..case },
            Case { target: ["db3", "192.0.2.3"], ..case },
        ] {
            assert!(!allow.allows(&other, "2026-12-31"), "{other:?}");
        }
        let closed = Allow { state: Some(State::Closed), ..allow };
        assert!(!closed.allows(&case, "2026-12-31"));
        assert!(Allow::default().allows(&case, "2026-12-31"));
    }
}
