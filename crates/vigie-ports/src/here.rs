//! What this machine itself says of a probe: what could not be sent, from where it is sent, and on which interface.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use rustix::io::Errno;

use crate::finding::{Reason, State};
use crate::logic::{Answer, Outcome, Took};
use crate::plan::Scoped;

/// The errno of what never left this machine.
pub(crate) fn not_sent(errno: Errno) -> Outcome {
    match errno {
        Errno::ACCESS => answer(State::Filtered, Reason::ForbiddenHere, Took::Unknown),
        // A rule of this machine, or its table of connections that is full for a moment: the same number.
        Errno::PERM => Outcome::Refused,
        // EINVAL is what a blackhole route gives; without IPv6 there is no route, either.
        Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::INVAL | Errno::AFNOSUPPORT | Errno::NETDOWN => {
            answer(State::Unreachable, Reason::NoRoute, Took::Unknown)
        }
        // EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN, and whatever else is no verdict.
        _ => Outcome::NoResources,
    }
}

/// An answer of the target itself, or of this machine.
pub(crate) fn answer(state: State, reason: Reason, took: Took) -> Outcome {
    Outcome::Answer(Answer { state, reason, took, by_other: false })
}

/// A port of an address on its interface.
pub(crate) fn at((address, scope): Scoped, port: u16) -> SocketAddr {
    match address {
        IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, scope).into(),
        address => SocketAddr::new(address, port),
    }
}

/// An address with its interface; the kernel gives one for link-local addresses only.
pub(crate) fn scoped(address: SocketAddr) -> Scoped {
    (address.ip(), if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 })
}

/// The address from which this machine speaks to another.
pub(crate) fn source(to: SocketAddr) -> io::Result<IpAddr> {
    let any = if to.is_ipv6() { IpAddr::from(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // UDP sends nothing for it; only the route is looked up.
    let somewhere = SocketAddr::new(to.ip(), to.port().max(1));
    socket.connect(if to.is_ipv6() { to } else { somewhere })?;
    Ok(socket.local_addr()?.ip())
}
