//! ARP (RFC 826) for IPv4 over Ethernet.
//!
//! ```text
//!  0 hardware: 1   2 protocol: 0x0800   4 length of addresses: 6, 4   6 operation: 1 asks, 2 answers
//!  8 sender's hardware address (6)  14 sender's address (4)  18 target's hardware address (6)  24 target's address (4)
//! ```

use std::net::Ipv4Addr;

/// Length of a message.
const LEN: usize = 28;

const START: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Who has this address?
pub(super) fn ask(hardware: [u8; 6], from: Ipv4Addr, to: Ipv4Addr) -> [u8; LEN] {
    let mut message = [0; LEN];
    message[..6].copy_from_slice(&START);
    message[7] = 1;
    message[8..14].copy_from_slice(&hardware);
    message[14..18].copy_from_slice(&from.octets());
    message[24..28].copy_from_slice(&to.octets());
    message
}

/// Whose address an answer tells.
pub(crate) fn answer(message: &[u8]) -> Option<Ipv4Addr> {
    let message = message.get(..LEN)?;
    let is_answer = message[..6] == START && message[6..8] == [0, 2];
    is_answer.then(|| Ipv4Addr::new(message[14], message[15], message[16], message[17]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers() {
        let (here, there) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let mut message = ask([2, 0, 0, 0, 0, 1], here, there);
        let golden = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
        assert_eq!(message, golden);
        assert_eq!(answer(&message), None, "a question is no answer");
        message[7] = 2;
        assert_eq!(answer(&message), Some(here));
        assert!((0..LEN).all(|len| answer(&message[..len]).is_none()));
    }
}
