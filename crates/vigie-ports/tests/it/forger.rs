//! A far end that answers as it likes: it sees every SYN before its kernel does, and sends whole packets of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Protocol, Socket, Type};

pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// `ETH_P_IP` and `ETH_P_IPV6` of linux/if_ether.h, as they are on the wire.
const ETHERTYPES: [u16; 2] = [0x0800_u16.to_be(), 0x86dd_u16.to_be()];

/// Sockets of one family in the namespace of the thread that made them.
pub(crate) struct Forger {
    seen: Socket,
    out: Socket,
    icmp: Socket,
}

/// A SYN that was seen, whole.
pub(crate) struct Seen {
    pub(crate) packet: Vec<u8>,
    /// Who sent it, and to whom.
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) sequence: u32,
}

impl Forger {
    pub(crate) fn new(is_v6: bool) -> Forger {
        let raw = |domain, protocol| Socket::new(domain, Type::RAW, Some(Protocol::from(protocol))).unwrap();
        let ethertype = i32::from(ETHERTYPES[usize::from(is_v6)]);
        let seen = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(ethertype))).unwrap();
        seen.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (domain, icmp) = if is_v6 { (Domain::IPV6, 58) } else { (Domain::IPV4, 1) };
        // 255 is `IPPROTO_RAW`: headers come with the packets (raw(7)).
        Forger { seen, out: raw(domain, 255), icmp: raw(domain, icmp) }
    }

    /// Answers every SYN until it is over.
    pub(crate) fn answer(&self, over: &AtomicBool, answer: impl Fn(&Forger, &Seen)) {
        let mut packet = Vec::with_capacity(2048);
        while !over.load(Ordering::Relaxed) {
            packet.clear();
            match recv(&self.seen, spare_capacity(&mut packet), RecvFlags::empty()) {
                Ok(_) => syn(&packet).iter().for_each(|seen| answer(self, seen)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A segment from anybody to anybody.
    pub(crate) fn segment(&self, from: SocketAddr, to: SocketAddr, acknowledged: u32, flags: u8) {
        let mut segment = vec![0; 20];
        segment[..2].copy_from_slice(&from.port().to_be_bytes());
        segment[2..4].copy_from_slice(&to.port().to_be_bytes());
        segment[8..12].copy_from_slice(&acknowledged.to_be_bytes());
        segment[12] = 5 << 4;
        segment[13] = flags;
        self.tcp(from, to, &segment);
    }

    /// Bytes that say to be TCP.
    pub(crate) fn tcp(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let mut packet = header(from.ip(), to.ip(), bytes.len());
        packet.extend(bytes);
        let to = match to {
            // To a raw IPv6 socket, a port would be a protocol.
            SocketAddr::V6(_) => SocketAddr::new(to.ip(), 0),
            SocketAddr::V4(_) => to,
        };
        self.out.send_to(&packet, &to.into()).unwrap();
    }

    /// An ICMP error, "administratively prohibited", that quotes these bytes.
    pub(crate) fn prohibited(&self, to: IpAddr, quoted: &[u8]) {
        let mut message = if to.is_ipv6() { vec![1, 1] } else { vec![3, 13] };
        message.resize(8, 0);
        message.extend(quoted);
        if to.is_ipv4() {
            let sum: u32 = message
                .chunks(2)
                .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u32::from(*b)))
                .sum();
            let sum = (sum & 0xffff) + (sum >> 16);
            message[2..4].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
        }
        self.icmp.send_to(&message, &SocketAddr::new(to, 0).into()).unwrap();
    }
}

/// Length of a header without options.
pub(crate) fn header_len(is_v6: bool) -> usize {
    if is_v6 { 40 } else { 20 }
}

fn header(from: IpAddr, to: IpAddr, len: usize) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut header = vec![6 << 4, 0, 0, 0];
            header.extend((len as u16).to_be_bytes());
            header.extend([6, 64]);
            header.extend(from.octets().into_iter().chain(to.octets()));
            header
        }
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0];
            header.extend((len as u16 + 20).to_be_bytes());
            header.extend([0, 0, 0, 0, 64, 6, 0, 0]);
            header.extend(from.octets().into_iter().chain(to.octets()));
            header
        }
        _ => panic!("two families"),
    }
}

/// The SYN in a packet, if it is one.
fn syn(packet: &[u8]) -> Option<Seen> {
    let is_v6 = packet.first()? >> 4 == 6;
    let (protocol, segment) = (*packet.get(if is_v6 { 6 } else { 9 })?, packet.get(header_len(is_v6)..)?);
    if protocol != 6 || *segment.get(13)? != SYN {
        return None;
    }
    let address = |at: usize| -> Option<IpAddr> {
        Some(match is_v6 {
            true => <[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?.into(),
            false => <[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?.into(),
        })
    };
    let port = |at: usize| Some(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?));
    let (from, to) = if is_v6 { (address(8)?, address(24)?) } else { (address(12)?, address(16)?) };
    Some(Seen {
        from: SocketAddr::new(from, port(0)?),
        to: SocketAddr::new(to, port(2)?),
        sequence: u32::from_be_bytes(segment.get(4..8)?.try_into().ok()?),
        packet: packet.to_vec(),
    })
}
