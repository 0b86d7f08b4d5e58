//! Who is principal: the authority of all groups, in a task of its own. It waits for nothing: what is to become
//! durable goes to the `scribe`, and what members are told is handed to their sessions.
//!
//! `records` what is journaled · `scribe` who journals it · `status` what people are shown · this file the task.
//!
//! ```text
//! intake ── what a member says ──┐             ┌── notices ──▶ sessions
//! session ── joined, lost ───────┼──▶ task ────┤
//! API ── step down, pause, set ──┘     ▲       └── facts ──▶ scribe ──▶ journal
//!                                      └──────── durable ───────┘
//! ```

mod records;
mod scribe;
mod status;

use crate::hub::Hub;
use crate::session::Outgoing;
use scribe::Scribe;
use status::Now;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use vigie_model::status::GroupStatus;
use vigie_model::{Clock, Epoch, MachineId};
use vigie_role::authority::{Authority, TooManyGroups};
use vigie_role::clock::Alarm;
use vigie_role::group::{Action, CannotStepDown, Fact};
use vigie_role::message::ToMember;
use vigie_role::words::BadTtl;
use vigie_role::{Conn, FromMember, GroupName, Mode, Settings, notice};
use vigie_store::{Store, StoreError};
use vigie_wire::Frame;
use vigie_wire::frame::Notice;

/// Orders that may wait for the task. Beyond it sessions wait, each behind its own members' words.
const ORDERS_MAX: usize = 1024;

/// What an operator asked for cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// There is no group of this name.
    #[error("there is no group {0}")]
    NoSuchGroup(GroupName),
    /// There is no machine of this name.
    #[error("there is no machine {0}")]
    NoSuchMachine(String),
    /// The principal cannot step down.
    #[error(transparent)]
    StepDown(#[from] CannotStepDown<MachineId>),
    /// Such a lease cannot be.
    #[error(transparent)]
    Ttl(#[from] BadTtl),
    /// One more group than there may be.
    #[error(transparent)]
    TooMany(#[from] TooManyGroups),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hub is ending.
    #[error("the hub stops")]
    Stopping,
}

/// What an operator wants to be otherwise. What is none stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// How much a promotion waits for.
    pub mode: Option<Mode>,
    /// How long a lease is good for without renewal.
    pub ttl: Option<Duration>,
    /// Whether a higher priority takes the role from a lower one.
    pub preempt: Option<bool>,
    /// Whether nobody is promoted.
    pub paused: Option<bool>,
}

type Reply<T> = oneshot::Sender<Result<T, RoleError>>;

enum Order {
    /// A session stands.
    Connected {
        machine: MachineId,
        conn: Conn,
        out: Outgoing,
    },
    /// A member said something.
    Said {
        machine: MachineId,
        conn: Conn,
        group: GroupName,
        said: FromMember,
        at: Duration,
    },
    /// A session is over.
    Lost {
        machine: MachineId,
        conn: Conn,
        at: Duration,
    },
    /// An opening is durable.
    Persisted {
        group: GroupName,
        epoch: Epoch,
    },
    StepDown {
        group: GroupName,
        to: Option<MachineId>,
        reply: Reply<()>,
    },
    Change {
        group: GroupName,
        change: Change,
        reply: Reply<()>,
    },
    Show {
        group: Option<GroupName>,
        names: HashMap<MachineId, String>,
        reply: Reply<Vec<GroupStatus>>,
    },
}

/// The way to the task. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    orders: mpsc::Sender<Order>,
    clock: Arc<dyn Clock>,
    conns: Arc<AtomicU64>,
}

/// A session, as the authority knows it. Dropping it says that the connection is lost.
#[derive(Debug)]
pub(crate) struct Seat {
    roles: Roles,
    machine: MachineId,
    conn: Conn,
}

impl Roles {
    /// Begins with what is recorded. The task ends with `stop`.
    pub(crate) fn start(
        hub_store: &Store,
        clock: Arc<dyn Clock>,
        alarm: Alarm,
        stop: CancellationToken,
    ) -> Result<(Self, RolesTask), StoreError> {
        let (orders, incoming) = mpsc::channel(ORDERS_MAX);
        let mut authority = Authority::new();
        let now = clock.monotonic();
        for group in hub_store.groups()? {
            records::restore(&mut authority, now, group);
        }
        let roles = Roles { orders, clock: Arc::clone(&clock), conns: Arc::default() };
        let task = RolesTask { authority, clock, alarm, orders: incoming, seats: HashMap::new(), stop };
        Ok((roles, task))
    }

