//! What hub and agent answer each other's questions with.

use crate::ids::{Incarnation, RecordNo};
use minicbor::{Decode, Encode};

/// An agent's answer to a flush: once this record is durable on the hub, so is every change before the
/// question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Flushed {
    /// The agent's life that the number belongs to.
    #[n(0)]
    pub incarnation: Incarnation,
    /// Number of the last record that the question is about; 0 when there is none.
    #[n(1)]
    pub n: RecordNo,
}

impl Flushed {
    /// The answer's bytes.
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing CBOR to a vector cannot fail")
    }

    /// Reads an answer, from anyone; `None` when it is not one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        minicbor::decode(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes_round_trip_and_damage() {
        let flushed = Flushed { incarnation: Incarnation(3), n: RecordNo(500) };
        let bytes = flushed.encode();
        assert_eq!(bytes, [0x82, 0x03, 0x19, 0x01, 0xf4]);
        assert_eq!(Flushed::decode(&bytes), Some(flushed));
        assert!((0..bytes.len()).all(|cut| Flushed::decode(&bytes[..cut]).is_none()));
    }
}
