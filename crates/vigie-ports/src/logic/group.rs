//! Many targets at once: whose turn it is, and what is shared between them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;

use super::bucket::Bucket;
use super::course::{Ask, Course, Ended, Wanted};
use super::limits::{BLIND_RATE_ON_LINK, BLIND_RATE_ROUTED, CELLS_MAX, TARGETS_MAX, TURN};
use super::{Moment, Order, Outcome, Probe};
use crate::here::at;
use crate::plan::{Scoped, Target};

/// The targets in work.
#[derive(Debug)]
pub(crate) struct Group {
    members: HashMap<u32, Member>,
    addresses: HashSet<Scoped>,
    /// When whose turn is. An entry whose moment is not its member's `due` is outdated.
    agenda: BinaryHeap<Reverse<(Moment, u32)>>,
    next: u32,
    cells: usize,
    /// Everything, by the user's own rate.
    rate: Option<Bucket>,
    blind_on_link: Bucket,
    blind_routed: Bucket,
    ended: Vec<(u32, Target, Ended)>,
    opened: Vec<SocketAddr>,
    /// Of what has ended.
    tally: Tally,
}

/// Sums over all targets of the group, ended ones included.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) decided: u64,
    pub(crate) probes: u64,
    pub(crate) open: u64,
}

#[derive(Debug)]
struct Member {
    target: Target,
    course: Course,
    due: Moment,
    /// A shared pace has granted it a probe.
    ticket: bool,
}

/// Whether a member goes on.
enum Turn {
    Due(Moment),
    Ended,
}

impl Group {
    pub(crate) fn new(rate: Option<u32>) -> Self {
        Group {
            members: HashMap::new(),
            addresses: HashSet::new(),
            agenda: BinaryHeap::new(),
            next: 0,
            cells: 0,
            rate: rate.map(|rate| Bucket::new(f64::from(rate))),
            blind_on_link: Bucket::new(BLIND_RATE_ON_LINK),
            blind_routed: Bucket::new(BLIND_RATE_ROUTED),
            ended: Vec::new(),
            opened: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Whether there is room for another target.
    pub(crate) fn has_room(&self) -> bool {
        self.members.len() < TARGETS_MAX && (self.cells < CELLS_MAX || self.members.is_empty())
    }

    /// Whether this address is in work already, under whatever name: its answers could not be told apart.
    pub(crate) fn is_in_work(&self, target: &Target) -> bool {
        self.addresses.contains(&target.scoped())
    }

    /// Takes a target up; its number.
    pub(crate) fn admit(&mut self, target: Target, wanted: Wanted, now: Moment) -> u32 {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.cells += wanted.ports.len();
        self.addresses.insert(target.scoped());
        self.agenda.push(Reverse((now, id)));
        self.members.insert(id, Member { target, course: Course::new(wanted), due: now, ticket: false });
        id
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes what became of probes.
    pub(crate) fn hear(&mut self, heard: &[(Probe, Outcome)], now: Moment) {
        for (probe, outcome) in heard {
            let Some(member) = self.members.get_mut(&probe.target) else { continue };
            let before = (member.course.cells().silent(), member.course.is_blind());
            let open = member.course.hear(probe.port, probe.serial, outcome, now);
            let open = open.filter(|_| !member.course.is_question());
            self.opened.extend(open.map(|port| at(member.target.scoped(), port)));
            let after = (member.course.cells().silent(), member.course.is_blind());
            // What was waited for may have come.
            let is_again = !matches!(outcome, Outcome::Answer(_));
            let is_enough = after.0 == 0 || member.course.has_enough();
            if (is_enough || is_again || before.1 != after.1) && member.due > now {
                member.due = now;
                member.ticket = false;
                self.agenda.push(Reverse((now, probe.target)));
            }
        }
    }

    /// Appends up to `room` probes to send now; when to ask again, if nothing is heard before. `None`: all done.
    pub(crate) fn orders(&mut self, now: Moment, room: usize, out: &mut Vec<Order>) -> Option<Moment> {
        let room = out.len() + room;
        while let Some(&Reverse((due, id))) = self.agenda.peek() {
            let is_current = self.members.get(&id).is_some_and(|member| member.due == due);
            if is_current && (due > now || out.len() >= room) {
                return Some(due);
            }
            self.agenda.pop();
            if !is_current {
                continue;
            }
            match self.turn(id, now, room, out) {
                Turn::Due(due) => {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.due = due;
                    }
                    self.agenda.push(Reverse((due, id)));
                }
                Turn::Ended => self.end(id),
            }
        }
        None
    }

    /// Ends all that is in work, as it is.
    pub(crate) fn stop(&mut self, now: Moment) {
        let ids: Vec<u32> = self.members.keys().copied().collect();
        for id in ids {
            if let Some(member) = self.members.get_mut(&id) {
                member.course.stop(now);
            }
            self.end(id);
        }
        self.agenda.clear();
    }

    /// Whether there is something to tell.
    pub(crate) fn has_news(&self) -> bool {
        !self.ended.is_empty() || !self.opened.is_empty()
    }

    /// Targets that ended since the last call, with their numbers.
    pub(crate) fn take_ended(&mut self) -> Vec<(u32, Target, Ended)> {
        std::mem::take(&mut self.ended)
    }

    /// Ports that were found open since the last call.
    pub(crate) fn take_opened(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.opened)
    }

    /// How far it is.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = self.tally;
        for course in
            self.members.values().map(|member| &member.course).filter(|course| !course.is_question())
        {
            let cells = course.cells();
            tally.decided += u64::from(cells.len() - cells.silent());
            tally.open += u64::from(cells.open());
            tally.probes += course.probes();
        }
        tally
    }

