//! Groups, interfaces and sockets.

use super::batch;
use crate::limits::CAST_TURN;
use rustix::net::{AddressFamily, SocketType, ipproto, netdevice, sockopt};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs, UdpSocket};

/// Where datagrams go, or come: an address of a machine or of a group, and how.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `HOST:PORT` or `GROUP:PORT`.
    pub target: String,
    /// Name of the interface; the system chooses without.
    pub interface: Option<String>,
}

/// Why a socket is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The name has no address.
    #[error("{target} has no address: {source}")]
    Name {
        /// As it was given.
        target: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// There is no such interface.
    #[error("there is no interface {name}: {source}")]
    Interface {
        /// As it was given.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something that the socket needs was refused.
    #[error("cannot {act} {address}: {source}")]
    Socket {
        /// What was to be done.
        act: &'static str,
        /// To what.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// How far datagrams go, and whether they come back.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Routers that they may pass, plus one.
    pub ttl: u8,
    /// Whether this machine hears what it sends to a group.
    pub is_looped: bool,
}

impl Endpoint {
    /// The address; the first one of a name.
    ///
    /// # Errors
    /// [`EndpointError::Name`], [`EndpointError::Interface`].
    pub fn resolve(&self) -> Result<Resolved, EndpointError> {
        let name = |source| EndpointError::Name { target: self.target.clone(), source };
        let mut address = self
            .target
            .to_socket_addrs()
            .map_err(name)?
            .next()
            .ok_or_else(|| name(io::Error::from(io::ErrorKind::NotFound)))?;
        let index = self.interface.as_deref().map(interface_index).transpose()?;
        if let (SocketAddr::V6(v6), Some(index)) = (&mut address, index) {
            // Without an interface, addresses of one link only mean nothing.
            v6.set_scope_id(index);
        }
        Ok(Resolved { address, interface: index.unwrap_or(0) })
    }
}

/// An [`Endpoint`] with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Where.
    pub address: SocketAddr,
    /// Index of the interface; 0 lets the system choose.
    pub interface: u32,
}

fn interface_index(name: &str) -> Result<u32, EndpointError> {
    let failed = |source| EndpointError::Interface { name: name.to_owned(), source };
    let any = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
        .or_else(|_| UdpSocket::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))))
        .map_err(failed)?;
    netdevice::name_to_index(&any, name).map_err(|e| failed(e.into()))
}

impl Resolved {
    /// Whether it is the address of a group.
    pub fn is_group(&self) -> bool {
        self.address.ip().is_multicast()
    }

    /// A socket that sends there.
    ///
    /// # Errors
    /// [`EndpointError::Socket`].
    pub(super) fn sender(&self, reach: Reach) -> Result<UdpSocket, EndpointError> {
        let socket = self.socket()?;
        self.set_reach(&socket, reach).map_err(self.cannot("set how far datagrams go to"))?;
        socket.connect(self.address).map_err(self.cannot("send to"))?;
        Ok(socket)
    }

    fn set_reach(&self, socket: &UdpSocket, reach: Reach) -> io::Result<()> {
        let ttl = u32::from(reach.ttl);
        match (self.address.ip(), self.is_group()) {
            (IpAddr::V4(group), true) => {
                sockopt::set_ip_multicast_ttl(socket, ttl)?;
                sockopt::set_ip_multicast_loop(socket, reach.is_looped)?;
                if self.interface != 0 {
                    let any = Ipv4Addr::UNSPECIFIED;
                    sockopt::set_ip_multicast_if_with_ifindex(socket, &group, &any, self.interface)?;
                }
            }
            (IpAddr::V4(_), false) => {
                sockopt::set_ip_ttl(socket, ttl)?;
                sockopt::set_socket_broadcast(socket, true)?;
            }
            (IpAddr::V6(_), true) => {
                sockopt::set_ipv6_multicast_hops(socket, ttl)?;
                sockopt::set_ipv6_multicast_loop(socket, reach.is_looped)?;
                if self.interface != 0 {
                    sockopt::set_ipv6_multicast_if(socket, self.interface)?;
                }
            }
            (IpAddr::V6(_), false) => sockopt::set_ipv6_unicast_hops(socket, Some(reach.ttl))?,
        }
        Ok(())
    }

    /// A socket that receives from there: bound to the address itself, so that nothing of other groups comes; several
    /// programs of a machine may listen to one group.
    ///
    /// # Errors
    /// [`EndpointError::Socket`].
    pub(super) fn receiver(&self, buffer: usize) -> Result<UdpSocket, EndpointError> {
        let socket = self.socket()?;
        if self.is_group() {
            sockopt::set_socket_reuseaddr(&socket, true).map_err(|e| self.cannot("share")(e.into()))?;
        }
        rustix::net::bind(&socket, &self.address).map_err(|e| self.cannot("listen on")(e.into()))?;
        let joined = match self.address.ip() {
            IpAddr::V4(group) if group.is_multicast() => sockopt::set_ip_add_membership_with_ifindex(
                &socket,
                &group,
                &Ipv4Addr::UNSPECIFIED,
                self.interface,
            ),
            IpAddr::V6(group) if group.is_multicast() => {
                sockopt::set_ipv6_add_membership(&socket, &group, self.interface)
            }
            _ => Ok(()),
        };
        joined.map_err(|e| self.cannot("join the group")(e.into()))?;
        // Root may have more than `net.core.rmem_max`; everybody else has what that allows.
        if sockopt::set_socket_recv_buffer_size_force(&socket, buffer).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(&socket, buffer);
        }
        batch::ask_for_more(&socket).map_err(self.cannot("ask for the drops at"))?;
        socket.set_read_timeout(Some(CAST_TURN)).map_err(self.cannot("set the time limit of"))?;
        Ok(socket)
    }

    fn socket(&self) -> Result<UdpSocket, EndpointError> {
        let family = if self.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = rustix::net::SocketFlags::CLOEXEC;
        rustix::net::socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))
            .map(UdpSocket::from)
            .map_err(|e| self.cannot("open a socket for")(e.into()))
    }

    fn cannot(&self, act: &'static str) -> impl FnOnce(io::Error) -> EndpointError {
        let address = self.address;
        move |source| EndpointError::Socket { act, address, source }
    }
}

/// Without the index of its interface, which says nothing to people.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if !v6.ip().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0).into()
        }
        other => other,
    }
}
