//! One attempt: a socket that connects, and what became of it.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, connect, getpeername, getsockname, ipproto, socket_with,
};

use super::sys;
use crate::finding::{Reason, State};
use crate::here::{answer, not_sent, source};
use crate::icmp;
use crate::logic::{Answer, Outcome, Took};

/// A connection that was begun.
#[derive(Debug)]
pub(super) struct Attempt {
    fd: OwnedFd,
    to: SocketAddr,
    sent: Instant,
}

/// What an attempt came to so far.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing yet.
    Pending,
    /// It came to an end.
    Over(Outcome),
    /// The kernel gave up without an answer: silence, which is for the timeouts to judge.
    Silent,
}

/// Begins to connect.
pub(super) fn begin(to: SocketAddr) -> Result<Attempt, Outcome> {
    let family = if to.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP)).map_err(not_sent)?;
    // Without it, ICMP errors still come, only less exact.
    let _ = sys::keep_errors(fd.as_fd(), to.is_ipv6());
    let sent = Instant::now();
    match connect(&fd, &to) {
        // Even if it is done at once, it is looked at like all others.
        Ok(()) | Err(Errno::INPROGRESS) => Ok(Attempt { fd, to, sent }),
        Err(Errno::CONNREFUSED) => Err(answer(State::Closed, Reason::Reset, Took::Known(sent.elapsed()))),
        Err(errno) => Err(not_sent(errno)),
    }
}

impl Attempt {
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// How far it is. To connect once more tells it in one call, and takes the error off the socket.
    pub(super) fn look(&self) -> Look {
        match connect(&self.fd, &self.to) {
            Ok(()) | Err(Errno::ISCONN) => Look::Over(self.connected()),
            // An ICMP error that came while the socket was busy leaves only its message.
            Err(Errno::ALREADY | Errno::INPROGRESS) => self.icmp_error().map_or(Look::Pending, Look::Over),
            Err(errno) => self.failed(errno),
        }
    }

    fn connected(&self) -> Outcome {
        let rtt = sys::handshake_rtt(self.fd.as_fd()).filter(|rtt| *rtt <= self.sent.elapsed());
        let itself = self.to.ip().is_loopback() || self.local() == Some(self.to.ip());
        if itself && self.is_connected_to_itself() {
            // Nobody listens there: the port had been lent to this very socket.
            return Outcome::NoResources;
        }
        // Reset instead of a farewell: no port stays taken on either side.
        let _ = set_socket_linger(&self.fd, Some(Duration::ZERO));
        answer(State::Open, Reason::SynAck, rtt.map_or(Took::Unknown, Took::Known))
    }

    fn is_connected_to_itself(&self) -> bool {
        match (getsockname(&self.fd), getpeername(&self.fd)) {
            (Ok(here), Ok(Some(there))) => here == there,
            _ => false,
        }
    }

    fn failed(&self, errno: Errno) -> Look {
        if let Some(outcome) = self.icmp_error() {
            return Look::Over(outcome);
        }
        let took = Took::Known(self.sent.elapsed());
        Look::Over(match errno {
            Errno::CONNREFUSED | Errno::CONNRESET => answer(State::Closed, Reason::Reset, took),
            Errno::TIMEDOUT | Errno::CONNABORTED => return Look::Silent,
            Errno::HOSTUNREACH => answer(State::Unreachable, Reason::NoNeighbour, Took::Unknown),
            errno => not_sent(errno),
        })
    }

    /// The verdict of an ICMP error that came for it.
    fn icmp_error(&self) -> Option<Outcome> {
        let error = sys::take_error(self.fd.as_fd())?;
        let (state, reason) = icmp::verdict(error.version, error.kind, error.code)?;
        if error.from.is_some() && error.from == source(self.to).ok() && error.from != Some(self.to.ip()) {
            // This machine said it to itself: nobody answered for the address on the link.
            return Some(answer(State::Unreachable, Reason::NoNeighbour, Took::Unknown));
        }
        let by_other = error.from.is_some_and(|from| from != self.to.ip());
        Some(Outcome::Answer(Answer { state, reason, took: Took::Known(self.sent.elapsed()), by_other }))
    }

    fn local(&self) -> Option<IpAddr> {
        SocketAddr::try_from(getsockname(&self.fd).ok()?).ok().map(|local| local.ip())
    }
}
