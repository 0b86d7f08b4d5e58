//! The authority's side of one group: who is principal. A plain state machine: what happened goes in with the time,
//! what is to be done comes out. It knows no socket, no disk and no clock.
//!
//! `line` the members · `facts` what comes out · this file the term.
//!
//! A term goes through these states:
//!
//! ```text
//! Vacant ── somebody is eligible ──▶ Recording ── persisted ──▶ Held ── released, left, expired, … ──▶ Vacant
//!                                        └── the candidate is gone: its epoch is never granted ──▶ Vacant
//! ```

mod facts;
mod line;

pub use facts::{Action, CannotStepDown, Ended, Fact, Opening};
pub use line::Member;

use crate::lease::expiry;
use crate::message::{FromMember, Grant, Join, Refusal, ToMember};
use crate::words::{BadTtl, BootId, Cause, Conn, Mode, Settings, Stamp};
use line::Line;
use std::fmt::Debug;
use std::time::Duration;
use vigie_model::Epoch;

/// The authority of one group. `M` names its members.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group<M> {
    settings: Settings,
    paused: bool,
    /// The highest epoch that is, or may be, durable.
    highest: Epoch,
    term: Term<M>,
    line: Line<M>,
    /// Why the role is free, as long as no term has ended in this life of the authority.
    free: Cause,
    /// How the last term ended.
    last: Option<Ended<M>>,
    /// Whom an operator named as the next.
    named: Option<M>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Term<M> {
    Vacant,
    Recording(Opening<M>),
    Held(Held<M>),
}

/// A term that is granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held<M> {
    /// Its epoch.
    pub epoch: Epoch,
    /// Who is principal.
    pub member: M,
    /// The life of its process.
    pub boot: BootId,
    /// The mode of this term.
    pub mode: Mode,
    /// The time to live of this term.
    pub ttl: Duration,
    /// When it was granted.
    pub since: Duration,
    /// Why the role was free.
    pub cause: Cause,
    /// The holder's last sign of life.
    pub heard: Duration,
    /// When its lease is over; never, for one whose connection is the lease.
    pub expires: Option<Duration>,
    /// Why it was asked to give the role back, if it was.
    pub asked: Option<Cause>,
    /// What its end will be put down to, when it ends by running out.
    decline: Cause,
}

impl<M: Clone + Ord + Debug> Group<M> {
    /// A group that nobody was ever principal of.
    pub fn new(settings: Settings) -> Self {
        Group {
            settings,
            paused: false,
            highest: Epoch(0),
            term: Term::Vacant,
            line: Line::new(),
            free: Cause::First,
            last: None,
            named: None,
        }
    }

    /// A group after a restart of its authority, from the last opening that is durable. For one time to live only
    /// its holder may take up the epoch again; whether it ever had it cannot be known.
    pub fn restored(settings: Settings, now: Duration, opening: Opening<M>) -> Self {
        let mut group = Group::new(settings);
        group.highest = opening.epoch;
        group.term = Term::Held(Held {
            epoch: opening.epoch,
            member: opening.member,
            boot: opening.boot,
            mode: opening.mode,
            ttl: opening.ttl,
            since: now,
            cause: opening.cause,
            heard: now,
            expires: Some(expiry(now, opening.ttl)),
            asked: None,
            decline: Cause::HubRestarted,
        });
        group
    }

    /// A group after a restart of its authority, whose last term is known to be over: its end is durable, or its holder
    /// was a plain client, which is nobody without its connection. `cause` is why the role is free.
    pub fn resumed(settings: Settings, highest: Epoch, cause: Cause) -> Self {
        Group { highest, free: cause, ..Group::new(settings) }
    }

    /// What is set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether promotions wait.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The highest epoch that is, or may be, durable.
    pub fn highest(&self) -> Epoch {
        self.highest
    }

    /// The term, if anybody is principal.
    pub fn held(&self) -> Option<&Held<M>> {
        match &self.term {
            Term::Held(held) => Some(held),
            Term::Vacant | Term::Recording(_) => None,
        }
    }

