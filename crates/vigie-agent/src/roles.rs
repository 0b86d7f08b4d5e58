//! This machine as a member of groups: one keeper for each, in a task of its own, which renews, stops in time and has
//! hooks run, whatever else the agent is doing. What it says travels with the session of the moment; what the hub says
//! comes from there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use vigie_model::status::RoleStatus;
use vigie_model::{Clock, Epoch};
use vigie_role::clock::{Alarm, BootClock};
use vigie_role::message::Refusal;
use vigie_role::notice::{self, BadNotice, NOTICE};
use vigie_role::{
    BootId, FromMember, GroupName, HookCall, HookError, HookRunner, Member, MemberAction, ToMember, Wish,
};
use vigie_wire::Caller;

/// Events that may wait for a keeper. The hub says little, and a session waits while one has so much to do.
const EVENTS_MAX: usize = 64;

/// What a machine is in a group for, and what happens when its role changes.
#[derive(Clone, Debug)]
pub struct RoleConfig {
    /// The group.
    pub group: GroupName,
    /// Higher comes first; equal ones in the order of joining.
    pub priority: i32,
    /// It wants to know who is principal and never be it.
    pub nofailover: bool,
    /// Runs what makes a role true.
    pub hooks: Arc<dyn HookRunner>,
}

/// The time in which leases are measured, and what wakes up by it.
pub type Leases = (Arc<dyn Clock>, Box<dyn Fn() -> std::io::Result<Alarm> + Send>);

/// The leases of this machine: on the clock that goes on while it sleeps.
pub fn boot_leases() -> Leases {
    (Arc::new(BootClock::default()), Box::new(Alarm::boot))
}

/// The role of this machine in a group, for whoever acts in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleNow {
    /// The epoch in which it is principal, with the moment, on the clock of leases, at which that is over unless it is
    /// renewed; none while it is anything else.
    pub principal: Option<(Epoch, Duration)>,
    /// It is principal, its hook of promotion has ended well, and nobody has asked for the role back: it is what others
    /// may be sent to.
    pub is_settled: bool,
    /// The hub has said on the connection that stands what this machine is. What is neither principal nor told is
    /// unknown: somebody else may long be principal.
    pub is_told: bool,
    /// It is never to be principal: by its own wish, or because its hook failed.
    pub is_barred: bool,
    /// Why the hub does not want it, if it does not.
    pub refused: Option<String>,
}

impl RoleNow {
    /// What is left of it at a moment on the clock of leases.
    fn at(mut self, now: Duration) -> Self {
        if self.principal.is_some_and(|(_, over)| now >= over) {
            // Whoever finds out first: the keeper will say the same.
            self = RoleNow { principal: None, is_settled: false, is_told: false, ..self };
        }
        self
    }

    /// The word for people: `principal`, `secondaire` or `unknown`.
    pub fn as_str(&self) -> &'static str {
        match (self.principal, self.is_told) {
            (Some(_), _) => "principal",
            (None, true) => "secondaire",
            (None, false) => "unknown",
        }
    }
}

/// What this machine is in each of its groups.
pub type RolesNow = BTreeMap<GroupName, RoleNow>;

/// All groups of this machine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Roles {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    keepers: BTreeMap<GroupName, mpsc::Sender<Event>>,
    now: watch::Sender<RolesNow>,
    /// The keepers end with the agent.
    tasks: Mutex<Vec<AbortOnDropHandle<()>>>,
}

enum Event {
    Connected(Caller),
    Disconnected,
    Heard(ToMember),
    HookEnded(Result<(), HookError>),
    Leave(oneshot::Sender<()>),
}

