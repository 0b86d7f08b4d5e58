//! The members of a group, in line.

use crate::limits::MEMBERS_MAX;
use crate::message::{Join, Refusal};
use crate::words::{BootId, Conn, Mode, Settings, Stamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its latest connection.
    pub conn: Conn,
    /// Whether that connection stands.
    pub connected: bool,
    /// The life of its process.
    pub boot: BootId,
    /// Its place in the line: lower came earlier.
    pub place: u64,
    /// Higher comes first.
    pub priority: i32,
    /// It is never to be principal, by its own wish or because its hook failed.
    pub nofailover: bool,
    /// It stepped down, so everybody else comes first.
    pub yielded: bool,
    /// It has not finished to give back an epoch that is no longer its own.
    pub busy: bool,
    /// Whether silence means something.
    pub renews: bool,
    /// Its last sign of life, by the authority's clock.
    pub heard: Duration,
    /// The latest stamp it sent.
    pub stamp: Stamp,
}

impl Member {
    /// Whether it was heard within the time to live.
    fn is_lively(&self, now: Duration, ttl: Duration) -> bool {
        now < self.heard.saturating_add(ttl)
    }

    /// Whether it could be principal at this moment.
    pub(super) fn is_eligible(&self, now: Duration, settings: &Settings) -> bool {
        let willing = self.connected && !self.nofailover && !self.busy;
        match settings.mode {
            Mode::Fast => willing,
            // Who is silent would have to be waited for once more.
            Mode::Safe => willing && self.renews && self.is_lively(now, settings.ttl),
        }
    }

    fn rank(&self) -> (bool, Reverse<i32>, u64) {
        (self.yielded, Reverse(self.priority), self.place)
    }

    /// Whether its priority gives it a right to the role of that one.
    pub(super) fn outranks(&self, other: &Member) -> bool {
        !self.yielded && self.priority > other.priority
    }
}

/// Everybody, in line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line<M> {
    members: BTreeMap<M, Member>,
    /// Whose connection broke, and until when their places are kept.
    away: VecDeque<(Duration, M, Conn)>,
    places: u64,
}

impl<M: Clone + Ord> Line<M> {
    pub(super) fn new() -> Self {
        Line { members: BTreeMap::new(), away: VecDeque::new(), places: 0 }
    }

    pub(super) fn get(&self, member: &M) -> Option<&Member> {
        self.members.get(member)
    }

    pub(super) fn get_mut(&mut self, member: &M) -> Option<&mut Member> {
        self.members.get_mut(member)
    }

    /// The member, if this is its present connection.
    pub(super) fn on(&mut self, member: &M, conn: Conn) -> Option<&mut Member> {
        self.members.get_mut(member).filter(|m| m.conn == conn && m.connected)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&M, &Member)> {
        self.members.iter()
    }

    /// Takes a member in, at its old place if it is the same process come back.
    pub(super) fn join(
        &mut self,
        now: Duration,
        member: &M,
        conn: Conn,
        join: &Join,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        if settings.mode == Mode::Safe && !join.renews {
            return Err(Refusal::CannotRenew);
        }
        let known = self.members.get(member);
        if known.is_some_and(|m| {
            m.boot != join.boot && m.connected && (!m.renews || m.is_lively(now, settings.ttl))
        }) {
            return Err(Refusal::Taken);
        }
        if known.is_none() && self.members.len() >= MEMBERS_MAX {
            return Err(Refusal::Full);
        }
        let (place, yielded) = match known {
            Some(same) if same.boot == join.boot => (same.place, same.yielded),
            _ => {
                self.places += 1;
                (self.places, false)
            }
        };
        let joined = Member {
            conn,
            connected: true,
            boot: join.boot,
            place,
            priority: join.priority,
            nofailover: join.nofailover,
            yielded,
            busy: join.holding.is_some(),
            renews: join.renews,
            heard: now,
            stamp: join.stamp,
        };
        self.members.insert(member.clone(), joined);
        Ok(())
    }

    pub(super) fn remove(&mut self, member: &M) {
        self.members.remove(member);
    }

    /// A connection broke. The place is kept until `until`, or not at all.
    pub(super) fn lost(&mut self, member: &M, conn: Conn, until: Option<Duration>) {
        let Some(lost) = self.on(member, conn) else { return };
        match until {
            Some(until) => {
                lost.connected = false;
                self.away.push_back((until, member.clone(), conn));
            }
            None => self.remove(member),
        }
    }

    /// Gives the places of those away whose time is over to nobody.
    pub(super) fn forget(&mut self, now: Duration) {
        while let Some((until, ..)) = self.away.front() {
            if *until > now {
                return;
            }
            if let Some((_, member, conn)) = self.away.pop_front()
                && self.members.get(&member).is_some_and(|m| m.conn == conn && !m.connected)
            {
                self.remove(&member);
            }
        }
    }

    /// When the next place is to be forgotten.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        self.away.front().map(|(until, ..)| *until)
    }

    /// The first in line who could be principal, leaving one out.
    pub(super) fn first(&self, now: Duration, settings: &Settings, but: Option<&M>) -> Option<(&M, &Member)> {
        self.members
            .iter()
            .filter(|(id, m)| Some(*id) != but && m.is_eligible(now, settings))
            .min_by_key(|(_, m)| m.rank())
    }
}
