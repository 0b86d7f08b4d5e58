//! The words: roles, causes, modes, names and settings.

use crate::limits::{GROUP_NAME_BYTES_MAX, TTL_DEFAULT, TTL_MAX, TTL_MIN};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a member is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The one that acts.
    Principal,
    /// One of those that stand by.
    Secondaire,
}

/// Why somebody has a role, or lost it. The words are part of every output and of what hooks are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Nobody held the role before.
    First,
    /// It has just come, and somebody else is principal, or nobody may be.
    Joined,
    /// The principal left in good order.
    Left,
    /// The principal's connection broke.
    ConnectionLost,
    /// The principal said nothing for a whole time to live.
    LeaseExpired,
    /// The principal was told to step down.
    SteppedDown,
    /// The principal's own hook failed at its promotion.
    HookFailed,
    /// A member of higher priority came, and the group preempts.
    Priority,
    /// Another process speaks for the principal's machine now.
    MemberRestarted,
    /// The authority was restarted, and the principal did not come back in time.
    HubRestarted,
    /// The member that was chosen does not want to be principal.
    Declined,
    /// Nobody said why.
    Unknown,
}

impl Cause {
    /// Every cause, in the order of the declaration.
    pub const ALL: [Cause; 12] = [
        Cause::First,
        Cause::Joined,
        Cause::Left,
        Cause::ConnectionLost,
        Cause::LeaseExpired,
        Cause::SteppedDown,
        Cause::HookFailed,
        Cause::Priority,
        Cause::MemberRestarted,
        Cause::HubRestarted,
        Cause::Declined,
        Cause::Unknown,
    ];

    /// The word for people and scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::First => "first",
            Cause::Joined => "joined",
            Cause::Left => "left",
            Cause::ConnectionLost => "connection-lost",
            Cause::LeaseExpired => "lease-expired",
            Cause::SteppedDown => "stepped-down",
            Cause::HookFailed => "hook-failed",
            Cause::Priority => "priority",
            Cause::MemberRestarted => "member-restarted",
            Cause::HubRestarted => "hub-restarted",
            Cause::Declined => "declined",
            Cause::Unknown => "unknown",
        }
    }

    /// The cause of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

impl Role {
    /// The word for people and scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Principal => "principal",
            Role::Secondaire => "secondaire",
        }
    }
}

/// How much a promotion waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The next is promoted when the former principal has finished its demotion, or its lease is over by
    /// everybody's clock. Never two at once.
    Safe,
    /// The next is promoted as soon as the former principal's connection breaks. Quicker, and for a moment both may
    /// believe to be principal: the former one notices a little later, or, cut off or frozen, much later.
    Fast,
}

impl Mode {
    /// The word for people and scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Safe => "safe",
            Mode::Fast => "fast",
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "safe" => Ok(Mode::Safe),
            "fast" => Ok(Mode::Fast),
            other => Err(format!("`{other}` is no mode: safe or fast")),
        }
    }
}

macro_rules! shown_by_its_word {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}
shown_by_its_word!(Role Cause Mode GroupName);

/// One life of a member's process. Random, so that two lives are never taken for one; what one life was granted,
/// the next one does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(pub u64);

/// One connection of a member, numbered by whoever accepts it and never twice. News of a connection that was
/// replaced is thereby known for what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conn(pub u64);

/// When a member sent something, by its own clock. It comes back with the answer, and only its sender reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub Duration);

/// The name of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

/// A name that cannot be a group's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a group's name has 1 to 64 letters, digits, dots, hyphens or underscores, and begins with a letter or digit"
)]
pub struct BadGroupName;

impl GroupName {
    /// Checks a name: it is typed before a colon, shown in tables and passed to hooks, so it is as plain as a
    /// machine's.
    ///
    /// # Errors
    /// [`BadGroupName`] for any other.
    pub fn new(name: &str) -> Result<Self, BadGroupName> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts_well && name.len() <= GROUP_NAME_BYTES_MAX && name.chars().all(plain) {
            Ok(GroupName(name.to_owned()))
        } else {
            Err(BadGroupName)
        }
    }

    /// The group of those who name none.
    pub fn default_group() -> Self {
        GroupName("default".to_owned())
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = BadGroupName;

    fn from_str(name: &str) -> Result<Self, BadGroupName> {
        GroupName::new(name)
    }
}

/// What is set for a group. A term keeps the mode and the time to live that it was granted with; a change holds
/// from the next grant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// How much a promotion waits for.
    pub mode: Mode,
    /// How long a grant is good for without renewal.
    pub ttl: Duration,
    /// Whether a member of higher priority takes the role from one of lower.
    pub preempt: bool,
}

/// A time to live that no group may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time to live is from 500 ms to one hour, and {} ms is not", .0.as_millis())]
pub struct BadTtl(pub Duration);

impl Default for Settings {
    fn default() -> Self {
        Settings { mode: Mode::Safe, ttl: TTL_DEFAULT, preempt: false }
    }
}

impl Settings {
    /// Checks the time to live.
    ///
    /// # Errors
    /// [`BadTtl`] when it is too short to be kept, or longer than anyone waits.
    pub fn check(self) -> Result<Self, BadTtl> {
        if (TTL_MIN..=TTL_MAX).contains(&self.ttl) { Ok(self) } else { Err(BadTtl(self.ttl)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_one_word() {
        for cause in Cause::ALL {
            assert_eq!(Cause::from_word(cause.as_str()), Some(cause));
        }
        assert_eq!(Cause::from_word("lost"), None);
    }

    #[test]
    fn odd_names_and_times_are_refused() {
        for bad in ["", "-a", ".", "a b", "a:b", "a/b", "é", "a\n", "$(id)", &"x".repeat(65)] {
            assert_eq!(GroupName::new(bad), Err(BadGroupName), "{bad:?}");
        }
        assert_eq!(GroupName::new("web.front-1_a").unwrap().to_string(), "web.front-1_a");
        let with = |ms| Settings { ttl: Duration::from_millis(ms), ..Settings::default() }.check();
        assert!(with(499).is_err() && with(3_600_001).is_err());
        assert!(with(500).is_ok() && with(3_600_000).is_ok());
    }
}
