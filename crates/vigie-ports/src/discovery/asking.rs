//! The addresses that are being asked whether anything is there.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::echo;
use super::link::Link;
use crate::here::{at, scoped, source};
use crate::logic::Moment;
use crate::logic::bucket::Bucket;
use crate::plan::{Scoped, Target};
use crate::route::Routes;

/// A question is asked so often; at a loss of five percent each way, one in a thousand is then not heard.
const TRIES: u32 = 3;

/// Between two questions on the same link. Answers come within a millisecond or two.
const AGAIN_ON_LINK: Duration = Duration::from_millis(250);

/// Between two echo requests.
const AGAIN_ECHO: Duration = Duration::from_millis(600);

/// Addresses asked by ARP at the same time: a whole /22, and no storm of broadcasts.
const ON_LINK_MAX: usize = 1024;

/// Questions a second, unless the user wants fewer.
const RATE: u32 = 6000;

/// Who is being asked, and by what.
#[derive(Debug)]
pub(crate) struct Asking {
    routes: Routes,
    links: HashMap<String, Option<Link>>,
    echo_v4: Option<Socket>,
    echo_v6: Option<Socket>,
    identifier: u16,
    on_link: HashMap<Ipv4Addr, OnLink>,
    /// Whose next question is due when.
    due: BinaryHeap<Reverse<(Moment, Ipv4Addr)>>,
    pace: Bucket,
    echoes: HashMap<Scoped, Echo>,
    echoes_due: BinaryHeap<Reverse<(Moment, Scoped)>>,
}

#[derive(Debug)]
struct OnLink {
    target: Target,
    device: String,
    from: Ipv4Addr,
    tries: u32,
}

/// An echo request that goes with a course of TCP probes.
#[derive(Debug)]
struct Echo {
    /// The course's number in the group.
    course: u32,
    tries: u32,
}

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Somebody has the address.
    Neighbour(Target),
    /// Nobody has it.
    Nobody(Target),
    /// It answered an echo request; the course that asked for it is this one.
    Echo(u32),
}

impl Asking {
    pub(crate) fn new(routes: Routes, identifier: u16, rate: Option<u32>) -> Self {
        let raw =
            |domain, protocol| Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(protocol)).ok();
        Asking {
            routes,
            links: HashMap::new(),
            echo_v4: raw(Domain::IPV4, Protocol::ICMPV4),
            echo_v6: raw(Domain::IPV6, Protocol::ICMPV6),
            identifier,
            on_link: HashMap::new(),
            due: BinaryHeap::new(),
            pace: Bucket::new(f64::from(rate.unwrap_or(RATE).min(RATE))),
            echoes: HashMap::new(),
            echoes_due: BinaryHeap::new(),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.on_link.is_empty() && self.echoes.is_empty()
    }

    /// Whether the link is being asked for an address.
    pub(crate) fn is_asking(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if self.on_link.contains_key(&address))
    }

    pub(crate) fn has_room(&self) -> bool {
        self.on_link.len() < ON_LINK_MAX
    }

    /// Asks the link, if the address is on one and this process may; else gives the target back.
    pub(crate) fn ask_link(&mut self, target: Target, now: Moment) -> Result<(), Target> {
        let IpAddr::V4(address) = target.address else { return Err(target) };
        let Some(device) = self.routes.device(target.address).map(str::to_owned) else { return Err(target) };
        let from = match source(SocketAddr::new(target.address, 1)) {
            Ok(IpAddr::V4(from)) if from != address => from,
            // Nobody answers to a question of one's own address.
            _ => return Err(target),
        };
        let link = self.links.entry(device.clone()).or_insert_with(|| Link::open(&device).ok());
        if link.is_none() || self.on_link.contains_key(&address) {
            return Err(target);
        }
        self.on_link.insert(address, OnLink { target, device, from, tries: 0 });
        self.due.push(Reverse((now, address)));
        Ok(())
    }

    /// Sends echo requests beside the course that asks the same address.
    pub(crate) fn ask_echo(&mut self, target: &Target, course: u32, now: Moment) {
        self.echoes.insert(target.scoped(), Echo { course, tries: 0 });
        self.echoes_due.push(Reverse((now, target.scoped())));
    }

    /// The course ended: its echo is of no interest any more.
    pub(crate) fn forget(&mut self, place: Scoped) {
        self.echoes.remove(&place);
    }

    /// Sends what is due and reads what came.
    pub(crate) fn look(&mut self, now: Moment) -> Vec<Heard> {
        let mut heard = Vec::new();
        self.read_links(&mut heard);
        self.read_echoes(&mut heard);
        self.send_links(now, &mut heard);
        self.send_echoes(now);
        heard
    }

    fn read_links(&mut self, heard: &mut Vec<Heard>) {
        for link in self.links.values().flatten() {
            while let Some(address) = link.answer() {
                heard.extend(self.on_link.remove(&address).map(|asked| Heard::Neighbour(asked.target)));
            }
        }
    }

    fn send_links(&mut self, now: Moment, heard: &mut Vec<Heard>) {
        while self.pace.next() <= now {
            let Some(address) = pop_due(&mut self.due, now) else { return };
            let Some(asked) = self.on_link.get_mut(&address) else { continue };
            if asked.tries >= TRIES {
                heard.extend(self.on_link.remove(&address).map(|asked| Heard::Nobody(asked.target)));
                continue;
            }
            asked.tries += 1;
            self.pace.take(now);
            if let Some(Some(link)) = self.links.get(&asked.device) {
                // What cannot be sent now may be sent at the next try.
                let _ = link.ask(asked.from, address);
            }
            self.due.push(Reverse((now + AGAIN_ON_LINK, address)));
        }
    }

    fn read_echoes(&mut self, heard: &mut Vec<Heard>) {
        let mut packet = [0; 256];
        for (socket, is_v6) in [(&self.echo_v4, false), (&self.echo_v6, true)] {
            let Some(socket) = socket else { continue };
            while let Ok((len, _, from)) =
                rustix::net::recvfrom(socket, &mut packet[..], rustix::net::RecvFlags::DONTWAIT)
            {
                if !echo::is_answer(is_v6, &packet[..len], self.identifier) {
                    continue;
                }
                let from = from.and_then(|from| SocketAddr::try_from(from).ok()).map(scoped);
                let echo = from.and_then(|from| self.echoes.remove(&from));
                heard.extend(echo.map(|echo| Heard::Echo(echo.course)));
            }
        }
    }

    fn send_echoes(&mut self, now: Moment) {
        while self.pace.next() <= now {
            let Some(place) = pop_due(&mut self.echoes_due, now) else { return };
            let Some(asked) = self.echoes.get_mut(&place).filter(|asked| asked.tries < TRIES) else {
                continue;
            };
            asked.tries += 1;
            self.pace.take(now);
            let to = at(place, 0);
            let socket = if to.is_ipv6() { &self.echo_v6 } else { &self.echo_v4 };
            // What cannot be sent is not heard: the TCP probes beside it tell what is wrong.
            if let Some(socket) = socket {
                let _ = socket.send_to(&echo::ask(to.is_ipv6(), self.identifier), &to.into());
            }
            self.echoes_due.push(Reverse((now + AGAIN_ECHO, place)));
        }
    }
}

/// The first whose time has come.
fn pop_due<T: Ord + Copy>(due: &mut BinaryHeap<Reverse<(Moment, T)>>, now: Moment) -> Option<T> {
    let Reverse((at, address)) = *due.peek()?;
    (at <= now).then(|| due.pop()).map(|_| address)
}
