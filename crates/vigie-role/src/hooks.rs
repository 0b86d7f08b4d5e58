//! Hooks: the commands that make a role true on a machine. One runs at a time, and what was wanted meanwhile and is
//! no longer wanted is never run. [`HookQueue`] decides; a [`HookRunner`] runs.

use crate::words::{Cause, GroupName, Role};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use vigie_model::Epoch;

/// One hook to be run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HookCall {
    /// The role that begins.
    pub role: Role,
    /// The role before, if there was one.
    pub old: Option<Role>,
    /// The epoch of the role of principal that begins or ends, where it is known.
    pub epoch: Option<Epoch>,
    /// Why.
    pub cause: Cause,
}

impl HookCall {
    /// The variables that tell a hook what happens: `VIGIE_ROLE`, `VIGIE_OLD_ROLE` (empty the first time),
    /// `VIGIE_EPOCH` (empty if unknown), `VIGIE_GROUP` and `VIGIE_REASON`.
    pub fn environment(&self, group: &GroupName) -> [(&'static str, String); 5] {
        [
            ("VIGIE_ROLE", self.role.to_string()),
            ("VIGIE_OLD_ROLE", self.old.map(|old| old.to_string()).unwrap_or_default()),
            ("VIGIE_EPOCH", self.epoch.map(|epoch| epoch.to_string()).unwrap_or_default()),
            ("VIGIE_GROUP", group.to_string()),
            ("VIGIE_REASON", self.cause.to_string()),
        ]
    }
}

/// Why a hook did not do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// It could not be started.
    #[error("cannot start `{command}`: {why}")]
    Start {
        /// The command.
        command: String,
        /// What the system said.
        why: String,
    },
    /// It ended otherwise than with 0.
    #[error("`{command}` ended with {how}")]
    Status {
        /// The command.
        command: String,
        /// The exit code or signal, in words.
        how: String,
    },
    /// It ran for too long, and was killed with everything that it had started.
    #[error("`{command}` ran for more than {} ms and was killed", .limit.as_millis())]
    Timeout {
        /// The command.
        command: String,
        /// The limit.
        limit: Duration,
    },
    /// It was killed because the role that it was to make true was over.
    #[error("`{command}` was killed: the role was over before it had ended")]
    Cancelled {
        /// The command.
        command: String,
    },
}

/// Runs hooks. It owes an end to every call: within a time limit, and soon after `cancel`.
#[async_trait::async_trait]
pub trait HookRunner: Send + Sync + std::fmt::Debug {
    /// Runs the command for this role, if there is one, and waits until nothing of it runs any more.
    ///
    /// # Errors
    /// [`HookError`] when it did not end well.
    async fn run(&self, call: &HookCall, cancel: CancellationToken) -> Result<(), HookError>;
}

/// A runner that has nothing to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

#[async_trait::async_trait]
impl HookRunner for NoHooks {
    async fn run(&self, _: &HookCall, _: CancellationToken) -> Result<(), HookError> {
        Ok(())
    }
}

/// What a machine is to be, or was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aim {
    /// The role.
    pub role: Role,
    /// The epoch, for a principal that knows it.
    pub epoch: Option<Epoch>,
    /// Why.
    pub cause: Cause,
}

impl Aim {
    fn is_principal(&self) -> bool {
        self.role == Role::Principal
    }

    /// Whether nothing has to be done to get from one to the other.
    fn is_as(&self, other: &Aim) -> bool {
        self.role == other.role && (!self.is_principal() || self.epoch == other.epoch)
    }
}

/// What the end of a hook means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookEnd {
    /// Nothing more.
    Settled,
    /// The promotion to this failed: it must be undone.
    PromotionFailed(Aim),
    /// What was principal has finished its demotion.
    Demoted(Aim),
}

/// Decides which hook runs when. Between two promotions there is always a demotion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HookQueue {
    /// What the last hook that ended was for.
    applied: Option<Aim>,
    running: Option<Aim>,
    wanted: Option<Aim>,
}

impl HookQueue {
    /// Nothing ran yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on this is wanted, and nothing else.
    pub fn want(&mut self, aim: Aim) {
        self.wanted = Some(aim);
    }

    /// The principal's state that a hook has begun to make true and none has finished to undo.
    pub fn acting(&self) -> Option<Aim> {
        [self.running, self.applied].into_iter().flatten().find(Aim::is_principal)
    }

    /// Whether the hook that runs is one of a promotion.
    pub fn is_promoting(&self) -> bool {
        self.running.is_some_and(|aim| aim.is_principal())
    }

    /// Whether nothing runs and nothing has to.
    pub fn is_idle(&self) -> bool {
        self.running.is_none() && self.next().is_none()
    }

