//! The thread of the SYN engine: sends batches, reads what came, hands it in.

use std::io;
use std::net::SocketAddr;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    MMsgHdr, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrAny, addr::SocketAddrArg, recvfrom,
    sendmmsg,
};
use socket2::Socket;

use super::packet::{self, Refusal, Reply, SynPacket};
use super::peers::Peers;
use super::sockets::{PORTS, Sockets};
use crate::finding::{Reason, State};
use crate::here::{answer, not_sent, scoped};
use crate::icmp;
use crate::logic::{Answer, Moment, Order, Outcome, Probe, Took};
use crate::plan::{Scoped, is_link_local};
use crate::work::{BATCH, Next, Work};

/// Packets read from one socket before the others have their turn, and new probes theirs.
const READ_MAX: usize = 4 * BATCH;

/// More of a packet than its headers is of no use.
const PACKET_BYTES: usize = 256;

/// How long the way out may stay full before it is tried again.
const FULL_WAIT: Moment = Moment::from_millis(1);

/// One thread of the engine, with sockets, ports and secrets of its own: what it sends is answered to it.
pub(crate) struct Engine<'a> {
    work: &'a Work,
    sockets: Sockets,
    peers: Peers,
    heard: Vec<(Probe, Outcome)>,
    packet: Vec<u8>,
    full: Option<Full>,
}

/// Why nothing more could be sent just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    /// The socket's own buffer: poll(2) tells when there is room (whether of IPv6's).
    Socket { is_v6: bool },
    /// The interface's queue, of which nobody tells.
    Queue,
}

/// A segment on its way out.
struct Segment {
    packet: SynPacket,
    to: SocketAddrAny,
    order: Order,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(work: &'a Work, sockets: Sockets) -> Self {
        Engine { work, sockets, peers: Peers::default(), heard: Vec::new(), packet: Vec::new(), full: None }
    }

