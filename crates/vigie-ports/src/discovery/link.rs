//! A socket for the ARP messages of one interface (packet(7)), whose addresses no safe wrapper knows.

use std::io;
use std::mem::size_of;
use std::net::Ipv4Addr;

use rustix::net::netdevice::name_to_index;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

use super::arp;

/// `ETH_P_ARP` of linux/if_ether.h, as it is on the wire.
const ARP: u16 = 0x0806_u16.to_be();

/// The interface and its hardware address.
#[derive(Debug)]
pub(super) struct Link {
    socket: Socket,
    index: u32,
    hardware: [u8; 6],
}

impl Link {
    /// Opens an interface; an error also where it is no Ethernet.
    pub(super) fn open(device: &str) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::PACKET,
            Type::DGRAM.nonblocking().cloexec(),
            Some(Protocol::from(i32::from(ARP))),
        )?;
        let index = name_to_index(&socket, device)?;
        socket.bind(&address(index, [0; 6]))?;
        let hardware = hardware(&socket.local_addr()?).ok_or(io::ErrorKind::Unsupported)?;
        Ok(Link { socket, index, hardware })
    }

    /// Asks everybody on the link who has an address.
    pub(super) fn ask(&self, from: Ipv4Addr, to: Ipv4Addr) -> io::Result<()> {
        let message = arp::ask(self.hardware, from, to);
        self.socket.send_to(&message, &address(self.index, [0xff; 6])).map(drop)
    }

    /// The next address that somebody says to have.
    pub(super) fn answer(&self) -> Option<Ipv4Addr> {
        let mut message = [0; 64];
        loop {
            let len =
                rustix::net::recv(&self.socket, &mut message[..], rustix::net::RecvFlags::DONTWAIT).ok()?.0;
            if let Some(address) = arp::answer(&message[..len]) {
                return Some(address);
            }
        }
    }
}

/// An Ethernet address on an interface.
#[allow(unsafe_code)]
fn address(index: u32, hardware: [u8; 6]) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: a sockaddr_ll is plain numbers, and smaller than the storage of all socket addresses.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = libc::AF_PACKET as u16;
    link.sll_protocol = ARP;
    link.sll_ifindex = index as i32;
    link.sll_halen = hardware.len() as u8;
    link.sll_addr[..hardware.len()].copy_from_slice(&hardware);
    // SAFETY: so many bytes of the storage were filled in just now.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}

/// The Ethernet address in a socket's own address.
#[allow(unsafe_code)]
fn hardware(address: &SockAddr) -> Option<[u8; 6]> {
    if i32::from(address.family()) != libc::AF_PACKET {
        return None;
    }
    // SAFETY: the storage behind the pointer is as large as every kind of address, and its family says that it is this
    // one: plain numbers.
    let link = unsafe { &*address.as_ptr().cast::<libc::sockaddr_ll>() };
    let is_ethernet = link.sll_hatype == libc::ARPHRD_ETHER && link.sll_halen == 6;
    is_ethernet.then(|| link.sll_addr.first_chunk().copied()).flatten()
}
