//! Bytes of journal segments. Pure: no I/O. The layout and its reasons are in `docs/format.md`.
//!
//! ```text
//! segment = head 48 · frame*
//! head    = magic 8 · version u32 · crc u32 · first u64 · prev first u64 · prev len u64 · salt u64
//! frame   = body len u32 · raw len u32 · first u64 · records u32 · codec u8 · 0 u8×3 · body crc u32 · head crc u32 · body
//! ```

use crate::body::Body;
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::types::Codec;
use crate::zstd_codec::{self, Effort};
use vigie_model::Seq;

/// Length of the head of a segment.
pub(crate) const SEGMENT_HEAD: usize = 48;
/// Length of the head of a frame.
pub(crate) const FRAME_HEAD: usize = 32;

const MAGIC: &[u8; 8] = b"VIGIEJNL";
const VERSION: u32 = 1;
const HEAD_CRC_AT: usize = 28;

/// Why bytes are not a segment's head or a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end before the frame does.
    #[error("it is cut off")]
    Short,
    /// The head is not what was written.
    #[error("the checksum of its head is wrong")]
    Head,
    /// The body is not what was written.
    #[error("the checksum of its body is wrong")]
    Body,
    /// A version this program does not know.
    #[error("its version {0} is unknown")]
    Version(u32),
    /// It does not follow the one before it.
    #[error("it begins with record #{found}, where #{expected} would follow")]
    Order {
        /// What it says.
        found: Seq,
        /// What would follow.
        expected: Seq,
    },
    /// Checksums are right, and yet it cannot be read.
    #[error("it cannot be decoded: {0}")]
    Decode(String),
}

/// Head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    /// Number of its first record.
    pub first: Seq,
    /// `first` of the segment before it; 0 for the very first.
    pub previous_first: Seq,
    /// Length of the segment before it, in bytes.
    pub previous_len: u64,
    /// Begins every checksum of the segment's frames.
    pub salt: u64,
}

impl SegmentHead {
    /// Its bytes.
    pub fn encode(&self) -> [u8; SEGMENT_HEAD] {
        let mut out = [0; SEGMENT_HEAD];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.previous_first.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.previous_len.to_le_bytes());
        out[40..48].copy_from_slice(&self.salt.to_le_bytes());
        let crc = Self::crc(&out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the first bytes of a file.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let Some(head) = bytes.first_chunk::<SEGMENT_HEAD>() else { return Err(FrameError::Short) };
        if &head[..8] != MAGIC || le32(head, 12) != Self::crc(head) {
            return Err(FrameError::Head);
        }
        if le32(head, 8) != VERSION {
            return Err(FrameError::Version(le32(head, 8)));
        }
        Ok(SegmentHead {
            first: Seq(le64(head, 16)),
            previous_first: Seq(le64(head, 24)),
            previous_len: le64(head, 32),
            salt: le64(head, 40),
        })
    }

    fn crc(head: &[u8; SEGMENT_HEAD]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&head[8..12]), &head[16..])
    }
}

/// Head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Length of the body as stored.
    pub body_len: u32,
    /// Length of the body as CBOR.
    pub raw_len: u32,
    /// Number of its first record.
    pub first: Seq,
    /// How many records it has.
    pub records: u32,
    /// How the body is stored.
    pub codec: Codec,
    body_crc: u32,
}

impl FrameHead {
    /// Reads and checks the head of a frame.
    pub fn decode(bytes: &[u8], salt: u64) -> Result<Self, FrameError> {
        let Some(head) = bytes.first_chunk::<FRAME_HEAD>() else { return Err(FrameError::Short) };
        if le32(head, HEAD_CRC_AT) != salted(salt, &head[..HEAD_CRC_AT]) {
            return Err(FrameError::Head);
        }
        let codec = Codec::from_number(head[20])
            .ok_or_else(|| FrameError::Decode(format!("codec {} is unknown", head[20])))?;
        let (body_len, raw_len) = (le32(head, 0), le32(head, 4));
        if body_len.max(raw_len) as usize > FRAME_BODY_BYTES_MAX {
            return Err(FrameError::Decode(format!("a body of {raw_len} bytes is too large")));
        }
        let (first, records) = (Seq(le64(head, 8)), le32(head, 16));
        if first.0.checked_add(u64::from(records)).is_none() {
            return Err(FrameError::Decode("its numbers are impossible".into()));
        }
        Ok(FrameHead { body_len, raw_len, first, records, codec, body_crc: le32(head, 24) })
    }

    /// Length of the whole frame.
    pub fn frame_len(&self) -> u64 {
        FRAME_HEAD as u64 + u64::from(self.body_len)
    }

    /// Number of the record that follows the frame.
    pub fn next(&self) -> Seq {
        Seq(self.first.0 + u64::from(self.records))
    }

    /// Checks the stored body without reading it.
    pub fn check_body(&self, body: &[u8], salt: u64) -> Result<(), FrameError> {
        if body.len() != self.body_len as usize {
            return Err(FrameError::Short);
        }
        if salted(salt, body) == self.body_crc { Ok(()) } else { Err(FrameError::Body) }
    }

    /// Checks and reads the body.
    pub fn open_body(&self, body: &[u8], salt: u64) -> Result<Body, FrameError> {
        self.check_body(body, salt)?;
        let raw;
        let raw = match self.codec {
            Codec::Raw => body,
            Codec::Zstd => {
                raw = zstd_codec::decompress(body, self.raw_len as usize)
                    .map_err(|e| FrameError::Decode(e.to_string()))?;
                &raw[..]
            }
        };
        if raw.len() != self.raw_len as usize {
            return Err(FrameError::Decode("its body has another length than it says".into()));
        }
        let body = Body::decode(raw).map_err(FrameError::Decode)?;
        if body.records() != u64::from(self.records) {
            return Err(FrameError::Decode("it has another number of records than it says".into()));
        }
        Ok(body)
    }
}

