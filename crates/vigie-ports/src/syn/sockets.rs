//! The raw sockets, and filters in the kernel that let through only what may be an answer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::connect::sys::keep_errors;
use crate::icmp::{V4_TIME_EXCEEDED, V4_UNREACHABLE, V6_TIME_EXCEEDED, V6_UNREACHABLE};

/// Source ports that take turns: a port that is asked again is asked from another one, and so cannot take the new SYN
/// for a part of the old connection.
pub(super) const PORTS: usize = 16;

/// Bytes that may wait in a socket: answers to all ports at once, as the kernel counts them.
const BUFFER_BYTES: usize = 64 << 20;

/// What one family of addresses needs.
#[derive(Debug)]
pub(crate) struct Family {
    /// Takes whole packets, and gives none. Apart from the one that hears answers, so that no ICMP error about an
    /// earlier packet comes as the error of sending this one.
    pub(super) out: Socket,
    pub(super) tcp: Socket,
    pub(super) icmp: Socket,
}

/// All sockets of the engine.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(super) v4: Family,
    /// Not there where the machine has no IPv6.
    pub(super) v6: Option<Family>,
    pub(super) ports: [u16; PORTS],
    /// Neither listening nor connected: they only keep others from the ports.
    _reserved: Vec<Socket>,
}

impl Sockets {
    /// Opens them; what the kernel says of permission is the error.
    pub(crate) fn open() -> io::Result<Self> {
        let mut reserved = Vec::new();
        let mut ports = [0; PORTS];
        for port in &mut ports {
            let (number, sockets) = reserve()?;
            *port = number;
            reserved.extend(sockets);
        }
        let v4 = Family::open(Domain::IPV4, &ports)?;
        let v6 = Family::open(Domain::IPV6, &ports).ok();
        Ok(Sockets { v4, v6, ports, _reserved: reserved })
    }

    /// What there is for IPv6, or for IPv4.
    pub(super) fn family(&self, is_v6: bool) -> Option<&Family> {
        if is_v6 { self.v6.as_ref() } else { Some(&self.v4) }
    }

    pub(super) fn families(&self) -> impl Iterator<Item = (&Family, bool)> {
        std::iter::once((&self.v4, false)).chain(self.v6.as_ref().map(|family| (family, true)))
    }
}

/// A port that nobody else has, on IPv4 and, where that is free too, on IPv6.
fn reserve() -> io::Result<(u16, Vec<Socket>)> {
    let v4 = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    v4.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    let port = v4.local_addr()?.as_socket().map_or(0, |address| address.port());
    let v6 = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).and_then(|v6| {
        v6.set_only_v6(true)?;
        v6.bind(&SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port)).into())?;
        Ok(v6)
    });
    Ok((port, std::iter::once(v4).chain(v6.ok()).collect()))
}

impl Family {
    fn open(domain: Domain, ports: &[u16]) -> io::Result<Self> {
        let is_v6 = domain == Domain::IPV6;
        // `IPPROTO_RAW`: the header comes with the packet (raw(7)).
        let out =
            Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(Protocol::from(libc::IPPROTO_RAW)))?;
        // Without it, the kernel keeps quiet about what the interface's queue dropped (`ENOBUFS`).
        keep_errors(out.as_fd(), is_v6)?;
        let tcp = raw(domain, Protocol::TCP)?;
        tcp.attach_filter(&only_ports(is_v6, ports))?;
        let icmp = raw(domain, if is_v6 { Protocol::ICMPV6 } else { Protocol::ICMPV4 })?;
        icmp.attach_filter(&only_errors(is_v6))?;
        Ok(Family { out, tcp, icmp })
    }

    pub(super) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.tcp.as_fd(), self.icmp.as_fd()]
    }
}

/// Whether this process may have raw sockets at all.
pub(crate) fn try_one() -> io::Result<()> {
    Socket::new(Domain::IPV4, Type::RAW.cloexec(), Some(Protocol::TCP)).map(drop)
}

fn raw(domain: Domain, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(protocol))?;
    // Beyond the machine's limit only root of the whole machine may go; less is slower in a flood, not wrong.
    if set_socket_recv_buffer_size_force(&socket, BUFFER_BYTES).is_err() {
        let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    }
    Ok(socket)
}

// Classic BPF, by the numbers of linux/bpf_common.h.
const LOAD_HALF: u16 = 0x28;
const LOAD_HALF_AFTER_X: u16 = 0x48;
const LOAD_BYTE: u16 = 0x30;
const LOAD_BYTE_AFTER_X: u16 = 0x50;
const X_IS_HEADER_LENGTH: u16 = 0xb1;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

fn step(code: u16, k: u32) -> SockFilter {
    SockFilter::new(code, 0, 0, k)
}

/// Lets through what `load` gives one of these values.
fn one_of(load: Vec<SockFilter>, values: impl ExactSizeIterator<Item = u32>) -> Vec<SockFilter> {
    let count = values.len();
    let mut filter = load;
    // Over the comparisons that are left and the refusal, to the acceptance.
    filter.extend(
        values.enumerate().map(|(n, value)| SockFilter::new(JUMP_IF_EQUAL, (count - n) as u8, 0, value)),
    );
    filter.extend([step(RETURN, 0), step(RETURN, u32::MAX)]);
    filter
}

/// Only segments to these ports. IPv4 comes with its header, IPv6 without.
fn only_ports(is_v6: bool, ports: &[u16]) -> Vec<SockFilter> {
    let load = match is_v6 {
        true => vec![step(LOAD_HALF, 2)],
        false => vec![step(X_IS_HEADER_LENGTH, 0), step(LOAD_HALF_AFTER_X, 2)],
    };
    one_of(load, ports.iter().map(|port| u32::from(*port)))
}

/// Only errors about packets that did not arrive.
fn only_errors(is_v6: bool) -> Vec<SockFilter> {
    let (load, kinds) = match is_v6 {
        true => (vec![step(LOAD_BYTE, 0)], [V6_UNREACHABLE, V6_TIME_EXCEEDED]),
        false => (
            vec![step(X_IS_HEADER_LENGTH, 0), step(LOAD_BYTE_AFTER_X, 0)],
            [V4_UNREACHABLE, V4_TIME_EXCEEDED],
        ),
    };
    one_of(load, kinds.into_iter().map(u32::from))
}
