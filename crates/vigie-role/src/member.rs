//! A member's side: it renews, it stops in time, it runs its hooks in order. A plain state machine: what happened
//! goes in with the time, what is to be done comes out.

use crate::hooks::{Aim, HookCall, HookEnd, HookQueue};
use crate::lease::{deadline, renewal_interval};
use crate::limits::TTL_DEFAULT;
use crate::message::{FromMember, Grant, Join, Refusal, ToMember};
use crate::words::{BootId, Cause, Mode, Role, Stamp};
use std::time::Duration;
use vigie_model::Epoch;

/// What a member wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MemberAction {
    /// Tell the authority, on the present connection.
    Send(FromMember),
    /// Run this hook, and say [`Member::hook_ended`] when it has ended; at once where there is none.
    Run(HookCall),
    /// Kill the hook that runs: the role that it makes true is over.
    CancelHook,
    /// The authority does not want this member.
    Refused(Refusal),
    /// It has given back whatever it had, and said so: the connection may end.
    Left,
}

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wish {
    /// This life of its process.
    pub boot: BootId,
    /// Higher comes first.
    pub priority: i32,
    /// It is never to be principal.
    pub nofailover: bool,
}

/// A member of one group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    wish: Wish,
    /// A hook of promotion failed, and nobody has cleared that.
    barred: bool,
    connected: bool,
    leaving: bool,
    /// The authority has refused it for a reason that may pass.
    is_refused: bool,
    ttl: Duration,
    lease: Option<Lease>,
    /// A grant that came too late to be good for anything without one more renewal.
    offered: Option<Grant>,
    /// No grant up to this epoch is ever taken again: each was given back.
    released: Epoch,
    /// When to renew next.
    renew_at: Duration,
    hooks: HookQueue,
    /// Why the last lease was lost, for the word to the authority.
    lost: Cause,
}

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Its epoch.
    pub epoch: Epoch,
    mode: Mode,
    ttl: Duration,
    /// When the last message was sent that was acknowledged.
    acknowledged: Stamp,
    /// Why it is being given back, if it is.
    ending: Option<Cause>,
}

impl Lease {
    /// When it is over, by the member's clock, unless it is renewed.
    pub fn deadline(&self) -> Duration {
        deadline(self.acknowledged, self.ttl)
    }
}

impl Member {
    /// A member that has not been connected yet.
    pub fn new(wish: Wish) -> Self {
        Member {
            wish,
            barred: false,
            connected: false,
            leaving: false,
            is_refused: false,
            ttl: TTL_DEFAULT,
            lease: None,
            offered: None,
            released: Epoch(0),
            renew_at: Duration::ZERO,
            hooks: HookQueue::new(),
            lost: Cause::LeaseExpired,
        }
    }