    /// Starts the next hook, if it is time for one.
    pub fn start(&mut self) -> Option<HookCall> {
        if self.running.is_some() {
            return None;
        }
        let aim = self.next()?;
        self.running = Some(aim);
        // A demotion is told the epoch that ends with it.
        let epoch = aim.epoch.or_else(|| self.applied.and_then(|applied| applied.epoch));
        Some(HookCall {
            role: aim.role,
            old: self.applied.map(|applied| applied.role),
            epoch,
            cause: aim.cause,
        })
    }

    /// What should be run after what is applied.
    fn next(&self) -> Option<Aim> {
        let wanted = self.wanted?;
        match self.applied {
            Some(applied) if applied.is_as(&wanted) => None,
            Some(applied) if applied.is_principal() && wanted.is_principal() => {
                Some(Aim { role: Role::Secondaire, epoch: None, cause: wanted.cause })
            }
            _ => Some(wanted),
        }
    }

    /// The running hook has ended. One that failed has been applied, too: nobody knows how much of it.
    pub fn ended(&mut self, ok: bool) -> HookEnd {
        let Some(ran) = self.running.take() else { return HookEnd::Settled };
        let before = self.applied.replace(ran);
        match before {
            _ if ran.is_principal() && !ok => HookEnd::PromotionFailed(ran),
            Some(before) if before.is_principal() && !ran.is_principal() => HookEnd::Demoted(before),
            _ => HookEnd::Settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(epoch: u64) -> Aim {
        Aim { role: Role::Principal, epoch: Some(Epoch(epoch)), cause: Cause::First }
    }

    fn secondaire() -> Aim {
        Aim { role: Role::Secondaire, epoch: None, cause: Cause::Joined }
    }

    fn roles(queue: &mut HookQueue) -> Vec<(Role, Option<u64>)> {
        let mut ran = Vec::new();
        while let Some(call) = queue.start() {
            ran.push((call.role, call.epoch.map(|e| e.0)));
            queue.ended(true);
        }
        ran
    }

    #[test]
    fn one_hook_at_a_time_and_only_the_last_wish_counts() {
        let mut queue = HookQueue::new();
        queue.want(secondaire());
        let first = queue.start().unwrap();
        assert_eq!((first.role, first.old), (Role::Secondaire, None));
        queue.want(principal(1));
        queue.want(secondaire());
        queue.want(principal(2));
        assert_eq!(queue.start(), None);
        assert_eq!(queue.ended(true), HookEnd::Settled);
        assert_eq!(roles(&mut queue), [(Role::Principal, Some(2))]);
        assert!(queue.is_idle());
    }

    #[test]
    fn two_promotions_have_a_demotion_between_them() {
        let mut queue = HookQueue::new();
        queue.want(principal(1));
        assert!(queue.start().is_some() && queue.is_promoting());
        queue.want(secondaire());
        queue.want(principal(2));
        assert_eq!(queue.acting(), Some(principal(1)));
        queue.ended(true);
        let demotion = queue.start().unwrap();
        assert_eq!((demotion.role, demotion.old), (Role::Secondaire, Some(Role::Principal)));
        assert_eq!(demotion.epoch, Some(Epoch(1)));
        assert_eq!(queue.acting(), Some(principal(1)));
        assert_eq!(queue.ended(false), HookEnd::Demoted(principal(1)));
        assert_eq!(queue.acting(), None);
        assert_eq!(roles(&mut queue), [(Role::Principal, Some(2))]);
    }

    #[test]
    fn a_promotion_that_failed_is_undone() {
        let mut queue = HookQueue::new();
        queue.want(principal(3));
        queue.start();
        assert_eq!(queue.ended(false), HookEnd::PromotionFailed(principal(3)));
        queue.want(Aim { cause: Cause::HookFailed, ..secondaire() });
        let undo = queue.start().unwrap();
        assert_eq!(
            (undo.role, undo.cause, undo.epoch),
            (Role::Secondaire, Cause::HookFailed, Some(Epoch(3)))
        );
        assert_eq!(queue.ended(true), HookEnd::Demoted(principal(3)));
    }

    #[test]
    fn hooks_are_told_what_happens() {
        let call = HookCall {
            role: Role::Principal,
            old: Some(Role::Secondaire),
            epoch: Some(Epoch(7)),
            cause: Cause::LeaseExpired,
        };
        let environment = call.environment(&GroupName::default_group());
        let text: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            text.join(" "),
            "VIGIE_ROLE=principal VIGIE_OLD_ROLE=secondaire VIGIE_EPOCH=7 VIGIE_GROUP=default \
             VIGIE_REASON=lease-expired"
        );
    }
}