    fn turn(&mut self, id: u32, now: Moment, room: usize, out: &mut Vec<Order>) -> Turn {
        let Some(member) = self.members.get_mut(&id) else { return Turn::Ended };
        for _ in 0..TURN {
            match member.course.ask(now) {
                Ask::Done => return Turn::Ended,
                // Even a moment that has passed must not keep everybody else from their turn.
                Ask::Wait(at) => return Turn::Due(at.max(now + Moment::from_micros(1))),
                Ask::Send if out.len() >= room => return Turn::Due(now),
                Ask::Send => {}
            }
            if !member.ticket {
                let blind = member.course.is_blind();
                let shared =
                    if member.course.on_link() { &mut self.blind_on_link } else { &mut self.blind_routed };
                let shared = blind.then(|| shared.take(now));
                let rate = self.rate.as_mut().map(|rate| rate.take(now));
                if let Some(at) = shared.max(rate).filter(|at| *at > now) {
                    member.ticket = true;
                    return Turn::Due(at);
                }
            }
            member.ticket = false;
            let Some(sent) = member.course.send(now) else { continue };
            out.push(Order {
                probe: Probe { target: id, port: sent.port, serial: sent.serial },
                to: at(member.target.scoped(), sent.port),
                late: sent.late,
                until: sent.until,
            });
        }
        Turn::Due(now)
    }

    /// Takes a target out again, as if it had never been there.
    pub(crate) fn withdraw(&mut self, id: u32) -> Option<Target> {
        let member = self.members.remove(&id)?;
        self.addresses.remove(&member.target.scoped());
        self.cells -= member.course.cells().len() as usize;
        Some(member.target)
    }

    fn end(&mut self, id: u32) {
        let Some(member) = self.members.remove(&id) else { return };
        self.addresses.remove(&member.target.scoped());
        let cells = member.course.cells();
        self.cells -= cells.len() as usize;
        if member.course.is_question() {
            self.ended.push((id, member.target, member.course.end()));
            return;
        }
        self.tally.decided += u64::from(cells.len());
        self.tally.open += u64::from(cells.open());
        self.tally.probes += member.course.probes();
        self.ended.push((id, member.target, member.course.end()));
    }
}
