//! What members and authority tell each other, as types. How it travels is not this crate's business, but for the
//! plain lines of [`crate::plain`].

use crate::words::{BootId, Cause, Mode, Stamp};
use std::time::Duration;
use vigie_model::Epoch;

/// What a member tells the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FromMember {
    /// It is there: the first message of every connection.
    Join(Join),
    /// It lives, and still has this epoch, or none.
    Renew {
        /// The epoch that it holds or has not finished giving back.
        epoch: Option<Epoch>,
        /// When this was sent.
        stamp: Stamp,
    },
    /// Its demotion is finished: whatever it did as principal in this epoch has ended.
    Released {
        /// The epoch that it will never act in again.
        epoch: Epoch,
        /// Why it gave it back.
        cause: Cause,
    },
    /// It goes, and has given back whatever it held.
    Leave,
}

/// How a member introduces itself on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Join {
    /// This life of its process.
    pub boot: BootId,
    /// Higher comes first; equal ones in the order of joining.
    pub priority: i32,
    /// It wants to know who is principal and never be it.
    pub nofailover: bool,
    /// It renews, so that silence means something. A plain client does not; its connection is its lease.
    pub renews: bool,
    /// The epoch that it holds or has not finished giving back.
    pub holding: Option<Epoch>,
    /// When this was sent.
    pub stamp: Stamp,
}

/// What the authority tells a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToMember {
    /// It is principal.
    Granted(Grant),
    /// It was heard.
    Renewed {
        /// The epoch whose lease is longer now, if it has one.
        epoch: Option<Epoch>,
        /// The stamp of what was heard.
        stamp: Stamp,
        /// The group's time to live, or that of the term.
        ttl: Duration,
    },
    /// It is secondaire; if it thinks otherwise, it is wrong.
    Secondaire {
        /// Why.
        cause: Cause,
        /// The highest epoch there is; zero before the first.
        epoch: Epoch,
        /// The group's time to live.
        ttl: Duration,
    },
    /// It is to finish its demotion and then say [`FromMember::Released`].
    StepDown {
        /// The epoch to give back.
        epoch: Epoch,
        /// Why.
        cause: Cause,
    },
    /// Its hook may try again.
    Cleared,
    /// It is not a member.
    Refused(Refusal),
}

/// The role of principal, for as long as it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The fencing number: larger than any before.
    pub epoch: Epoch,
    /// Whether the lease outlives its connection.
    pub mode: Mode,
    /// How long it is good for without renewal.
    pub ttl: Duration,
    /// Why the role was free.
    pub cause: Cause,
    /// The last stamp that the authority had from this member. The lease counts from there: how long the grant was
    /// on its way, nobody can know.
    pub stamp: Stamp,
}

/// Why somebody cannot be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// It presents an epoch that was never given out here: this authority has forgotten, or is not the one that
    /// gave it.
    #[error("it presents epoch {presented}, and the highest ever granted here is {highest}")]
    FutureEpoch {
        /// What it presented.
        presented: Epoch,
        /// The highest known.
        highest: Epoch,
    },
    /// Another live process speaks for this member.
    #[error("another live process has joined under this name")]
    Taken,
    /// The group is `safe`, and this member does not renew.
    #[error("the group's mode is safe, which needs members that renew")]
    CannotRenew,
    /// There are as many members, or groups, as there may be.
    #[error("there are as many members or groups as there may be")]
    Full,
}