    /// What it holds. Whoever acts in its name asks this, with the time, before every act.
    pub fn lease(&self, now: Duration) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| now < lease.deadline())
    }

    /// Whether it holds a lease whose time is over, of which it has not been told yet.
    pub fn is_overdue(&self, now: Duration) -> bool {
        self.lease.is_some_and(|lease| now >= lease.deadline())
    }

    /// Whether it is principal in deed: its hook of promotion has ended well, and nobody has asked for the role back.
    pub fn is_settled(&self, now: Duration) -> bool {
        let lease = self.lease(now).filter(|lease| lease.ending.is_none());
        lease.is_some_and(|lease| self.acting() == Some(lease.epoch)) && self.hooks.is_idle()
    }

    /// The epoch in which a hook has begun to act, and none has finished to undo it.
    pub fn acting(&self) -> Option<Epoch> {
        self.hooks.acting().and_then(|aim| aim.epoch)
    }

    /// Whether it will not be principal, by its own wish or because its hook failed.
    pub fn is_barred(&self) -> bool {
        self.wish.nofailover || self.barred
    }

    /// When [`Self::tick`] has something to do.
    pub fn next_wake(&self) -> Option<Duration> {
        let renewal = self.connected.then_some(self.renew_at);
        [self.lease.map(|lease| lease.deadline()), renewal].into_iter().flatten().min()
    }

    /// A connection to the authority stands.
    pub fn connected(&mut self, now: Duration) -> Vec<MemberAction> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        self.connected = true;
        self.offered = None;
        self.join(now, &mut out);
        self.settle(&mut out);
        out
    }

    /// The connection broke.
    pub fn disconnected(&mut self, now: Duration) -> Vec<MemberAction> {
        let mut out = Vec::new();
        self.connected = false;
        self.offered = None;
        self.expire(now, &mut out);
        if self.lease.is_some_and(|lease| lease.mode == Mode::Fast) {
            self.lose(Cause::ConnectionLost, &mut out);
        }
        self.settle(&mut out);
        out
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<MemberAction> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        if self.connected && now >= self.renew_at {
            self.renew(now, &mut out);
        }
        self.settle(&mut out);
        out
    }

    /// The authority said something.
    pub fn heard(&mut self, now: Duration, said: ToMember) -> Vec<MemberAction> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        match said {
            ToMember::Granted(grant) => self.granted(now, grant, &mut out),
            ToMember::Renewed { epoch, stamp, ttl } => self.renewed(now, epoch, stamp, ttl, &mut out),
            ToMember::Secondaire { cause, ttl, .. } => {
                self.ttl = ttl;
                self.offered = None;
                self.lose(cause, &mut out);
                self.want_secondaire(cause);
            }
            ToMember::StepDown { epoch, cause } => self.step_down(epoch, cause, &mut out),
            ToMember::Cleared => self.cleared(now, &mut out),
            ToMember::Refused(why) => {
                self.is_refused = matches!(why, Refusal::Taken | Refusal::Full);
                self.lose(Cause::SteppedDown, &mut out);
                self.want_secondaire(Cause::SteppedDown);
                out.push(MemberAction::Refused(why));
            }
        }
        self.settle(&mut out);
        out
    }

    /// The hook that ran has ended, well or not.
    pub fn hook_ended(&mut self, now: Duration, ok: bool) -> Vec<MemberAction> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        match self.hooks.ended(ok) {
            HookEnd::Settled => {}
            HookEnd::Demoted(aim) => self.give_back(aim.epoch, &mut out),
            HookEnd::PromotionFailed(_) => {
                // A hook that was killed because the lease was over says nothing about the next time.
                if let Some(lease) = self.lease.as_mut().filter(|lease| lease.ending.is_none()) {
                    lease.ending = Some(Cause::HookFailed);
                    self.barred = true;
                    self.lost = Cause::HookFailed;
                }
                self.want_secondaire(self.lost);
            }
        }
        self.settle(&mut out);
        out
    }

    /// It is to end: it gives back what it has, says so, and then [`MemberAction::Left`] comes.
    pub fn leave(&mut self, now: Duration) -> Vec<MemberAction> {
        let mut out = Vec::new();
        self.expire(now, &mut out);
        self.leaving = true;
        if let Some(lease) = &mut self.lease {
            lease.ending = Some(Cause::Left);
        }
        self.lost = Cause::Left;
        self.want_secondaire(Cause::Left);
        self.settle(&mut out);
        out
    }

    // === what the authority says ===

    /// Its hook may try again, and the authority is told that it will: it may have this member down as unwilling for
    /// something that came after the failure.
    fn cleared(&mut self, now: Duration, out: &mut Vec<MemberAction>) {
        self.barred = false;
        if self.connected && self.unwilling().is_none() {
            self.join(now, out);
        }
    }

    fn granted(&mut self, now: Duration, grant: Grant, out: &mut Vec<MemberAction>) {
        self.ttl = grant.ttl;
        if grant.epoch <= self.released {
            return;
        }
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.epoch == grant.epoch) {
            lease.acknowledged = lease.acknowledged.max(grant.stamp);
            return;
        }
        // The demotion of the very same epoch has begun: there is no way back.
        if self.acting() == Some(grant.epoch) {
            return;
        }
        if let Some(cause) = self.unwilling() {
            return self.refuse(grant.epoch, cause, out);
        }
        if now >= deadline(grant.stamp, grant.ttl) {
            self.offered = Some(grant);
            return self.renew(now, out);
        }
        self.take(grant);
        // What the lease counts from is as old as the last renewal: have a fresh one.
        self.renew(now, out);
    }

    fn take(&mut self, grant: Grant) {
        let Grant { epoch, mode, ttl, cause, stamp } = grant;
        self.offered = None;
        self.lost = Cause::LeaseExpired;
        self.lease = Some(Lease { epoch, mode, ttl, acknowledged: stamp, ending: None });
        self.hooks.want(Aim { role: Role::Principal, epoch: Some(epoch), cause });
    }

    fn renewed(
        &mut self,
        now: Duration,
        epoch: Option<Epoch>,
        stamp: Stamp,
        ttl: Duration,
        out: &mut Vec<MemberAction>,
    ) {
        self.ttl = ttl;
        let Some(epoch) = epoch else { return };
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.epoch == epoch) {
            lease.acknowledged = lease.acknowledged.max(stamp);
            return;
        }
        let Some(offered) = self.offered.filter(|offered| offered.epoch == epoch) else { return };
        if let Some(cause) = self.unwilling() {
            self.refuse(epoch, cause, out);
        } else if now < deadline(stamp, offered.ttl) && epoch > self.released {
            self.take(Grant { stamp, ..offered });
        }
    }

    fn step_down(&mut self, epoch: Epoch, cause: Cause, out: &mut Vec<MemberAction>) {
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.epoch == epoch) {
            lease.ending.get_or_insert(cause);
            self.lost = cause;
            self.want_secondaire(cause);
        } else if self.acting() != Some(epoch) {
            self.refuse(epoch, cause, out);
        }
        // Otherwise its demotion is under way, and is told when it has ended.
    }

    // === the lease ===

    /// The epoch that the authority must still count with.
    fn holding(&self) -> Option<Epoch> {
        self.lease.map(|lease| lease.epoch).or(self.acting())
    }

    fn join(&mut self, now: Duration, out: &mut Vec<MemberAction>) {
        self.is_refused = false;
        self.renew_at = now + renewal_interval(self.ttl);
        out.push(MemberAction::Send(FromMember::Join(Join {
            boot: self.wish.boot,
            priority: self.wish.priority,
            nofailover: self.unwilling().is_some(),
            renews: true,
            holding: self.holding(),
            stamp: Stamp(now),
        })));
    }

    fn renew(&mut self, now: Duration, out: &mut Vec<MemberAction>) {
        // Another one may have gone, or a place have become free.
        if self.is_refused {
            return self.join(now, out);
        }
        self.renew_at = now + renewal_interval(self.ttl);
        let epoch = self.holding().or(self.offered.map(|offered| offered.epoch));
        out.push(MemberAction::Send(FromMember::Renew { epoch, stamp: Stamp(now) }));
    }

    fn expire(&mut self, now: Duration, out: &mut Vec<MemberAction>) {
        if self.lease.is_some_and(|lease| now >= lease.deadline()) {
            self.lose(Cause::LeaseExpired, out);
        }
    }

    /// The lease is over, here and now: what it allowed must stop.
    fn lose(&mut self, cause: Cause, out: &mut Vec<MemberAction>) {
        let Some(lease) = self.lease.take() else { return };
        self.lost = lease.ending.unwrap_or(cause);
        if self.hooks.is_promoting() {
            out.push(MemberAction::CancelHook);
        }
        self.want_secondaire(self.lost);
        if self.acting() != Some(lease.epoch) {
            self.give_back(Some(lease.epoch), out);
        }
    }

    /// Nothing acts in this epoch any more, and nothing will.
    fn give_back(&mut self, epoch: Option<Epoch>, out: &mut Vec<MemberAction>) {
        let Some(epoch) = epoch else { return };
        self.released = self.released.max(epoch);
        if self.lease.is_some_and(|lease| lease.epoch == epoch) {
            self.lease = None;
        }
        if self.connected {
            out.push(MemberAction::Send(FromMember::Released { epoch, cause: self.lost }));
        }
    }

    /// Why it does not take a role, if it does not.
    fn unwilling(&self) -> Option<Cause> {
        match (self.leaving, self.barred, self.wish.nofailover) {
            (true, ..) => Some(Cause::Left),
            (_, true, _) => Some(Cause::HookFailed),
            (.., true) => Some(Cause::Declined),
            _ => None,
        }
    }

    /// A grant is not taken.
    fn refuse(&mut self, epoch: Epoch, cause: Cause, out: &mut Vec<MemberAction>) {
        self.offered = None;
        self.lost = cause;
        self.give_back(Some(epoch), out);
    }

    // === hooks ===

    fn want_secondaire(&mut self, cause: Cause) {
        self.hooks.want(Aim { role: Role::Secondaire, epoch: None, cause });
    }

    /// Starts what can start, and gives back what will never be started.
    fn settle(&mut self, out: &mut Vec<MemberAction>) {
        if let Some(lease) = self.lease
            && lease.ending.is_some()
            && self.acting() != Some(lease.epoch)
        {
            self.lost = lease.ending.unwrap_or(self.lost);
            self.give_back(Some(lease.epoch), out);
        }
        if let Some(call) = self.hooks.start() {
            out.push(MemberAction::Run(call));
        }
        if self.leaving && self.hooks.is_idle() && self.holding().is_none() {
            if self.connected {
                out.push(MemberAction::Send(FromMember::Leave));
            }
            self.connected = false;
            self.leaving = false;
            out.push(MemberAction::Left);
        }
    }
}

#[cfg(test)]
mod tests;
