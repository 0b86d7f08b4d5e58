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
use crate::icmp;
use crate::logic::{Answer, Outcome};

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
        Err(Errno::CONNREFUSED) => Err(answer(State::Closed, Reason::Reset, Some(sent.elapsed()))),
        Err(errno) => Err(not_sent(errno)),
    }
}

/// The errno of what never left this machine.
fn not_sent(errno: Errno) -> Outcome {
    match errno {
        Errno::ACCESS | Errno::PERM => answer(State::Filtered, Reason::ForbiddenHere, None),
        // EINVAL is what a blackhole route gives; without IPv6 there is no route, either.
        Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::INVAL | Errno::AFNOSUPPORT | Errno::NETDOWN => {
            answer(State::Unreachable, Reason::NoRoute, None)
        }
        // EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN, and whatever else is no verdict.
        _ => Outcome::NoResources,
    }
}

fn answer(state: State, reason: Reason, rtt: Option<Duration>) -> Outcome {
    Outcome::Answer(Answer { state, reason, rtt, by_other: false })
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
        answer(State::Open, Reason::SynAck, rtt)
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
        let rtt = Some(self.sent.elapsed());
        Look::Over(match errno {
            Errno::CONNREFUSED | Errno::CONNRESET => answer(State::Closed, Reason::Reset, rtt),
            Errno::TIMEDOUT | Errno::CONNABORTED => return Look::Silent,
            Errno::HOSTUNREACH => answer(State::Unreachable, Reason::NoNeighbour, None),
            errno => not_sent(errno),
        })
    }

    /// The verdict of an ICMP error that came for it.
    fn icmp_error(&self) -> Option<Outcome> {
        let error = sys::take_error(self.fd.as_fd())?;
        let (state, reason) = icmp::verdict(error.version, error.kind, error.code)?;
        if error.from.is_some() && error.from == self.local() && error.from != Some(self.to.ip()) {
            // This machine said it to itself: nobody answered for the address on the link.
            return Some(answer(State::Unreachable, Reason::NoNeighbour, None));
        }
        let by_other = error.from.is_some_and(|from| from != self.to.ip());
        Some(Outcome::Answer(Answer { state, reason, rtt: Some(self.sent.elapsed()), by_other }))
    }

    fn local(&self) -> Option<IpAddr> {
        SocketAddr::try_from(getsockname(&self.fd).ok()?).ok().map(|local| local.ip())
    }
}
