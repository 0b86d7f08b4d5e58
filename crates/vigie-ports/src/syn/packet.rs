//! Segments and ICMP errors as bytes. What comes in is anybody's: nothing of it is trusted.
//!
//! A SYN is the 20 bytes of RFC 9293 and the one option that every real one has:
//!
//! ```text
//!  0 source port   2 destination port   4 sequence number   8 acknowledged
//! 12 length in words << 4   13 flags   14 window   16 checksum   18 urgent
//! 20 maximum segment size: 2, 4, bytes (2)
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Length of the SYNs sent.
const SYN_LEN: usize = 24;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// As large as most systems offer at first.
const WINDOW: u16 = 64_240;

const TCP: u8 = 6;
const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;

/// Routers on the way at most, as Linux has it.
const HOPS: u8 = 64;

/// Flag of IPv4, in the first of the two bytes of flags and offset.
const DO_NOT_FRAGMENT: u8 = 0x40;

/// An answer to a SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(super) from_port: u16,
    pub(super) to_port: u16,
    /// The number of the SYN that it answers.
    pub(super) sequence: u32,
    pub(super) accepts: bool,
}

/// What an ICMP error says, and of which SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// Where the SYN went.
    pub(super) target: IpAddr,
    pub(super) from_port: u16,
    pub(super) to_port: u16,
    pub(super) sequence: u32,
}

/// A SYN from one address and port to another.
fn syn(from: (IpAddr, u16), to: (IpAddr, u16), sequence: u32) -> [u8; SYN_LEN] {
    let mut segment = [0; SYN_LEN];
    segment[0..2].copy_from_slice(&from.1.to_be_bytes());
    segment[2..4].copy_from_slice(&to.1.to_be_bytes());
    segment[4..8].copy_from_slice(&sequence.to_be_bytes());
    segment[12] = (SYN_LEN as u8 / 4) << 4;
    segment[13] = SYN;
    segment[14..16].copy_from_slice(&WINDOW.to_be_bytes());
    let size: u16 = if to.0.is_ipv6() { 1440 } else { 1460 };
    segment[20..22].copy_from_slice(&[2, 4]);
    segment[22..24].copy_from_slice(&size.to_be_bytes());
    let sum = checksum(from.0, to.0, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// A whole packet: header of IPv4 (RFC 791) or IPv6 (RFC 8200), without options, and a SYN.
#[derive(Debug, Clone, Copy)]
pub(super) struct SynPacket {
    bytes: [u8; V6_HEADER + SYN_LEN],
    len: usize,
}

impl SynPacket {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A SYN with its header. The kernel fills in the checksum and the identification of IPv4.
pub(super) fn syn_packet(from: (IpAddr, u16), to: (IpAddr, u16), sequence: u32) -> SynPacket {
    let mut bytes = [0; V6_HEADER + SYN_LEN];
    let header = match (from.0, to.0) {
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            bytes[0] = 6 << 4;
            bytes[4..6].copy_from_slice(&(SYN_LEN as u16).to_be_bytes());
            bytes[6] = TCP;
            bytes[7] = HOPS;
            bytes[8..24].copy_from_slice(&from.octets());
            bytes[24..V6_HEADER].copy_from_slice(&to.octets());
            V6_HEADER
        }
        (from, to) => {
            bytes[0] = 4 << 4 | (V4_HEADER / 4) as u8;
            bytes[2..4].copy_from_slice(&((V4_HEADER + SYN_LEN) as u16).to_be_bytes());
            bytes[6] = DO_NOT_FRAGMENT;
            bytes[8] = HOPS;
            bytes[9] = TCP;
            for (at, address) in [(12, from), (16, to)] {
                if let IpAddr::V4(address) = address {
                    bytes[at..at + 4].copy_from_slice(&address.octets());
                }
            }
            V4_HEADER
        }
    };
    let len = header + SYN_LEN;
    bytes[header..len].copy_from_slice(&syn(from, to, sequence));
    SynPacket { bytes, len }
}

/// The checksum of a segment and its pseudo header (RFC 9293, RFC 8200).
fn checksum(from: IpAddr, to: IpAddr, segment: &[u8]) -> u16 {
    let mut sum = u64::from(TCP) + segment.len() as u64;
    let mut add = |bytes: &[u8]| sum += bytes.chunks(2).map(|pair| u64::from(word(pair))).sum::<u64>();
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => add(&address.octets()),
            IpAddr::V6(address) => add(&address.octets()),
        }
    }
    add(segment);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn word(pair: &[u8]) -> u16 {
    u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])
}