    /// A session of a machine stands.
    pub(crate) async fn connected(&self, machine: MachineId, out: Outgoing) -> Seat {
        let conn = Conn(self.conns.fetch_add(1, Ordering::Relaxed));
        let _stopping = self.orders.send(Order::Connected { machine, conn, out }).await;
        Seat { roles: self.clone(), machine, conn }
    }

    /// Asks the principal of a group to give the role back.
    pub(crate) async fn step_down(&self, group: GroupName, to: Option<MachineId>) -> Result<(), RoleError> {
        self.ask(|reply| Order::StepDown { group, to, reply }).await
    }

    /// Changes what is set for a group, durably.
    pub(crate) async fn change(&self, group: GroupName, change: Change) -> Result<(), RoleError> {
        self.ask(|reply| Order::Change { group, change, reply }).await
    }

    /// One group, or all, with what machines are called.
    pub(crate) async fn show(
        &self,
        group: Option<GroupName>,
        names: HashMap<MachineId, String>,
    ) -> Result<Vec<GroupStatus>, RoleError> {
        self.ask(|reply| Order::Show { group, names, reply }).await
    }

    async fn ask<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, RoleError> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| RoleError::Stopping)?;
        answer.await.map_err(|_| RoleError::Stopping)?
    }
}

impl Seat {
    /// Something about roles arrived on this session.
    ///
    /// # Errors
    /// In words, why these bytes are no such message.
    pub(crate) async fn heard(&self, body: &[u8]) -> Result<(), notice::BadNotice> {
        let at = self.roles.clock.monotonic();
        let (group, said) = notice::decode_from_member(body)?;
        let Seat { machine, conn, .. } = *self;
        let _stopping = self.roles.orders.send(Order::Said { machine, conn, group, said, at }).await;
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Seat { machine, conn, .. } = *self;
        let lost = Order::Lost { machine, conn, at: self.roles.clock.monotonic() };
        let Err(full) = self.roles.orders.try_send(lost) else { return };
        // Nobody can wait here; the news may come a little later.
        let orders = self.roles.orders.clone();
        if let (mpsc::error::TrySendError::Full(lost), Ok(runtime)) =
            (full, tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                let _stopping = orders.send(lost).await;
            });
        }
    }
}

/// The task, before it runs.
pub(crate) struct RolesTask {
    authority: Authority<MachineId>,
    clock: Arc<dyn Clock>,
    alarm: Alarm,
    orders: mpsc::Receiver<Order>,
    seats: HashMap<(MachineId, Conn), Outgoing>,
    stop: CancellationToken,
}

impl RolesTask {
    /// Runs until the hub stops.
    pub(crate) async fn run(self, hub: Hub, roles: Roles) {
        let stop = self.stop.clone();
        let scribe = Scribe::start(&hub, roles);
        let mut running = Running { task: self, scribe, refused: HashSet::new() };
        tokio::select! {
            () = stop.cancelled() => {}
            () = running.run() => {}
        }
    }
}

struct Running {
    task: RolesTask,
    scribe: Scribe,
    /// Members of whose refusal the log has spoken: it speaks of each once.
    refused: HashSet<(GroupName, MachineId)>,
}

