//! What load balancers are told: pure text, from what is seen at one moment.

mod first;
mod http;
mod line;
mod serve;

pub use first::{First, first_bytes};
pub use http::{Answer, Said, answer};
pub use line::agent_line;
pub(crate) use serve::{Serving, serve};

use crate::drain::Drained;
use crate::monitor::CheckState;
use crate::outside::{Role, RoleSeen};
use crate::verdict::State;
use std::fmt;
use std::str::FromStr;

/// All that an answer is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The worst of all checks.
    pub state: State,
    /// The check that decided it, unless all is well: `name: detail`.
    pub why: Option<String>,
    /// The role in the group that was asked for; none when this machine is in no group at all.
    pub role: Option<RoleSeen>,
    /// Taken out of service by hand.
    pub drained: Option<Drained>,
    /// The program is about to end.
    pub stopping: bool,
    /// All checks.
    pub checks: Vec<CheckState>,
}

impl Seen {
    /// Whether it is fit to serve, and not taken out of service. Roles do not matter here.
    pub fn is_ready(&self) -> bool {
        self.state == State::Up && self.drained.is_none() && !self.stopping
    }

    /// Whether it is in a group, and not its principal. Who has not been told is not.
    pub fn stands_by(&self) -> bool {
        self.role.as_ref().is_some_and(|seen| seen.role != Some(Role::Principal))
    }
}

/// What the agent's line says of a machine that is healthy and not the principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnSecondaire {
    /// It serves like any other.
    Up,
    /// Down: no connection goes there.
    #[default]
    Down,
    /// In maintenance: no connection goes there, and nobody is alarmed.
    Maint,
    /// Drained: connections that are bound to it go on, new ones go elsewhere.
    Drain,
    /// It serves with this weight, in parts of a hundred; a principal has 100.
    Weight(u8),
}

impl FromStr for OnSecondaire {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let weight = |text: &str| text.strip_suffix('%')?.parse().ok().filter(|percent| *percent <= 100);
        match text {
            "up" => Ok(OnSecondaire::Up),
            "down" => Ok(OnSecondaire::Down),
            "maint" => Ok(OnSecondaire::Maint),
            "drain" => Ok(OnSecondaire::Drain),
            _ => weight(text)
                .map(OnSecondaire::Weight)
                .ok_or_else(|| format!("`{text}` is not up, down, maint, drain or a weight from 0% to 100%")),
        }
    }
}

impl fmt::Display for OnSecondaire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnSecondaire::Up => f.write_str("up"),
            OnSecondaire::Down => f.write_str("down"),
            OnSecondaire::Maint => f.write_str("maint"),
            OnSecondaire::Drain => f.write_str("drain"),
            OnSecondaire::Weight(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        for text in ["up", "down", "maint", "drain", "0%", "10%", "100%"] {
            assert_eq!(text.parse::<OnSecondaire>().unwrap().to_string(), text);
        }
        for bad in ["", "10", "101%", "-1%", "weight=10%", "Down"] {
            assert!(bad.parse::<OnSecondaire>().is_err(), "{bad} was taken");
        }
    }
}