impl Roles {
    /// Starts a keeper for each group. They do nothing until a session stands.
    pub(crate) fn start(configs: Vec<RoleConfig>, leases: Leases) -> std::io::Result<Self> {
        let (clock, alarm) = leases;
        let mut keepers = BTreeMap::new();
        let mut starting = Vec::new();
        for config in configs {
            let (events, incoming) = mpsc::channel(EVENTS_MAX);
            keepers.insert(config.group.clone(), events.clone());
            starting.push((config, events.downgrade(), incoming, alarm()?));
        }
        let inner = Inner { clock, keepers, now: watch::Sender::default(), tasks: Mutex::default() };
        let roles = Roles { inner: Arc::new(inner) };
        for (config, events, incoming, alarm) in starting {
            let wish = Wish {
                boot: BootId(crate::link::random_u64()),
                priority: config.priority,
                nofailover: config.nofailover,
            };
            let keeper = Keeper {
                inner: Arc::downgrade(&roles.inner),
                clock: Arc::clone(&roles.inner.clock),
                member: Member::new(wish),
                caller: None,
                hook: CancellationToken::new(),
                hooks: TaskTracker::new(),
                refused: None,
                is_told: false,
                left: None,
                config,
                events,
            };
            keeper.note();
            let task = AbortOnDropHandle::new(tokio::spawn(keeper.run(incoming, alarm)));
            roles.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        }
        Ok(roles)
    }

    /// A session stands.
    pub(crate) async fn connected(&self, caller: &Caller) {
        for keeper in self.inner.keepers.values() {
            let _ended = keeper.send(Event::Connected(caller.clone())).await;
        }
    }

    /// The session is over.
    pub(crate) async fn disconnected(&self) {
        for keeper in self.inner.keepers.values() {
            let _ended = keeper.send(Event::Disconnected).await;
        }
    }

    /// The hub said something about a role.
    ///
    /// # Errors
    /// [`BadNotice`] for bytes that say nothing.
    pub(crate) fn heard(&self, body: &[u8]) -> Result<(), BadNotice> {
        let (group, said) = notice::decode_to_member(body)?;
        if let Some(keeper) = self.inner.keepers.get(&group) {
            // One that is dropped here is made up for by the next renewal.
            let _full = keeper.try_send(Event::Heard(said));
        }
        Ok(())
    }

    /// Gives back whatever is held, hooks included, and tells the hub.
    pub(crate) async fn leave(&self) {
        let mut leaving = Vec::new();
        for keeper in self.inner.keepers.values() {
            let (left, has_left) = oneshot::channel();
            if keeper.send(Event::Leave(left)).await.is_ok() {
                leaving.push(has_left);
            }
        }
        for has_left in leaving {
            let _ended = has_left.await;
        }
    }

    /// The role in a group; none where this machine is no member.
    pub(crate) fn role(&self, group: &GroupName) -> Option<RoleNow> {
        let role = self.inner.now.borrow().get(group).cloned()?;
        Some(role.at(self.inner.clock.monotonic()))
    }

    /// The roles, and every change: a renewal, too, moves the end of a lease. Whoever acts on one asks the time.
    pub(crate) fn watch(&self) -> watch::Receiver<RolesNow> {
        self.inner.now.subscribe()
    }

    /// The clock on which leases are measured.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// Every role, for people.
    pub(crate) fn status(&self) -> Vec<RoleStatus> {
        let now = self.inner.clock.monotonic();
        let role = |(group, role): (&GroupName, &RoleNow)| {
            let role = role.clone().at(now);
            let left = role.principal.map(|(_, over)| over.saturating_sub(now));
            RoleStatus {
                group: group.to_string(),
                role: role.as_str().into(),
                epoch: role.principal.map(|(epoch, _)| epoch.0),
                lease_left_ms: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
                barred: role.is_barred,
                why: role.refused,
            }
        };
        self.inner.now.borrow().iter().map(role).collect()
    }
}

struct Keeper {
    inner: std::sync::Weak<Inner>,
    clock: Arc<dyn Clock>,
    config: RoleConfig,
    member: Member,
    caller: Option<Caller>,
    events: mpsc::WeakSender<Event>,
    /// Cancels the hook that runs.
    hook: CancellationToken,
    hooks: TaskTracker,
    refused: Option<Refusal>,
    is_told: bool,
    left: Option<oneshot::Sender<()>>,
}

