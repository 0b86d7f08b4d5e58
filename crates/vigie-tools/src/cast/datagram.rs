//! What is sent.
//!
//! A header of 48 bytes, readable in `tcpdump -A` and `socat`, and then the content:
//!
//! ```text
//! offset  bytes
//!      0      3  VC1
//!      3      1  kind: t text, d filler, s start, e end
//!      4      1  blank
//!      5      8  stream, hexadecimal: chosen at random by each sender
//!     13      1  blank
//!     14     16  number, hexadecimal: from 0; of `e`, how many were sent
//!     30      1  blank
//!     31     16  nanoseconds since 1970 by the sender's clock, hexadecimal
//!     47      1  blank
//!     48      …  content
//! ```
//!
//! Hexadecimal digits are lower case. Start and end are sent several times, and have no number of their own.

/// Length of a header, and so of the shortest datagram.
pub const HEADER_BYTES: usize = 48;

const MAGIC: &[u8; 3] = b"VC1";

/// What a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody's words.
    Text,
    /// Only its number and its length matter.
    Filler,
    /// A stream begins: who hears this hears all that follows.
    Start,
    /// A stream is over; the number says how many there were.
    End,
}

/// What stands in front of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is for.
    pub kind: Kind,
    /// Which stream.
    pub stream: u32,
    /// Which of the stream.
    pub number: u64,
    /// When it was sent, by the sender's clock, in nanoseconds since 1970.
    pub sent_ns: u64,
}

impl Kind {
    fn letter(self) -> u8 {
        match self {
            Kind::Text => b't',
            Kind::Filler => b'd',
            Kind::Start => b's',
            Kind::End => b'e',
        }
    }

    fn of_letter(letter: u8) -> Option<Kind> {
        [Kind::Text, Kind::Filler, Kind::Start, Kind::End].into_iter().find(|kind| kind.letter() == letter)
    }
}

impl Header {
    /// The bytes in front of the content.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [b' '; HEADER_BYTES];
        out[..3].copy_from_slice(MAGIC);
        out[3] = self.kind.letter();
        write_hex(&mut out[5..13], u64::from(self.stream));
        write_hex(&mut out[14..30], self.number);
        write_hex(&mut out[31..47], self.sent_ns);
        out
    }

    /// Reads a datagram: its header and its content. None when it is of another kind.
    pub fn decode(datagram: &[u8]) -> Option<(Header, &[u8])> {
        let (header, content) = datagram.split_first_chunk::<HEADER_BYTES>()?;
        let blanks = [4, 13, 30, 47];
        if !header.starts_with(MAGIC) || blanks.iter().any(|&at| header[at] != b' ') {
            return None;
        }
        let header = Header {
            kind: Kind::of_letter(header[3])?,
            stream: u32::try_from(read_hex(&header[5..13])?).ok()?,
            number: read_hex(&header[14..30])?,
            sent_ns: read_hex(&header[31..47])?,
        };
        Some((header, content))
    }
}

fn write_hex(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

/// At most sixteen digits.
fn read_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(nibble))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &[u8] = b"VC1t 0badcafe 000000000000002a 18abcdef01234567 hello";

    fn header() -> Header {
        Header { kind: Kind::Text, stream: 0x0bad_cafe, number: 42, sent_ns: 0x18ab_cdef_0123_4567 }
    }

    #[test]
    fn the_bytes_are_those_that_are_documented() {
        assert_eq!(header().encode().as_slice(), &GOLDEN[..HEADER_BYTES]);
        assert_eq!(Header::decode(GOLDEN), Some((header(), &b"hello"[..])));
        for kind in [Kind::Text, Kind::Filler, Kind::Start, Kind::End] {
            let all = Header { kind, stream: u32::MAX, number: u64::MAX, sent_ns: 0 };
            assert_eq!(Header::decode(&all.encode()), Some((all, &b""[..])));
        }
    }

    #[test]
    fn what_is_cut_or_damaged_is_another_datagram_or_none() {
        for length in 0..HEADER_BYTES {
            assert_eq!(Header::decode(&GOLDEN[..length]), None, "{length}");
        }
        for at in 0..HEADER_BYTES {
            for bit in 0..8 {
                let mut damaged = GOLDEN.to_vec();
                damaged[at] ^= 1 << bit;
                if let Some((read, content)) = Header::decode(&damaged) {
                    assert_ne!(read, header(), "two ways to write one");
                    assert_eq!([&read.encode(), content].concat(), damaged);
                }
            }
        }
    }
}