    /// How the last term ended.
    pub fn last_ended(&self) -> Option<&Ended<M>> {
        self.last.as_ref()
    }

    /// Every member, by its id.
    pub fn members(&self) -> impl Iterator<Item = (&M, &Member)> {
        self.line.iter()
    }

    /// When [`Self::tick`] has something to do.
    pub fn next_wake(&self) -> Option<Duration> {
        let lease = self.held().and_then(|held| held.expires);
        [lease, self.line.next_wake()].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<Action<M>> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        self.settle(now, &mut out);
        out
    }

    /// A member said something.
    pub fn heard(&mut self, now: Duration, member: &M, conn: Conn, said: FromMember) -> Vec<Action<M>> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        match said {
            FromMember::Join(join) => self.join(now, member, conn, &join, &mut out),
            FromMember::Renew { epoch, stamp } => self.renew(now, member, conn, epoch, stamp, &mut out),
            FromMember::Released { epoch, cause } => self.released(now, member, conn, epoch, cause, &mut out),
            FromMember::Leave => self.leave(now, member, conn, &mut out),
        }
        out
    }

    /// A member's connection broke.
    pub fn lost(&mut self, now: Duration, member: &M, conn: Conn) -> Vec<Action<M>> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        let Some(lost) = self.line.on(member, conn) else { return out };
        // Who does not renew cannot come back as the same, so nothing is kept for it.
        let (boot, kept) = (lost.boot, lost.renews.then(|| expiry(now, self.settings.ttl)));
        self.line.lost(member, conn, kept);
        if let Some(held) = self.held_by(member, boot) {
            match held.mode {
                Mode::Fast => self.end(now, Cause::ConnectionLost, &mut out),
                Mode::Safe => held.decline = Cause::ConnectionLost,
            }
        }
        self.settle(now, &mut out);
        out
    }

    /// An opening is durable: now it may be granted.
    pub fn persisted(&mut self, now: Duration, epoch: Epoch) -> Vec<Action<M>> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        match std::mem::replace(&mut self.term, Term::Vacant) {
            Term::Recording(opening) if opening.epoch == epoch => self.grant(now, opening, &mut out),
            other => self.term = other,
        }
        self.settle(now, &mut out);
        out
    }

    /// Asks the principal to give the role back, to somebody or to the next in line.
    ///
    /// # Errors
    /// When nobody could take it, or nobody has it.
    pub fn step_down(&mut self, now: Duration, to: Option<&M>) -> Result<Vec<Action<M>>, CannotStepDown<M>> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        if self.paused {
            return Err(CannotStepDown::Paused);
        }
        let held = self.held().ok_or(CannotStepDown::NoPrincipal)?;
        if held.asked.is_some() {
            return Err(CannotStepDown::Already);
        }
        match to {
            None if self.line.first(now, &self.settings, Some(&held.member)).is_none() => {
                return Err(CannotStepDown::NobodyElse);
            }
            None => {}
            Some(to) => {
                let member = self.line.get(to).ok_or_else(|| CannotStepDown::NoSuchMember(to.clone()))?;
                if *to == held.member || !member.is_eligible(now, &self.settings) {
                    return Err(CannotStepDown::NotEligible(to.clone()));
                }
            }
        }
        self.named = to.cloned();
        self.ask(now, Cause::SteppedDown, &mut out);
        self.settle(now, &mut out);
        Ok(out)
    }

    /// From now on nobody is promoted. The principal stays; should it go, nobody is.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Promotions go on, and hooks that failed may try again: whoever is out of the line for that joins anew when it
    /// hears so. Whether it is, only the member knows: this authority may be younger than the failure.
    pub fn resume(&mut self, now: Duration) -> Vec<Action<M>> {
        self.paused = false;
        let barred = self.line.iter().filter(|(_, member)| member.nofailover && member.connected);
        let cleared = |(to, member): (&M, &Member)| Action::Send {
            to: to.clone(),
            conn: member.conn,
            message: ToMember::Cleared,
        };
        let mut out: Vec<_> = barred.map(cleared).collect();
        out.extend(self.tick(now));
        out
    }

    /// Changes what is set. Mode and time to live hold from the next grant on.
    ///
    /// # Errors
    /// [`BadTtl`]; nothing is changed then.
    pub fn set(&mut self, now: Duration, settings: Settings) -> Result<Vec<Action<M>>, BadTtl> {
        self.settings = settings.check()?;
        Ok(self.tick(now))
    }

    // === what members say ===

    fn join(&mut self, now: Duration, member: &M, conn: Conn, join: &Join, out: &mut Vec<Action<M>>) {
        let refused = match join.holding {
            Some(presented) if presented > self.highest => {
                Err(Refusal::FutureEpoch { presented, highest: self.highest })
            }
            _ => self.line.join(now, member, conn, join, &self.settings),
        };
        if let Err(why) = refused {
            return out.extend(refuse(member, conn, why));
        }
        if let Term::Held(held) = &mut self.term
            && held.member == *member
        {
            if held.boot == join.boot && join.holding == Some(held.epoch) {
                return self.take_back(now, conn, join.stamp, out);
            }
            match (held.boot == join.boot, held.mode, held.decline) {
                // It does not have what was granted to it: the grant was lost on its way, or given back.
                (true, _, Cause::LeaseExpired) => self.end(now, Cause::ConnectionLost, out),
                (true, _, decline) => self.end(now, decline, out),
                (false, Mode::Fast, _) => self.end(now, Cause::MemberRestarted, out),
                // The former process may live on, out of sight, until its lease is over.
                (false, Mode::Safe, _) => held.decline = Cause::MemberRestarted,
            }
        }
        self.settle(now, out);
        let is_candidate = matches!(&self.term, Term::Recording(opening) if opening.member == *member);
        if !is_candidate {
            self.send(member, self.secondaire(Cause::Joined), out);
        }
    }

    /// The holder is back within its lease.
    fn take_back(&mut self, now: Duration, conn: Conn, stamp: Stamp, out: &mut Vec<Action<M>>) {
        let Term::Held(held) = &mut self.term else { return };
        held.heard = now;
        held.expires = held.expires.map(|_| expiry(now, held.ttl));
        held.decline = Cause::LeaseExpired;
        let (to, epoch) = (held.member.clone(), held.epoch);
        let grant = Grant { epoch, mode: held.mode, ttl: held.ttl, cause: held.cause, stamp };
        let asked = held.asked;
        out.push(Action::Send { to: to.clone(), conn, message: ToMember::Granted(grant) });
        out.push(Action::Tell(Fact::Returned { epoch, member: to.clone() }));
        if let Some(cause) = asked {
            out.push(Action::Send { to, conn, message: ToMember::StepDown { epoch, cause } });
        }
        self.settle(now, out);
    }

    fn renew(
        &mut self,
        now: Duration,
        member: &M,
        conn: Conn,
        epoch: Option<Epoch>,
        stamp: Stamp,
        out: &mut Vec<Action<M>>,
    ) {
        let Some(known) = self.line.on(member, conn) else { return };
        known.heard = now;
        known.stamp = known.stamp.max(stamp);
        let boot = known.boot;
        if let Some(presented) = epoch.filter(|presented| *presented > self.highest) {
            self.line.remove(member);
            let why = Refusal::FutureEpoch { presented, highest: self.highest };
            out.extend(refuse(member, conn, why));
            return self.settle(now, out);
        }
        let ttl = self.settings.ttl;
        let mut busy = false;
        let answer = match (epoch, self.held_by(member, boot)) {
            (Some(epoch), Some(held)) if held.epoch == epoch => {
                held.heard = now;
                held.expires = held.expires.map(|_| expiry(now, held.ttl));
                ToMember::Renewed { epoch: Some(epoch), stamp, ttl: held.ttl }
            }
            // It still does what it must not, or is about to end it. It is told every time, and is not chosen: to
            // be granted the next epoch it would first have to be done with this one.
            (Some(_), _) => {
                busy = true;
                let cause = self.last.as_ref().map_or(Cause::Joined, |last| last.cause);
                self.secondaire(cause)
            }
            (None, _) => ToMember::Renewed { epoch: None, stamp, ttl },
        };
        if let Some(known) = self.line.get_mut(member) {
            known.busy = busy;
        }
        self.send(member, answer, out);
        self.settle(now, out);
    }

    fn released(
        &mut self,
        now: Duration,
        member: &M,
        conn: Conn,
        epoch: Epoch,
        cause: Cause,
        out: &mut Vec<Action<M>>,
    ) {
        let Some(known) = self.line.on(member, conn) else { return };
        known.heard = now;
        known.busy = false;
        let boot = known.boot;
        // Whoever cannot or will not is not asked again and again.
        if matches!(cause, Cause::HookFailed | Cause::Declined | Cause::Left) && !known.nofailover {
            known.nofailover = true;
            // Whoever leaves is not barred, it goes.
            if cause != Cause::Left {
                out.push(Action::Tell(Fact::Barred { member: member.clone(), cause }));
            }
        }
        if let Some(held) = self.held_by(member, boot)
            && held.epoch == epoch
        {
            let cause =
                held.asked.filter(|_| !matches!(cause, Cause::HookFailed | Cause::Declined)).unwrap_or(cause);
            self.end(now, cause, out);
            self.send(member, self.secondaire(cause), out);
        }
        self.settle(now, out);
    }

    fn leave(&mut self, now: Duration, member: &M, conn: Conn, out: &mut Vec<Action<M>>) {
        let Some(boot) = self.line.on(member, conn).map(|known| known.boot) else { return };
        if self.held_by(member, boot).is_some() {
            self.end(now, Cause::Left, out);
        }
        self.line.remove(member);
        self.settle(now, out);
    }

    // === the term ===

    /// What time alone has ended.
    fn expire(&mut self, now: Duration, out: &mut Vec<Action<M>>) {
        self.line.forget(now);
        if let Term::Held(held) = &self.term
            && held.expires.is_some_and(|expires| expires <= now)
        {
            let (member, boot, cause) = (held.member.clone(), held.boot, held.decline);
            self.end(now, cause, out);
            // Should it be there after all, it is told what it should know already.
            if self.line.get(&member).is_some_and(|m| m.boot == boot && m.connected) {
                self.send(&member, self.secondaire(cause), out);
            }
        }
    }

    fn end(&mut self, now: Duration, cause: Cause, out: &mut Vec<Action<M>>) {
        let Term::Held(held) = std::mem::replace(&mut self.term, Term::Vacant) else { return };
        if cause == Cause::SteppedDown
            && let Some(member) = self.line.get_mut(&held.member)
        {
            member.yielded = true;
        }
        let was_announced = matches!(
            cause,
            Cause::Left | Cause::SteppedDown | Cause::HookFailed | Cause::Declined | Cause::Priority
        );
        let detection = match (was_announced, held.expires) {
            (true, _) => Some(Duration::ZERO),
            (false, Some(_)) => Some(now.saturating_sub(held.heard)),
            (false, None) => None,
        };
        let ended = Ended { epoch: held.epoch, member: held.member, cause, at: now, detection };
        out.push(Action::Tell(Fact::Ended(ended.clone())));
        self.last = Some(ended);
    }

    /// Whatever should be under way now, is after this.
    fn settle(&mut self, now: Duration, out: &mut Vec<Action<M>>) {
        if self.paused {
            return;
        }
        if let Term::Held(held) = &self.term
            && self.settings.preempt
            && held.asked.is_none()
            && let Some(holder) = self.line.get(&held.member)
            && let Some((_, first)) = self.line.first(now, &self.settings, Some(&held.member))
            && first.outranks(holder)
        {
            self.ask(now, Cause::Priority, out);
        }
        if matches!(self.term, Term::Vacant) {
            self.elect(now, out);
        }
    }

    /// Chooses the next principal, if there is one to choose, and begins its term on paper.
    fn elect(&mut self, now: Duration, out: &mut Vec<Action<M>>) {
        let named = self.named.take().and_then(|named| Some((named.clone(), self.line.get(&named)?)));
        let named = named.filter(|(_, member)| member.is_eligible(now, &self.settings));
        let first = || self.line.first(now, &self.settings, None).map(|(id, member)| (id.clone(), member));
        let Some((member, entry)) = named.or_else(first) else { return };
        let boot = entry.boot;
        // The last epoch there is can be granted to nobody; 2^64 failovers away.
        let Some(epoch) = self.highest.0.checked_add(1).map(Epoch) else { return };
        self.highest = epoch;
        let opening = Opening {
            epoch,
            member,
            boot,
            mode: self.settings.mode,
            ttl: self.settings.ttl,
            cause: self.last.as_ref().map_or(self.free, |last| last.cause),
            after: self.last.clone(),
        };
        out.push(Action::Persist(opening.clone()));
        self.term = Term::Recording(opening);
    }

    fn grant(&mut self, now: Duration, opening: Opening<M>, out: &mut Vec<Action<M>>) {
        let Some(member) = self.line.get_mut(&opening.member) else { return };
        if member.boot != opening.boot || !member.connected || member.nofailover {
            return;
        }
        member.yielded = false;
        let (renews, stamp) = (member.renews, member.stamp);
        let Opening { epoch, mode, ttl, cause, .. } = opening;
        let grant = Grant { epoch, mode, ttl, cause, stamp };
        self.term = Term::Held(Held {
            epoch,
            member: opening.member.clone(),
            boot: opening.boot,
            mode,
            ttl,
            since: now,
            cause,
            heard: now,
            expires: renews.then(|| expiry(now, ttl)),
            asked: None,
            decline: Cause::LeaseExpired,
        });
        self.send(&opening.member, ToMember::Granted(grant), out);
        let vacant = self.last.as_ref().map(|last| now.saturating_sub(last.at));
        out.push(Action::Tell(Fact::Granted { opening, vacant }));
    }

    /// Asks the holder to give the role back. One that does not renew cannot answer: it is told, and that is all.
    fn ask(&mut self, now: Duration, cause: Cause, out: &mut Vec<Action<M>>) {
        let Term::Held(held) = &mut self.term else { return };
        held.asked = Some(cause);
        let (member, epoch, answers) = (held.member.clone(), held.epoch, held.expires.is_some());
        out.push(Action::Tell(Fact::Asked { epoch, member: member.clone(), cause }));
        if answers {
            self.send(&member, ToMember::StepDown { epoch, cause }, out);
        } else {
            self.end(now, cause, out);
            self.send(&member, self.secondaire(cause), out);
        }
    }

    // === small change ===

    fn held_by(&mut self, member: &M, boot: BootId) -> Option<&mut Held<M>> {
        match &mut self.term {
            Term::Held(held) if held.member == *member && held.boot == boot => Some(held),
            _ => None,
        }
    }

    fn secondaire(&self, cause: Cause) -> ToMember {
        ToMember::Secondaire { cause, epoch: self.highest, ttl: self.settings.ttl }
    }

    fn send(&self, to: &M, message: ToMember, out: &mut Vec<Action<M>>) {
        if let Some(member) = self.line.get(to).filter(|member| member.connected) {
            out.push(Action::Send { to: to.clone(), conn: member.conn, message });
        }
    }
}

/// Tells a member, and the operator, that it is none.
pub(crate) fn refuse<M: Clone>(member: &M, conn: Conn, why: Refusal) -> [Action<M>; 2] {
    [
        Action::Send { to: member.clone(), conn, message: ToMember::Refused(why) },
        Action::Tell(Fact::Refused { member: member.clone(), why }),
    ]
}

#[cfg(test)]
mod tests;
