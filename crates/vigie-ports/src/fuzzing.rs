//! The decoders of packets, for `fuzz/` only: they are otherwise nobody's business but this crate's.

use crate::connect::sys::parse_control;
use crate::discovery::{arp, echo};
use crate::icmp;
use crate::syn::packet;

/// Every decoder of what the network or the kernel may send.
pub fn packets(bytes: &[u8]) {
    for reply in [packet::reply_v4(bytes), packet::reply(bytes)] {
        std::hint::black_box(reply);
    }
    for said in [packet::refusal_v4(bytes), packet::refusal_v6(bytes)].into_iter().flatten() {
        std::hint::black_box(icmp::verdict(said.version, said.kind, said.code));
    }
    if arp::answer(bytes).is_some() {
        assert!(bytes.len() >= 28, "an answer is whole");
    }
    for is_v6 in [false, true] {
        let identifier = bytes.last_chunk().map_or(0, |last| u16::from_be_bytes(*last));
        std::hint::black_box(echo::is_answer(is_v6, bytes, identifier));
    }
    std::hint::black_box(parse_control(bytes));
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_bytes_are_a_panic() {
        let mut rng = fastrand::Rng::with_seed(4);
        let mut bytes = Vec::new();
        for _ in 0..20_000 {
            bytes.resize(rng.usize(..96), 0);
            rng.fill(&mut bytes);
            // Else most would be refused at their first byte: a header of IPv4 or IPv6, and one that is quoted.
            for at in [0, 8, 28] {
                if let Some(byte) = bytes.get_mut(at).filter(|_| rng.bool()) {
                    *byte = if rng.bool() { 0x40 | rng.u8(..16) } else { 0x60 };
                }
            }
            super::packets(&bytes);
        }
    }
}