impl Keeper {
    async fn run(mut self, mut events: mpsc::Receiver<Event>, mut alarm: Alarm) {
        loop {
            let wake = self.member.next_wake();
            let actions = tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
                () = alarm.wait_until(wake) => self.tick(),
            };
            // Before it is acted upon: whoever reads the trace of a lease must miss nothing that was done in it.
            self.note();
            self.act(actions);
            self.note();
        }
        self.hook.cancel();
        self.hooks.close();
        self.hooks.wait().await;
    }

    fn take(&mut self, event: Event) -> Vec<MemberAction> {
        let now = self.clock.monotonic();
        match event {
            Event::Connected(caller) => {
                self.caller = Some(caller);
                (self.refused, self.is_told) = (None, false);
                self.member.connected(now)
            }
            Event::Disconnected => {
                (self.caller, self.is_told) = (None, false);
                self.member.disconnected(now)
            }
            Event::Heard(said) => {
                self.is_told = !matches!(said, ToMember::Refused(_));
                self.member.heard(now, said)
            }
            Event::HookEnded(ended) => {
                if let Err(why) = &ended {
                    tracing::warn!(group = %self.config.group, "a hook failed: {why}");
                }
                self.member.hook_ended(now, ended.is_ok())
            }
            Event::Leave(left) => {
                self.left = Some(left);
                self.member.leave(now)
            }
        }
    }

    /// Time has passed. A lease that ran out leaves a machine that does not know what it is: the hub has been silent.
    fn tick(&mut self) -> Vec<MemberAction> {
        let now = self.clock.monotonic();
        self.is_told &= !self.member.is_overdue(now);
        self.member.tick(now)
    }

    fn act(&mut self, actions: Vec<MemberAction>) {
        for action in actions {
            match action {
                MemberAction::Send(message) => self.send(&message),
                MemberAction::Run(call) => self.start_hook(call),
                MemberAction::CancelHook => self.hook.cancel(),
                MemberAction::Refused(why) => {
                    tracing::error!(group = %self.config.group, "the hub does not take this machine as a member: {why}");
                    self.refused = Some(why);
                    self.note();
                }
                MemberAction::Left => {
                    if let Some(left) = self.left.take() {
                        let _gone = left.send(());
                    }
                }
            }
        }
    }

    /// What does not fit is not waited for: the member says it again with its next renewal.
    fn send(&self, message: &FromMember) {
        let Some(caller) = &self.caller else { return };
        let body = notice::encode_from_member(&self.config.group, message).into();
        if let Err(why) = caller.notify(NOTICE, body) {
            tracing::debug!(group = %self.config.group, "not said: {}", why.message);
        }
    }

    fn start_hook(&mut self, call: HookCall) {
        let HookCall { role, epoch, cause, .. } = &call;
        let epoch = epoch.map(|epoch| epoch.0);
        tracing::info!(group = %self.config.group, %role, epoch, %cause, "role");
        self.hook = CancellationToken::new();
        let (hooks, cancel, events) =
            (Arc::clone(&self.config.hooks), self.hook.clone(), self.events.clone());
        self.hooks.spawn(async move {
            let ended = hooks.run(&call, cancel).await;
            if let Some(events) = events.upgrade() {
                let _ending = events.send(Event::HookEnded(ended)).await;
            }
        });
    }

    /// Notes the role for whoever asks, and for whoever waits for another one.
    fn note(&self) {
        let Some(inner) = self.inner.upgrade() else { return };
        let now = self.clock.monotonic();
        let principal = self.member.lease(now).map(|lease| (lease.epoch, lease.deadline()));
        let role = RoleNow {
            principal,
            is_settled: self.member.is_settled(now),
            is_told: self.is_told,
            is_barred: self.member.is_barred(),
            refused: self.refused.map(|why| why.to_string()),
        };
        let mut before = None;
        inner.now.send_if_modified(|roles| {
            let is_news = roles.get(&self.config.group) != Some(&role);
            before = roles.insert(self.config.group.clone(), role);
            is_news
        });
        if let Some((epoch, over)) = principal.filter(|_| before.is_none_or(|b| b.principal != principal)) {
            let (group, epoch) = (&self.config.group, epoch.0);
            tracing::trace!(%group, epoch, at_ns = nanos(now), until_ns = nanos(over), "lease");
        }
    }
}

/// For the trace: half a millennium fits.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