impl Running {
    async fn run(&mut self) {
        loop {
            let wake = self.task.authority.next_wake();
            tokio::select! {
                biased;
                order = self.task.orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                () = self.task.alarm.wait_until(wake) => {}
            }
            // What had arrived before now counts before the time does.
            while let Ok(order) = self.task.orders.try_recv() {
                self.obey(order);
            }
            let now = self.task.clock.monotonic();
            for (group, actions) in self.task.authority.tick(now) {
                self.act(&group, actions);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let now = self.task.clock.monotonic();
        match order {
            Order::Connected { machine, conn, out } => {
                self.task.seats.insert((machine, conn), out);
            }
            Order::Said { machine, conn, group, said, at } => {
                let actions = self.task.authority.heard(at, &group, &machine, conn, said);
                self.act(&group, actions);
            }
            Order::Lost { machine, conn, at } => {
                self.task.seats.remove(&(machine, conn));
                for (group, actions) in self.task.authority.lost(at, &machine, conn) {
                    self.act(&group, actions);
                }
            }
            Order::Persisted { group, epoch } => {
                let actions = self.task.authority.persisted(now, &group, epoch);
                self.act(&group, actions);
            }
            Order::StepDown { group, to, reply } => {
                let _gone = reply.send(self.step_down(now, &group, to));
            }
            Order::Change { group, change, reply } => self.change(now, group, change, reply),
            Order::Show { group, names, reply } => {
                let wall = self.task.clock.wall();
                let _gone = reply.send(self.show(group, &Now { lease: now, wall, names: &names }));
            }
        }
    }

    fn step_down(
        &mut self,
        now: Duration,
        group: &GroupName,
        to: Option<MachineId>,
    ) -> Result<(), RoleError> {
        let known = self.task.authority.known(group);
        let known = known.ok_or_else(|| RoleError::NoSuchGroup(group.clone()))?;
        let actions = known.step_down(now, to.as_ref())?;
        self.act(group, actions);
        Ok(())
    }

    fn change(&mut self, now: Duration, group: GroupName, change: Change, reply: Reply<()>) {
        match self.apply(now, &group, change) {
            Ok((actions, set)) => {
                self.scribe.state(set, Some(reply));
                self.act(&group, actions);
            }
            Err(why) => {
                let _gone = reply.send(Err(why));
            }
        }
    }

    fn apply(&mut self, now: Duration, name: &GroupName, change: Change) -> Result<Applied, RoleError> {
        let Change { mode, ttl, preempt, paused } = change;
        let pausing_only = (mode, ttl, preempt) == (None, None, None);
        if pausing_only && self.task.authority.known(name).is_none() {
            return Err(RoleError::NoSuchGroup(name.clone()));
        }
        let group = self.task.authority.group(name)?;
        let old = *group.settings();
        let settings = Settings {
            mode: mode.unwrap_or(old.mode),
            ttl: ttl.unwrap_or(old.ttl),
            preempt: preempt.unwrap_or(old.preempt),
        };
        let mut actions = group.set(now, settings)?;
        match paused {
            Some(true) => group.pause(),
            Some(false) => actions.extend(group.resume(now)),
            None => {}
        }
        let set = records::set(name, &settings, group.is_paused());
        Ok((actions, set))
    }

    fn show(&self, wanted: Option<GroupName>, now: &Now<'_>) -> Result<Vec<GroupStatus>, RoleError> {
        let groups = self.task.authority.iter();
        let shown = groups.filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == *name));
        let shown: Vec<_> = shown.map(|(name, group)| status::of(name, group, now)).collect();
        match wanted {
            Some(name) if shown.is_empty() => Err(RoleError::NoSuchGroup(name)),
            _ => Ok(shown),
        }
    }

    fn act(&mut self, group: &GroupName, actions: Vec<Action<MachineId>>) {
        for action in actions {
            match action {
                Action::Persist(opening) => self.scribe.persist(group.clone(), &opening),
                Action::Send { to, conn, message } => self.send(group, to, conn, &message),
                Action::Tell(fact) => self.tell(group, fact),
            }
        }
    }

    /// Hands a message to a session. One that does not take it will be lost, or renew: nothing is waited for here.
    fn send(&self, group: &GroupName, to: MachineId, conn: Conn, message: &ToMember) {
        let Some(out) = self.task.seats.get(&(to, conn)) else { return };
        let body = notice::encode_to_member(group, message).into();
        if !out.try_send(Frame::Notice(Notice { name: notice::NOTICE.into(), body })) {
            tracing::debug!(machine = %to, %group, "its session takes nothing now");
        }
    }

    fn tell(&mut self, group: &GroupName, fact: Fact<MachineId>) {
        match &fact {
            Fact::Granted { opening, vacant } => {
                let (machine, epoch, cause) = (opening.member, opening.epoch, opening.cause);
                let vacant_ms = vacant.map(|vacant| vacant.as_millis() as u64);
                tracing::info!(%group, %machine, %epoch, %cause, vacant_ms, "principal");
                self.refused.remove(&(group.clone(), machine));
            }
            Fact::Ended(ended) => {
                let (machine, epoch, cause) = (ended.member, ended.epoch, ended.cause);
                tracing::info!(%group, %machine, %epoch, %cause, "no longer principal");
            }
            Fact::Refused { member, why } => {
                if self.refused.insert((group.clone(), *member)) {
                    tracing::warn!(%group, machine = %member, "not a member: {why}");
                }
            }
            Fact::Returned { member, epoch } => {
                tracing::info!(%group, machine = %member, %epoch, "the principal is back within its lease");
            }
            Fact::Barred { member, cause } => {
                tracing::warn!(%group, machine = %member, %cause, "will not be principal until the group is resumed");
            }
            Fact::Asked { .. } => {}
        }
        if let Some(event) = records::of(group, fact) {
            self.scribe.state(event, None);
        }
    }
}

/// What a change of settings brings about, and what is journaled of it.
type Applied = (Vec<Action<MachineId>>, vigie_model::roles::RoleEvent);