    /// Works until the scan is over.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut orders = Vec::new();
        loop {
            let Next::At(next) = self.work.exchange(&mut self.heard, BATCH, &mut orders) else {
                return Ok(());
            };
            self.send(&orders);
            orders.clear();
            let read = self.read();
            if let Some(full) = self.full.take() {
                self.wait(self.work.now() + FULL_WAIT, Some(full))?;
            } else if read == 0 && self.heard.is_empty() {
                self.wait(next, None)?;
            } else {
                continue;
            }
            // However long this thread stood still: what came meanwhile is heard before anything is taken for silence.
            self.read();
        }
    }

    /// Waits for packets until then; where the way out is full, for room only.
    fn wait(&self, next: Moment, full: Option<Full>) -> io::Result<()> {
        let sleep = next.saturating_sub(self.work.now());
        if sleep.is_zero() {
            return Ok(());
        }
        let mut fds: Vec<PollFd<'_>> = match full {
            None => self
                .sockets
                .families()
                .flat_map(|(family, _)| family.fds())
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .collect(),
            Some(Full::Socket { is_v6 }) => self
                .sockets
                .family(is_v6)
                .map(|family| PollFd::new(&family.out, PollFlags::OUT))
                .into_iter()
                .collect(),
            Some(Full::Queue) => Vec::new(),
        };
        let timeout = Timespec { tv_sec: sleep.as_secs() as i64, tv_nsec: i64::from(sleep.subsec_nanos()) };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    // --- out

    fn send(&mut self, orders: &[Order]) {
        for is_v6 in [false, true] {
            let segments: Vec<Segment> = orders
                .iter()
                .filter(|order| order.to.is_ipv6() == is_v6)
                .filter_map(|order| self.segment(order))
                .collect();
            let socket = self.sockets.family(is_v6).map(|family| &family.out);
            let mut rest = &segments[..];
            while let Some(first) = rest.first() {
                let sent = match socket.map_or(Err(Errno::AFNOSUPPORT), |socket| send_all(socket, rest)) {
                    Ok(sent) => sent.max(1),
                    // Only the first of those left was refused.
                    Err(Errno::INTR) => 0,
                    Err(errno @ (Errno::AGAIN | Errno::NOBUFS)) => {
                        let full = Full::Socket { is_v6 };
                        self.full = Some(if errno == Errno::AGAIN { full } else { Full::Queue });
                        self.heard.extend(rest.iter().map(|left| (left.order.probe, Outcome::NoResources)));
                        rest.len()
                    }
                    Err(errno) => {
                        self.heard.push((first.order.probe, not_sent(errno)));
                        1
                    }
                };
                rest = rest.get(sent..).unwrap_or_default();
            }
        }
    }

    fn segment(&mut self, order: &Order) -> Option<Segment> {
        let (to, probe) = (order.to, order.probe);
        let peer = match self.peers.at(to, probe.target) {
            Ok(peer) => peer,
            Err(errno) => {
                self.heard.push((probe, not_sent(errno)));
                return None;
            }
        };
        let sequence = self.peers.seal(scoped(to), to.port(), probe.serial);
        let port = self.sockets.ports[probe.serial as usize % PORTS];
        let packet = packet::syn_packet((peer.source, port), (to.ip(), to.port()), sequence);
        // To a raw IPv6 socket, a port would be a protocol.
        let mut to = to;
        to.set_port(0);
        Some(Segment { packet, to: to.as_any(), order: *order })
    }

    // --- in

    /// Reads what is there, up to a bound; how much it was.
    fn read(&mut self) -> usize {
        let mut read = 0;
        for is_v6 in [false, true] {
            for is_icmp in [false, true] {
                for _ in 0..READ_MAX {
                    let Some(family) = self.sockets.family(is_v6) else { break };
                    let socket = if is_icmp { &family.icmp } else { &family.tcp };
                    let Some(from) = receive(socket, &mut self.packet) else { break };
                    read += 1;
                    let heard = match (is_icmp, is_v6) {
                        (false, false) => {
                            packet::reply_v4(&self.packet).and_then(|reply| self.reply(from, reply))
                        }
                        (false, true) => {
                            packet::reply(&self.packet).and_then(|reply| self.reply(from, reply))
                        }
                        (true, false) => {
                            packet::refusal_v4(&self.packet).and_then(|said| self.refusal(from, said))
                        }
                        (true, true) => {
                            packet::refusal_v6(&self.packet).and_then(|said| self.refusal(from, said))
                        }
                    };
                    self.heard.extend(heard);
                }
            }
        }
        read
    }

    /// The attempt at a port of a target that has this sequence number; whether there is one the course knows.
    fn probe(&self, place: Scoped, port: u16, from_port: u16, sequence: u32) -> Option<Probe> {
        let target = self.peers.known(place)?.target;
        let serial = self.peers.open(place, port, sequence);
        (self.sockets.ports[serial as usize % PORTS] == from_port).then_some(Probe { target, port, serial })
    }

    fn reply(&self, from: Scoped, reply: Reply) -> Option<(Probe, Outcome)> {
        let probe = self.probe(from, reply.from_port, reply.to_port, reply.sequence)?;
        let (state, reason) = match reply.accepts {
            true => (State::Open, Reason::SynAck),
            false => (State::Closed, Reason::Reset),
        };
        Some((probe, answer(state, reason, Took::SinceSent)))
    }

    fn refusal(&self, from: Scoped, said: Refusal) -> Option<(Probe, Outcome)> {
        // No router speaks for a link-local address: who does is on its link.
        let place = (said.target, if is_link_local(said.target) { from.1 } else { 0 });
        let from = from.0;
        let probe = self.probe(place, said.to_port, said.from_port, said.sequence)?;
        let (state, reason) = icmp::verdict(said.version, said.kind, said.code)?;
        let peer = self.peers.known(place)?;
        if from == peer.source && from != said.target {
            // This machine said it to itself: nobody answered for the address on the link.
            return Some((probe, answer(State::Unreachable, Reason::NoNeighbour, Took::Unknown)));
        }
        let by_other = from != said.target;
        Some((probe, Outcome::Answer(Answer { state, reason, took: Took::SinceSent, by_other })))
    }
}

/// Sends as many of them as the kernel takes.
fn send_all(socket: &Socket, segments: &[Segment]) -> Result<usize, Errno> {
    let slices: Vec<[io::IoSlice<'_>; 1]> =
        segments.iter().map(|segment| [io::IoSlice::new(segment.packet.as_bytes())]).collect();
    let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
        segments.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut messages: Vec<MMsgHdr<'_>> = segments
        .iter()
        .zip(&slices)
        .zip(&mut controls)
        .map(|((segment, slice), control)| MMsgHdr::new_with_addr(&segment.to, slice, control))
        .collect();
    sendmmsg(socket, &mut messages, SendFlags::empty())
}

/// The next packet, its sender, and the interface of one that is link-local.
fn receive(socket: &Socket, packet: &mut Vec<u8>) -> Option<Scoped> {
    packet.clear();
    packet.reserve(PACKET_BYTES);
    loop {
        match recvfrom(socket, spare_capacity(packet), RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, _, from)) => return SocketAddr::try_from(from?).ok().map(scoped),
            Err(Errno::INTR) => {}
            // Nothing there; an error that belongs to an earlier packet is taken off by the next call.
            Err(_) => return None,
        }
    }
}