fn port(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// What follows an IPv4 header, with its protocol, sender and receiver.
fn after_v4(packet: &[u8]) -> Option<(u8, Ipv4Addr, Ipv4Addr, &[u8])> {
    let first = *packet.first()?;
    let len = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || len < 20 {
        return None;
    }
    Some((*packet.get(9)?, number(packet, 12)?.into(), number(packet, 16)?.into(), packet.get(len..)?))
}

/// What follows an IPv6 header without extensions: ours had none.
fn after_v6(packet: &[u8]) -> Option<(u8, Ipv6Addr, &[u8])> {
    if packet.first()? >> 4 != 6 {
        return None;
    }
    let to: [u8; 16] = packet.get(24..V6_HEADER)?.try_into().ok()?;
    Some((*packet.get(6)?, to.into(), packet.get(V6_HEADER..)?))
}

/// The answer in a whole IPv4 packet.
pub(crate) fn reply_v4(packet: &[u8]) -> Option<Reply> {
    let (protocol, _, _, segment) = after_v4(packet)?;
    (protocol == TCP).then(|| reply(segment)).flatten()
}

/// The answer in a segment. Both kinds acknowledge the SYN, which counts as one byte.
pub(crate) fn reply(segment: &[u8]) -> Option<Reply> {
    let flags = *segment.get(13)?;
    let accepts = match flags & (SYN | RST | ACK) {
        flags if flags == SYN | ACK => true,
        flags if flags == RST | ACK => false,
        _ => return None,
    };
    Some(Reply {
        from_port: port(segment, 0)?,
        to_port: port(segment, 2)?,
        sequence: number(segment, 8)?.wrapping_sub(1),
        accepts,
    })
}

/// The error in a whole IPv4 packet: its header, eight bytes of ICMP, and our own packet as far as it is quoted.
pub(crate) fn refusal_v4(packet: &[u8]) -> Option<Refusal> {
    let (_, _, _, icmp) = after_v4(packet)?;
    let (protocol, _, target, segment) = after_v4(icmp.get(8..)?)?;
    refusal(4, icmp, protocol, target.into(), segment)
}

/// The error in an ICMPv6 message.
pub(crate) fn refusal_v6(icmp: &[u8]) -> Option<Refusal> {
    let (protocol, target, segment) = after_v6(icmp.get(8..)?)?;
    refusal(6, icmp, protocol, target.into(), segment)
}

fn refusal(version: u8, icmp: &[u8], protocol: u8, target: IpAddr, segment: &[u8]) -> Option<Refusal> {
    let (kind, code) = (*icmp.first()?, *icmp.get(1)?);
    (protocol == TCP).then_some(Refusal {
        version,
        kind,
        code,
        target,
        from_port: port(segment, 0)?,
        to_port: port(segment, 2)?,
        sequence: number(segment, 4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn v4(protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend(rest);
        packet
    }

    #[test]
    fn a_syn_is_these_bytes() {
        let golden = [
            0xa0, 0x00, 0x00, 0x50, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0x60, 0x02, 0xfa, 0xf0, 0x80, 0x36,
            0, 0, 2, 4, 0x05, 0xb4,
        ];
        let segment = syn((HERE, 0xa000), (THERE, 80), 0x1234_5678);
        assert_eq!(segment, golden);
        assert_eq!(checksum(HERE, THERE, &segment), 0, "with its checksum, a segment sums up to nothing");
        let six = |last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]);
        assert_eq!(checksum(six(1), six(2), &syn((six(1), 9), (six(2), 80), 7)), 0);
    }

    /// An answer to a SYN of number 0x12345678.
    fn answered(flags: u8) -> [u8; 20] {
        let mut segment = [0; 20];
        segment[..4].copy_from_slice(&[0, 80, 0xa0, 0]);
        segment[8..12].copy_from_slice(&0x1234_5679u32.to_be_bytes());
        segment[13] = flags;
        segment
    }

    #[test]
    fn answers_are_known_and_nothing_else_is() {
        let expected = |accepts| Reply { from_port: 80, to_port: 0xa000, sequence: 0x1234_5678, accepts };
        assert_eq!(reply(&answered(SYN | ACK)), Some(expected(true)));
        assert_eq!(reply_v4(&v4(TCP, &answered(RST | ACK))), Some(expected(false)));
        for flags in [SYN, ACK, RST, 0, SYN | RST, 0x18] {
            assert_eq!(reply(&answered(flags)), None, "{flags:#x}");
        }
        assert_eq!(reply_v4(&v4(17, &answered(SYN | ACK))), None, "UDP");
    }

    #[test]
    fn errors_are_known_by_the_syn_they_quote() {
        let mut icmp = vec![3, 13, 0, 0, 0, 0, 0, 0];
        icmp.extend(v4(TCP, &syn((HERE, 0xa000), (THERE, 80), 7)[..8]));
        let packet = v4(1, &icmp);
        let expected = Refusal {
            version: 4,
            kind: 3,
            code: 13,
            target: THERE,
            from_port: 0xa000,
            to_port: 80,
            sequence: 7,
        };
        assert_eq!(refusal_v4(&packet), Some(expected));
        for len in 0..packet.len() {
            assert_eq!(refusal_v4(&packet[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn damage_is_no_panic() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..100_000 {
            let mut bytes = vec![0; rng.usize(0..96)];
            rng.fill(&mut bytes);
            if let Some(first) = bytes.first_mut().filter(|_| rng.bool()) {
                *first = if rng.bool() { 0x45 } else { 0x60 };
            }
            let _ = (reply(&bytes), reply_v4(&bytes), refusal_v4(&bytes), refusal_v6(&bytes));
        }
    }
}
