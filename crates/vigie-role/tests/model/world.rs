//! The world, what can happen in it, and what must hold.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::time::Duration;
use vigie_model::Epoch;
use vigie_role::group::{Action, Fact, Group, Opening};
use vigie_role::member::{Member, MemberAction, Wish};
use vigie_role::message::Refusal;
use vigie_role::words::{BootId, Cause, Conn, Mode, Role, Settings};
use vigie_role::{FromMember, HookCall, ToMember};

/// One step of time: a third of the time to live, so that a renewal is due with every step.
pub(crate) const TICK: Duration = Duration::from_secs(1);
pub(crate) const TTL: Duration = Duration::from_secs(3);

/// How a world begins.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    /// Of each member: thousandths of the authority's time that its own clock shows, and its priority.
    pub(crate) members: Vec<(u32, i32)>,
    /// How many names they have: the ones beyond speak for the first ones again, as another process does that was
    /// started beside a former one.
    pub(crate) names: u8,
    pub(crate) budget: Budget,
}

/// How many mishaps there may be yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// What is slow: a message, the disk, a hook, a connection. It is done at any later time, behind whatever.
    pub(crate) delays: u8,
    /// Everything else that goes wrong.
    pub(crate) faults: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    settings: Settings,
    names: u8,
    pub(crate) now: Duration,
    hub: Group<u8>,
    /// What the authority's disk holds, and what is being written.
    durable: Option<Opening<u8>>,
    /// The last end of a term that is. At once, here: the less is waited for after a restart, the more can go wrong.
    ended: Option<Epoch>,
    writing: Option<Opening<u8>>,
    slow_disk: bool,
    pub(crate) nodes: Vec<Node>,
    /// What arrives next, in order.
    net: Vec<Packet>,
    /// What arrives some time. Sorted, because no order means anything.
    held: Vec<Packet>,
    conns: u64,
    pub(crate) budget: Budget,
    /// Who ever held which epoch.
    holders: BTreeMap<Epoch, u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    engine: Member,
    rate: u32,
    conn: Option<Conn>,
    /// When it last tried to connect: once in a step of time.
    tried: Duration,
    frozen: bool,
    hook: Option<HookCall>,
    slow_hook: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Packet {
    member: u8,
    conn: Conn,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    ToHub(FromMember),
    ToMember(ToMember),
    /// A side will notice that the connection is broken.
    HubNotices,
    MemberNotices,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The packet of this index arrives.
    Deliver(usize),
    Persisted,
    HookEnds {
        node: usize,
        ok: bool,
    },
    Connect(usize),
    /// Nothing is left to do at this time, but what is slow.
    Time,
    /// One that was slow arrives after all.
    Late(usize),
    Thaw(usize),
    // What costs a delay: this is slow.
    Hold(usize),
    SlowDisk,
    SlowHook(usize),
    SlowConnect(usize),
    // What costs a fault:
    Drop(usize),
    Cut(usize),
    Freeze(usize),
    /// The authority dies and starts again; what was being written is on the disk or not.
    Restart {
        written: bool,
    },
    AskForAnother,
    Leave(usize),
    /// The process of a member dies and starts again.
    Reboot(usize),
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let nodes = plan.members.iter().zip(1..).map(|((rate, priority), boot)| Node {
            engine: Member::new(Wish { boot: BootId(boot), priority: *priority, nofailover: false }),
            rate: *rate,
            conn: None,
            tried: Duration::ZERO,
            frozen: false,
            hook: None,
            slow_hook: false,
        });
        World {
            settings: plan.settings,
            names: plan.names,
            now: TICK,
            hub: Group::new(plan.settings),
            durable: None,
            ended: None,
            writing: None,
            slow_disk: false,
            nodes: nodes.collect(),
            net: Vec::new(),
            held: Vec::new(),
            conns: 0,
            budget: plan.budget,
            holders: BTreeMap::new(),
        }
    }

    /// For whom a process speaks.
    fn name(&self, node: usize) -> u8 {
        node as u8 % self.names
    }

    /// The time that a member's own clock shows.
    fn local(&self, node: usize) -> Duration {
        self.now * self.nodes[node].rate / 1000
    }

    /// Everything that can happen next. What is not slow happens in one order; all the others come of delays.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        match self.prompt() {
            Some((prompt, slow)) => {
                steps.push(prompt);
                steps.extend(Some(slow).filter(|_| self.budget.delays > 0));
            }
            None => {
                steps.push(Step::Time);
                self.slow(&mut steps);
            }
        }
        if self.budget.faults > 0 {
            self.faults(&mut steps);
        }
        steps
    }

    /// Everybody is there and has its role: where most mishaps find a world.
    pub(crate) fn settled(mut self) -> Self {
        while let Some((prompt, _)) = self.prompt() {
            self.apply(prompt);
        }
        assert_eq!(self.principals(), [0]);
        self
    }

    /// What happens next unless it is slow, and how it is slow.
    fn prompt(&self) -> Option<(Step, Step)> {
        if let Some(at) = self.net.iter().position(|packet| self.can_arrive(packet)) {
            return Some((Step::Deliver(at), Step::Hold(at)));
        }
        if self.writing.is_some() && !self.slow_disk {
            return Some((Step::Persisted, Step::SlowDisk));
        }
        let node = |is: &dyn Fn(&Node) -> bool| self.nodes.iter().position(is);
        if let Some(at) = node(&|n| !n.frozen && n.hook.is_some() && !n.slow_hook) {
            return Some((Step::HookEnds { node: at, ok: true }, Step::SlowHook(at)));
        }
        node(&|n| self.can_connect(n)).map(|at| (Step::Connect(at), Step::SlowConnect(at)))
    }

    /// What is slow and happens now.
    fn slow(&self, steps: &mut Vec<Step>) {
        let held = 0..self.held.len();
        steps.extend(held.filter(|at| self.can_arrive(&self.held[*at])).map(Step::Late));
        steps.extend((self.writing.is_some() && self.slow_disk).then_some(Step::Persisted));
        for (at, node) in self.nodes.iter().enumerate() {
            if node.frozen {
                steps.push(Step::Thaw(at));
            } else if node.hook.is_some() && node.slow_hook {
                steps.push(Step::HookEnds { node: at, ok: true });
            }
        }
    }

    fn faults(&self, steps: &mut Vec<Step>) {
        let lossy = |packet: &Packet| matches!(packet.what, What::ToHub(_) | What::ToMember(_));
        steps.extend((0..self.net.len()).filter(|at| lossy(&self.net[*at])).map(Step::Drop));
        for (at, node) in self.nodes.iter().enumerate() {
            if node.conn.is_some() {
                steps.push(Step::Cut(at));
            }
            if node.frozen {
                continue;
            }
            steps.push(Step::Freeze(at));
            if node.hook.as_ref().is_some_and(|call| call.role == Role::Principal) {
                steps.push(Step::HookEnds { node: at, ok: false });
            }
            if node.conn.is_some() {
                steps.push(Step::Leave(at));
            }
            steps.push(Step::Reboot(at));
        }
        steps.push(Step::Restart { written: true });
        if self.writing.is_some() {
            steps.push(Step::Restart { written: false });
        }
        steps.push(Step::AskForAnother);
    }

    fn can_connect(&self, node: &Node) -> bool {
        !node.frozen && node.conn.is_none() && node.tried < self.now
    }

    fn can_arrive(&self, packet: &Packet) -> bool {
        let node = &self.nodes[usize::from(packet.member)];
        match packet.what {
            What::ToHub(_) | What::HubNotices => true,
            What::ToMember(_) | What::MemberNotices => !node.frozen,
        }
    }

    /// Lets it happen.
    pub(crate) fn apply(&mut self, step: Step) {
        match step {
            Step::Time => self.pass_time(),
            Step::Deliver(at) => {
                let packet = self.net.remove(at);
                self.deliver(packet);
            }
            Step::Late(at) => {
                let packet = self.held.remove(at);
                self.deliver(packet);
            }
            Step::Hold(_) | Step::SlowDisk | Step::SlowHook(_) | Step::SlowConnect(_) => {
                self.budget.delays -= 1;
                self.delay(step);
            }
            Step::Persisted => {
                self.slow_disk = false;
                let opening = self.writing.take().unwrap();
                let epoch = opening.epoch;
                self.durable = Some(opening);
                let actions = self.hub.persisted(self.now, epoch);
                self.hub_does(actions);
            }
            Step::HookEnds { node, ok } => {
                self.budget.faults -= u8::from(!ok);
                (self.nodes[node].hook, self.nodes[node].slow_hook) = (None, false);
                self.at_node(node, |engine, now| engine.hook_ended(now, ok));
            }
            Step::Connect(node) => {
                self.conns += 1;
                self.nodes[node].conn = Some(Conn(self.conns));
                self.nodes[node].tried = self.now;
                self.at_node(node, Member::connected);
            }
            Step::Thaw(node) => {
                self.nodes[node].frozen = false;
                self.at_node(node, Member::tick);
            }
            fault => {
                self.budget.faults -= 1;
                self.fail(fault);
            }
        }
    }

    fn delay(&mut self, slow: Step) {
        match slow {
            Step::Hold(at) => {
                self.held.push(self.net.remove(at));
                self.held.sort_by_cached_key(|packet| {
                    let mut hasher = DefaultHasher::new();
                    packet.hash(&mut hasher);
                    hasher.finish()
                });
            }
            Step::SlowDisk => self.slow_disk = true,
            Step::SlowHook(node) => self.nodes[node].slow_hook = true,
            Step::SlowConnect(node) => self.nodes[node].tried = self.now,
            other => panic!("{other:?} is not slow"),
        }
    }

    fn fail(&mut self, fault: Step) {
        match fault {
            Step::Drop(at) => drop(self.net.remove(at)),
            Step::Cut(node) => self.cut(node, true),
            Step::Freeze(node) => self.nodes[node].frozen = true,
            Step::Restart { written } => {
                let opening = self.writing.take();
                self.slow_disk = false;
                if written && opening.is_some() {
                    self.durable = opening;
                }
                self.hub = match &self.durable {
                    Some(opening) if self.ended == Some(opening.epoch) => {
                        Group::resumed(self.settings, opening.epoch, Cause::Left)
                    }
                    Some(opening) => Group::restored(self.settings, self.now, opening.clone()),
                    None => Group::new(self.settings),
                };
                (0..self.nodes.len()).for_each(|node| self.cut(node, false));
                let is_for_a_former_life = |p: &Packet| matches!(p.what, What::HubNotices | What::ToHub(_));
                self.forget(is_for_a_former_life);
            }
            Step::AskForAnother => {
                let actions = self.hub.step_down(self.now, None).unwrap_or_default();
                self.hub_does(actions);
            }
            Step::Leave(node) => self.at_node(node, Member::leave),
            Step::Reboot(node) => {
                self.cut(node, true);
                self.forget(|p| usize::from(p.member) == node && p.what == What::MemberNotices);
                let boot = BootId(self.now.as_secs() * 100 + self.conns * 10 + node as u64 + 1000);
                let node = &mut self.nodes[node];
                node.engine = Member::new(Wish { boot, priority: 0, nofailover: false });
                (node.conn, node.hook, node.slow_hook) = (None, None, false);
            }
            other => panic!("{other:?} is no fault"),
        }
    }

    /// The connection of a member breaks, with all that is on its way.
    fn cut(&mut self, node: usize, hub_lives: bool) {
        let Some(conn) = self.nodes[node].conn else { return };
        let member = node as u8;
        self.forget(|p| (p.member, p.conn) == (member, conn));
        self.post(Packet { member, conn, what: What::MemberNotices });
        if hub_lives {
            self.post(Packet { member, conn, what: What::HubNotices });
        }
    }

    fn post(&mut self, packet: Packet) {
        self.net.push(packet);
    }

    fn forget(&mut self, which: impl Fn(&Packet) -> bool) {
        self.net.retain(|packet| !which(packet));
        self.held.retain(|packet| !which(packet));
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet { member, conn, what } = packet;
        let node = usize::from(member);
        let name = self.name(node);
        let is_present = self.nodes[node].conn == Some(conn);
        match what {
            What::ToHub(said) => {
                let actions = self.hub.heard(self.now, &name, conn, said);
                self.hub_does(actions);
            }
            What::HubNotices => {
                let actions = self.hub.lost(self.now, &name, conn);
                self.hub_does(actions);
            }
            What::ToMember(said) if is_present => {
                self.at_node(node, |engine, now| engine.heard(now, said));
            }
            What::MemberNotices if is_present => {
                self.nodes[node].conn = None;
                self.at_node(node, Member::disconnected);
            }
            What::ToMember(_) | What::MemberNotices => {}
        }
    }

    fn pass_time(&mut self) {
        self.now += TICK;
        for node in 0..self.nodes.len() {
            if !self.nodes[node].frozen {
                self.at_node(node, Member::tick);
            }
        }
        let actions = self.hub.tick(self.now);
        self.hub_does(actions);
    }

    fn at_node(&mut self, node: usize, act: impl FnOnce(&mut Member, Duration) -> Vec<MemberAction>) {
        let now = self.local(node);
        let actions = act(&mut self.nodes[node].engine, now);
        let member = node as u8;
        for action in actions {
            match action {
                MemberAction::Send(said) => {
                    if let Some(conn) = self.nodes[node].conn {
                        self.post(Packet { member, conn, what: What::ToHub(said) });
                    }
                }
                MemberAction::Run(call) => {
                    assert_eq!(self.nodes[node].hook, None, "two hooks at once");
                    let holds = self.nodes[node].engine.lease(now).map(|lease| lease.epoch);
                    let may = call.role == Role::Secondaire || (call.epoch.is_some() && call.epoch == holds);
                    assert!(may, "member {node} begins {call:?} and holds {holds:?}");
                    self.nodes[node].hook = Some(call);
                }
                // It ends in its own time; killing takes some, too.
                MemberAction::CancelHook => {}
                // The connection of its former life still counts: it hangs up and tries again.
                MemberAction::Refused(Refusal::Taken) => {
                    if let Some(conn) = self.nodes[node].conn {
                        self.post(Packet { member, conn, what: What::MemberNotices });
                    }
                }
                MemberAction::Refused(why) => panic!("member {node} is refused: {why}"),
                MemberAction::Left => {
                    // It comes back as another life of its process.
                    self.conns += 1;
                    let boot = BootId(self.conns * 10 + node as u64 + 5_000_000);
                    self.nodes[node].engine = Member::new(Wish { boot, priority: 0, nofailover: false });
                    if let Some(conn) = self.nodes[node].conn.take() {
                        self.post(Packet { member, conn, what: What::HubNotices });
                    }
                }
            }
        }
    }

    fn hub_does(&mut self, actions: Vec<Action<u8>>) {
        for action in actions {
            match action {
                Action::Persist(opening) => {
                    assert_eq!(self.writing, None, "two openings at once");
                    assert!(self.holders.keys().all(|epoch| *epoch < opening.epoch), "an epoch goes back");
                    self.writing = Some(opening);
                }
                Action::Send { to, conn, message } => {
                    if let ToMember::Granted(grant) = &message {
                        let durable = self.durable.as_ref().map(|opening| opening.epoch);
                        assert_eq!(durable, Some(grant.epoch), "granted, and not durable");
                    }
                    let node = self.nodes.iter().position(|node| node.conn == Some(conn));
                    if let Some(node) = node {
                        assert_eq!(self.name(node), to, "on somebody else's connection");
                        self.post(Packet { member: node as u8, conn, what: What::ToMember(message) });
                    }
                }
                Action::Tell(Fact::Ended(ended)) => self.ended = Some(ended.epoch),
                Action::Tell(_) => {}
            }
        }
    }

    /// What must hold, always.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        let mut within = Vec::new();
        for node in 0..self.nodes.len() {
            let now = self.local(node);
            let engine = &self.nodes[node].engine;
            let Some(lease) = engine.lease(now) else { continue };
            within.push((node, lease.epoch));
            let holder = *self.holders.entry(lease.epoch).or_insert(node as u8);
            if usize::from(holder) != node {
                return Err(format!("epoch {} has two holders: {holder} and {node}", lease.epoch));
            }
            if engine.acting() > Some(lease.epoch) {
                return Err(format!("{node} acts in {:?} and holds {}", engine.acting(), lease.epoch));
            }
        }
        if self.settings.mode == Mode::Safe && within.len() > 1 {
            return Err(format!("two at once, each within its own lease: {within:?}"));
        }
        Ok(())
    }

    /// Whoever's hook failed may try again.
    pub(crate) fn clear_nofailover(&mut self) {
        let actions = self.hub.resume(self.now);
        self.hub_does(actions);
    }

    /// Who holds a lease and has finished its promotion.
    pub(crate) fn principals(&self) -> Vec<usize> {
        let settled = |n: &usize| {
            let node = &self.nodes[*n];
            let lease = node.engine.lease(self.local(*n)).map(|lease| lease.epoch);
            lease.is_some() && node.engine.acting() == lease && node.hook.is_none()
        };
        (0..self.nodes.len()).filter(settled).collect()
    }
}
