//! Echo requests of ICMP (RFC 792) and ICMPv6 (RFC 4443): type, code, checksum, identifier, sequence number, and no data.

/// Length of a request.
const LEN: usize = 8;

/// A request. The kernel fills in the checksum of ICMPv6, which covers addresses.
pub(super) fn ask(is_v6: bool, identifier: u16) -> [u8; LEN] {
    let mut message = [if is_v6 { 128 } else { 8 }, 0, 0, 0, 0, 0, 0, 1];
    message[4..6].copy_from_slice(&identifier.to_be_bytes());
    if !is_v6 {
        let sum: u32 = message.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

/// Whether a packet answers a request with this identifier. IPv4 comes with its header, IPv6 without.
pub(crate) fn is_answer(is_v6: bool, packet: &[u8], identifier: u16) -> bool {
    let message = match is_v6 {
        true => packet,
        false => {
            let len = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
            packet.get(len..).unwrap_or_default()
        }
    };
    let kind = if is_v6 { 129 } else { 0 };
    message.len() >= LEN && message[..2] == [kind, 0] && message[4..6] == identifier.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers() {
        assert_eq!(ask(false, 0x1234), [8, 0, 0xe5, 0xca, 0x12, 0x34, 0, 1]);
        assert_eq!(ask(true, 0x1234), [128, 0, 0, 0, 0x12, 0x34, 0, 1]);
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet.extend([0, 0, 0, 0, 0x12, 0x34, 0, 1]);
        assert!(is_answer(false, &packet, 0x1234));
        assert!(!is_answer(false, &packet, 0x1235));
        assert!((0..packet.len()).all(|len| !is_answer(false, &packet[..len], 0x1234)));
        assert!(is_answer(true, &[129, 0, 9, 9, 0x12, 0x34, 0, 1], 0x1234));
        assert!(!is_answer(true, &[128, 0, 9, 9, 0x12, 0x34, 0, 1], 0x1234), "a question is no answer");
    }
}
