//! One thread of the connect engine: takes probes, connects, hands in what came of it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::socket::{Attempt, Look, begin};
use crate::logic::{Moment, Order, Outcome, Probe};
use crate::work::{BATCH, NAP, Next, Work};

/// Events taken at a time.
const EVENTS: usize = 256;

/// The shortest sleep: paces catch up on more than that, and to wake for each single probe would cost more than it.
const SLEEP_MIN: Duration = Duration::from_micros(400);

/// Without sockets, how long until they are tried for again.
const SHORT_OF_SOCKETS: Duration = Duration::from_millis(20);

/// How many attempts in a row were answered at once before it is looked for first thing, and how many were not before
/// that is given up again.
const EAGER_MAX: u32 = 64;

/// A thread's sockets and its place in the scan.
pub(crate) struct Worker<'a> {
    work: &'a Work,
    epoll: OwnedFd,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    /// By the order of their start; what is over is left in it until it comes to the front.
    oldest: VecDeque<(u32, u32)>,
    /// Distinguishes the users of one slot.
    serial: u32,
    open: usize,
    budget: usize,
    budget_max: usize,
    heard: Vec<(Probe, Outcome)>,
    orders: Vec<Order>,
    /// Rises with each answer that was there at once, falls with each that was not.
    eager: u32,
    launched: u32,
}

struct Slot {
    attempt: Attempt,
    order: Order,
    serial: u32,
}

impl<'a> Worker<'a> {
    /// A thread with room for so many sockets.
    pub(crate) fn new(work: &'a Work, budget: usize) -> io::Result<Self> {
        Ok(Worker {
            work,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            slots: Vec::new(),
            free: Vec::new(),
            oldest: VecDeque::new(),
            serial: 0,
            open: 0,
            budget,
            budget_max: budget,
            heard: Vec::new(),
            orders: Vec::new(),
            eager: 0,
            launched: 0,
        })
    }

    /// Works until the scan is over.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            self.drop_old();
            let room = self.budget.saturating_sub(self.open).min(BATCH);
            let Next::At(next) = self.work.exchange(&mut self.heard, room, &mut self.orders) else {
                return Ok(());
            };
            let orders = std::mem::take(&mut self.orders);
            let starved = orders.iter().map(|order| self.launch(*order)).filter(|launched| !launched).count();
            self.orders = orders;
            self.orders.clear();
            self.adapt(starved);
            self.wait(if room == 0 { Moment::MAX } else { next }, starved > 0, &mut events)?;
        }
    }

    /// Closes what is not listened for any more, and what is overdue where room is needed.
    fn drop_old(&mut self) {
        let now = self.work.now();
        while let Some(&(slot, serial)) = self.oldest.front() {
            if let Some(held) = self.slots[slot as usize].as_ref().filter(|held| held.serial == serial) {
                let crowded = self.open + BATCH > self.budget;
                if held.order.until > now && !(crowded && held.order.late <= now) {
                    return;
                }
                self.close(slot);
            }
            self.oldest.pop_front();
        }
    }

    /// Begins a probe; whether there was what it takes.
    fn launch(&mut self, order: Order) -> bool {
        let attempt = match begin(order.to) {
            Ok(attempt) => attempt,
            Err(outcome) => {
                self.heard.push((order.probe, outcome));
                return !matches!(outcome, Outcome::NoResources);
            }
        };
        self.launched = self.launched.wrapping_add(1);
        // On short ways the answer is there before the call returns: then epoll is not needed.
        if self.eager > 0 || self.launched.is_multiple_of(EAGER_MAX) {
            match attempt.look() {
                Look::Over(outcome) => {
                    self.eager = EAGER_MAX;
                    self.heard.push((order.probe, outcome));
                    return true;
                }
                Look::Silent => return true,
                Look::Pending => self.eager = self.eager.saturating_sub(1),
            }
        }
        self.hold(attempt, order)
    }

    /// Keeps an attempt until it comes to an end.
    fn hold(&mut self, attempt: Attempt, order: Order) -> bool {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.serial = self.serial.wrapping_add(1);
        let data = epoll::EventData::new_u64(u64::from(self.serial) << 32 | u64::from(slot));
        let flags = epoll::EventFlags::OUT | epoll::EventFlags::ERR | epoll::EventFlags::ET;
        if epoll::add(&self.epoll, attempt.fd(), data, flags).is_err() {
            self.free.push(slot);
            self.heard.push((order.probe, Outcome::NoResources));
            return false;
        }
        self.slots[slot as usize] = Some(Slot { attempt, order, serial: self.serial });
        self.oldest.push_back((slot, self.serial));
        self.open += 1;
        true
    }

    fn close(&mut self, slot: u32) {
        if self.slots[slot as usize].take().is_some() {
            self.free.push(slot);
            self.open -= 1;
        }
    }

    /// Fewer sockets at once after they ran short, slowly more again.
    fn adapt(&mut self, starved: usize) {
        if starved > 0 {
            self.budget = (self.open - self.open / 8).clamp(1, self.budget_max);
        } else if self.budget < self.budget_max && self.open + BATCH > self.budget {
            self.budget += 1;
        }
    }

    /// Sleeps until something happens, or until then.
    fn wait(&mut self, next: Moment, starved: bool, events: &mut Vec<epoll::Event>) -> io::Result<()> {
        let now = self.work.now();
        let mut until = next;
        if let Some(held) = self.oldest.front().and_then(|(slot, _)| self.slots[*slot as usize].as_ref()) {
            let crowded = self.open + BATCH > self.budget;
            until = until.min(if crowded { held.order.late } else { held.order.until });
        }
        until = until.min(now + NAP);
        let mut sleep = until.saturating_sub(now);
        if starved {
            sleep = sleep.max(SHORT_OF_SOCKETS);
        } else if !self.heard.is_empty() {
            sleep = Duration::ZERO;
        } else if !sleep.is_zero() {
            sleep = sleep.max(SLEEP_MIN);
        }
        let mut timeout =
            Timespec { tv_sec: sleep.as_secs() as i64, tv_nsec: i64::from(sleep.subsec_nanos()) };
        loop {
            match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
                Ok(_) => break,
                // A machine that slept, or a process that was stopped, goes on here: what came meanwhile is heard before
                // anything is taken for silence.
                Err(rustix::io::Errno::INTR) => timeout = Timespec { tv_sec: 0, tv_nsec: 0 },
                Err(error) => return Err(error.into()),
            }
        }
        events.drain(..).for_each(|event| self.event(event.data.u64()));
        Ok(())
    }

    fn event(&mut self, data: u64) {
        let (slot, serial) = (data as u32, (data >> 32) as u32);
        let Some(held) = self.slots.get(slot as usize).and_then(Option::as_ref) else { return };
        if held.serial != serial {
            return;
        }
        match held.attempt.look() {
            Look::Pending => return,
            Look::Over(outcome) => self.heard.push((held.order.probe, outcome)),
            Look::Silent => {}
        }
        self.close(slot);
    }
}