/// Why a frame cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame's body of {0} bytes is too large")]
pub struct FrameTooLarge(pub usize);

/// The bytes of a frame.
pub fn encode_frame(first: Seq, body: &Body, salt: u64) -> Result<Vec<u8>, FrameTooLarge> {
    let raw = body.encode();
    if raw.len() > FRAME_BODY_BYTES_MAX {
        return Err(FrameTooLarge(raw.len()));
    }
    let packed = zstd_codec::compress(Effort::Usual, &raw);
    let (codec, stored) = match &packed {
        Some(packed) => (Codec::Zstd, packed),
        None => (Codec::Raw, &raw),
    };
    let mut out = vec![0; FRAME_HEAD];
    out.reserve_exact(stored.len());
    out[0..4].copy_from_slice(&(stored.len() as u32).to_le_bytes());
    out[4..8].copy_from_slice(&(raw.len() as u32).to_le_bytes());
    out[8..16].copy_from_slice(&first.0.to_le_bytes());
    out[16..20].copy_from_slice(&(body.records() as u32).to_le_bytes());
    out[20] = codec.number();
    out[24..28].copy_from_slice(&salted(salt, stored).to_le_bytes());
    let crc = salted(salt, &out[..HEAD_CRC_AT]);
    out[HEAD_CRC_AT..FRAME_HEAD].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(stored);
    Ok(out)
}

/// Reads one whole frame, from anyone; for tests and fuzzing.
pub fn decode_frame(bytes: &[u8], salt: u64) -> Result<(FrameHead, Body), FrameError> {
    let head = FrameHead::decode(bytes, salt)?;
    let body = bytes[FRAME_HEAD..].get(..head.body_len as usize).ok_or(FrameError::Short)?;
    Ok((head, head.open_body(body, salt)?))
}

fn salted(salt: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), bytes)
}

pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{Place, Run};
    use vigie_model::{AgentRecord, Digest, Incarnation, MachineId, RecordNo, StoredKind, Stream, UnixNanos};

    const SALT: u64 = 0x0123_4567_89ab_cdef;

    fn body() -> Body {
        let place = Place {
            kind: StoredKind::LIST,
            pack: 2,
            offset: 24,
            stored_len: 9,
            raw_len: 12,
            codec: Codec::Zstd,
            part: None,
        };
        let fact = AgentRecord {
            observed: UnixNanos(-5),
            stream: Stream::NOTES,
            kind: 3,
            version: 1,
            payload: vec![0xaa; 3],
        };
        let run = Run {
            machine: MachineId([1; 16]),
            incarnation: Incarnation(7),
            first: RecordNo(9),
            facts: vec![fact.clone(), fact],
        };
        Body { received: UnixNanos(1000), blocks: vec![(Digest([2; 32]), place)], runs: vec![run] }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn golden_bytes_of_a_segment_head() {
        let head = SegmentHead { first: Seq(0x1122), previous_first: Seq(3), previous_len: 0x44, salt: SALT };
        let bytes = head.encode();
        assert_eq!(&bytes[..8], b"VIGIEJNL");
        assert_eq!(
            hex(&bytes[8..]),
            "01000000181894482211000000000000030000000000000044000000000000\
             00efcdab8967452301"
        );
        assert_eq!(SegmentHead::decode(&bytes), Ok(head));
        for cut in 0..bytes.len() {
            assert_eq!(SegmentHead::decode(&bytes[..cut]), Err(FrameError::Short));
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHead::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn golden_bytes_of_a_body() {
        let bytes = body().encode();
        let digest = "02".repeat(32);
        let machine = "01".repeat(16);
        let fact = "8524070301".to_owned() + "43aaaaaa";
        assert_eq!(
            hex(&bytes),
            format!("831903e881875820{digest}01021818090c01818450{machine}070982{fact}{fact}")
        );
        assert_eq!(Body::decode(&bytes), Ok(body()));
        for cut in 0..bytes.len() {
            assert!(Body::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Body::decode(&[&bytes[..], &[0]].concat()).is_err(), "bytes follow");
        for at in 0..bytes.len() {
            for flip in [1, 0x20, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                let _ = Body::decode(&bad);
            }
        }
    }

    #[test]
    fn frames_go_round_and_damage_is_always_seen() {
        let body = body();
        let bytes = encode_frame(Seq(40), &body, SALT).unwrap();
        let (head, back) = decode_frame(&bytes, SALT).unwrap();
        assert_eq!((head.first, head.records, head.next()), (Seq(40), 2, Seq(42)));
        assert_eq!((head.frame_len(), back), (bytes.len() as u64, body));
        for cut in 0..bytes.len() {
            assert!(decode_frame(&bytes[..cut], SALT).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_frame(&bad, SALT).is_err(), "bit {bit}");
        }
        assert_eq!(decode_frame(&bytes, SALT + 1).unwrap_err(), FrameError::Head, "of another segment");
    }

    #[test]
    fn numbers_follow_the_runs() {
        let records = body().into_records(Seq(5));
        let told: Vec<_> = records.iter().map(|r| (r.seq.0, r.origin.n.0, r.received.0)).collect();
        assert_eq!(told, [(5, 9, 1000), (6, 10, 1000)]);
    }
}
