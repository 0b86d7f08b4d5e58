//! The two languages that a meter speaks.

use serde::Serialize;
use std::fmt;

/// The two modes of the customer's output of a French meter ("TIC").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// That of the electronic meters before Linky, which Linky speaks unless its supplier has it changed.
    Historic,
    /// That of Linky alone: more values, with units in whole VA and times.
    Standard,
}

impl Mode {
    /// Speed of the line in bits a second.
    #[must_use]
    pub fn baud(self) -> u32 {
        match self {
            Mode::Historic => 1200,
            Mode::Standard => 9600,
        }
    }

    /// What stands between the fields of a group.
    #[must_use]
    pub fn separator(self) -> u8 {
        match self {
            Mode::Historic => b' ',
            Mode::Standard => b'\t',
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Historic => "historic",
            Mode::Standard => "standard",
        })
    }
}

/// What the eighth bit of a byte says. The line has seven data bits and one of even parity; read as eight data bits, the
/// eighth *is* the parity, on any UART, and is checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// Even parity: a byte with an odd number of ones is damaged.
    Even,
    /// Something between meter and reader took the parity away: the bit is zero, or the byte is damaged.
    Stripped,
}

impl Parity {
    /// The seven bits of a byte, or nothing if it is damaged.
    #[must_use]
    pub fn strip(self, byte: u8) -> Option<u8> {
        let is_whole = match self {
            Parity::Even => byte.count_ones().is_multiple_of(2),
            Parity::Stripped => byte < 0x80,
        };
        is_whole.then_some(byte & 0x7F)
    }

    /// A byte of seven bits as it is sent.
    #[must_use]
    pub fn dress(self, byte: u8) -> u8 {
        match self {
            Parity::Even if !byte.count_ones().is_multiple_of(2) => byte | 0x80,
            _ => byte,
        }
    }
}

/// Checksum of a group: the sum of its bytes, six bits of it, as a printable character. What is summed up includes the last
/// separator in standard mode only (Enedis-NOI-CPT_54E).
#[must_use]
pub fn checksum(bytes: &[u8]) -> u8 {
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    (sum & 0x3F) + 0x20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parity_finds_every_single_flip_and_keeps_the_rest() {
        for byte in 0..0x80_u8 {
            let sent = Parity::Even.dress(byte);
            assert_eq!(Parity::Even.strip(sent), Some(byte));
            for bit in 0..8 {
                assert_eq!(Parity::Even.strip(sent ^ (1 << bit)), None);
            }
        }
        assert_eq!(Parity::Stripped.strip(0xC1), None);
        assert_eq!(Parity::Stripped.dress(0x31), 0x31);
    }

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        assert_eq!(checksum(b"ADCO 012345678901"), b'E');
        assert_eq!(checksum(b"PTEC HP.."), b' ');
        assert_eq!(checksum(b"IRMS1\t003\t"), b'1');
    }
}
