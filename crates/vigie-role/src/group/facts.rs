//! What a group wants done, and what it has to tell.

use crate::message::{Refusal, ToMember};
use crate::words::{BootId, Cause, Conn, Mode};
use std::time::Duration;
use vigie_model::Epoch;

/// What is to be done for a group, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action<M> {
    /// Make this durable, and then say [`super::Group::persisted`]. Nobody is granted anything before.
    Persist(Opening<M>),
    /// Tell a member something, on its connection.
    Send {
        /// The member.
        to: M,
        /// Its connection.
        conn: Conn,
        /// What it is told.
        message: ToMember,
    },
    /// Something happened that people may want to know: for a journal, a log, a page.
    Tell(Fact<M>),
}

/// The beginning of a term: what must be durable before it is granted. After a restart it is all that
/// [`super::Group::restored`] needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opening<M> {
    /// The new epoch.
    pub epoch: Epoch,
    /// Who is to be principal.
    pub member: M,
    /// The life of its process.
    pub boot: BootId,
    /// The mode of the whole term.
    pub mode: Mode,
    /// The time to live of the whole term.
    pub ttl: Duration,
    /// Why the role was free.
    pub cause: Cause,
    /// The end of the term before, if there was one since the authority started.
    pub after: Option<Ended<M>>,
}

/// The end of a term.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ended<M> {
    /// Its epoch.
    pub epoch: Epoch,
    /// Who was principal.
    pub member: M,
    /// Why it ended.
    pub cause: Cause,
    /// When, by the authority's clock.
    pub at: Duration,
    /// How long it took to notice: from the last sign of life to the end. Zero for what was announced, and unknown of
    /// one that gives no signs of life.
    pub detection: Option<Duration>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact<M> {
    /// Somebody is principal now.
    Granted {
        /// The whole beginning of the term, as it was made durable.
        opening: Opening<M>,
        /// How long nobody was principal, if anybody was before.
        vacant: Option<Duration>,
    },
    /// The principal came back on another connection, and still is principal.
    Returned {
        /// Its epoch.
        epoch: Epoch,
        /// Who it is.
        member: M,
    },
    /// A term ended.
    Ended(Ended<M>),
    /// The principal was asked to give the role back.
    Asked {
        /// Its epoch.
        epoch: Epoch,
        /// Who it is.
        member: M,
        /// Why.
        cause: Cause,
    },
    /// Somebody was refused.
    Refused {
        /// Who.
        member: M,
        /// Why.
        why: Refusal,
    },
    /// A member is out of the line until that is cleared or it joins anew.
    Barred {
        /// Who.
        member: M,
        /// Why: its hook failed, it declined, or it is leaving.
        cause: Cause,
    },
}

/// A wish that cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotStepDown<M> {
    /// Nobody is principal.
    #[error("nobody is principal")]
    NoPrincipal,
    /// It is being given back already.
    #[error("the principal is already stepping down")]
    Already,
    /// There is no such member.
    #[error("there is no such member")]
    NoSuchMember(M),
    /// That member cannot take the role: it is away, silent, or marked as not to.
    #[error("that member cannot be principal now")]
    NotEligible(M),
    /// It would leave the group without a principal.
    #[error("no other member can be principal now")]
    NobodyElse,
    /// The group is paused.
    #[error("the group is paused")]
    Paused,
}
