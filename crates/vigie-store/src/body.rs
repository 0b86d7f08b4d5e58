//! What one frame of the journal says: the blocks that became durable with it, and its records.
//!
//! ```text
//! body  = [received, [block*], [run*]]
//! block = [digest, kind, pack, offset, stored len, raw len, codec]
//!       | [pack, offset, stored len, raw len, codec, [(digest, start, len)*]]      blocks of one bundle, flat
//! run   = [machine, incarnation, first n, [fact*]]
//! ```

use crate::types::Codec;
use minicbor::{Decode, Decoder, Encode, Encoder};
use vigie_model::bundle::Part;
use vigie_model::{
    AgentRecord, BlockKind, Digest, Incarnation, MachineId, Origin, Record, RecordNo, Seq, StoredKind,
    UnixNanos,
};

/// Where a block lies and how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the raw bytes there are.
    pub kind: StoredKind,
    /// Number of the pack.
    pub pack: u32,
    /// Where the header begins in that pack.
    pub offset: u64,
    /// Length of the stored bytes.
    pub stored_len: u32,
    /// Length of the raw bytes.
    pub raw_len: u32,
    /// How they are stored.
    pub codec: Codec,
    /// Where in a bundle the block is; absent when it lies alone.
    pub part: Option<Part>,
}

impl Place {
    /// What the block is that lies here.
    pub fn block_kind(&self) -> BlockKind {
        match self.kind {
            StoredKind::Block(kind) => kind,
            StoredKind::Bundle => BlockKind::Data,
        }
    }

    /// Whether both lie in the same stored bytes.
    pub fn is_beside(&self, other: &Place) -> bool {
        (self.pack, self.offset) == (other.pack, other.offset)
    }
}

/// Consecutive records of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Run {
    /// Who states them.
    #[n(0)]
    pub machine: MachineId,
    /// In which life.
    #[n(1)]
    pub incarnation: Incarnation,
    /// Number of the first.
    #[n(2)]
    pub first: RecordNo,
    /// The facts.
    #[n(3)]
    pub facts: Vec<AgentRecord>,
}

impl Run {
    /// The origin of the fact at this place.
    pub fn origin(&self, at: usize) -> Origin {
        Origin {
            machine: self.machine,
            incarnation: self.incarnation,
            n: RecordNo(self.first.0.saturating_add(at as u64)),
        }
    }
}

/// Body of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// When the hub got the records.
    pub received: UnixNanos,
    /// Blocks that became durable.
    pub blocks: Vec<(Digest, Place)>,
    /// Records, in order.
    pub runs: Vec<Run>,
}

impl Body {
    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.runs.iter().map(|run| run.facts.len() as u64).sum()
    }

    /// Adds a record, to the last run if it continues it.
    pub fn push(&mut self, origin: Origin, fact: AgentRecord) {
        if let Some(run) = self.runs.last_mut()
            && run.origin(run.facts.len()) == origin
        {
            run.facts.push(fact);
            return;
        }
        let Origin { machine, incarnation, n } = origin;
        self.runs.push(Run { machine, incarnation, first: n, facts: vec![fact] });
    }

    /// The records with their numbers, of which the first is `first`.
    pub fn into_records(self, first: Seq) -> Vec<Record> {
        let received = self.received;
        let mut out = Vec::with_capacity(self.records() as usize);
        for mut run in self.runs {
            let facts = std::mem::take(&mut run.facts);
            for (at, fact) in facts.into_iter().enumerate() {
                let seq = Seq(first.0 + out.len() as u64);
                out.push(Record { seq, origin: run.origin(at), received, fact });
            }
        }
        out
    }

    /// As CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(64 + self.blocks.len() * 64));
        self.write(&mut e).expect("writing CBOR to a vector cannot fail");
        e.into_writer()
    }

    /// The blocks, those of one bundle together.
    fn stored(&self) -> impl Iterator<Item = &[(Digest, Place)]> {
        self.blocks.chunk_by(|(_, a), (_, b)| a.part.is_some() && b.part.is_some() && a.is_beside(b))
    }

    fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        e.array(3)?.encode(self.received)?.array(self.stored().count() as u64)?;
        for blocks in self.stored() {
            write_stored(e, blocks)?;
        }
        e.encode(&self.runs)?;
        Ok(())
    }

    /// Reads CBOR, from anyone; for the journal, tests and fuzzing.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut d = Decoder::new(bytes);
        let body = Self::read(&mut d).map_err(|e| e.to_string())?;
        if d.position() != bytes.len() {
            return Err("bytes follow its body".into());
        }
        Ok(body)
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, minicbor::decode::Error> {
        expect(d, 3)?;
        let received = d.decode()?;
        let count = d.array()?.ok_or_else(|| message("an array without length"))?;
        let mut blocks = Vec::new();
        for _ in 0..count {
            read_stored(d, &mut blocks)?;
        }
        Ok(Body { received, blocks, runs: d.decode()? })
    }
}

fn write_stored(
    e: &mut Encoder<Vec<u8>>,
    blocks: &[(Digest, Place)],
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    let Some((digest, place)) = blocks.first() else { return Ok(()) };
    let place_of = |e: &mut Encoder<Vec<u8>>| {
        e.u32(place.pack)?.u64(place.offset)?.u32(place.stored_len)?.u32(place.raw_len)?;
        e.u8(place.codec.number()).map(|_| ())
    };
    if place.part.is_none() {
        e.array(7)?.encode(digest)?.u8(place.kind.number())?;
        return place_of(e);
    }
    e.array(6)?;
    place_of(e)?;
    e.array(3 * blocks.len() as u64)?;
    for (digest, Place { part, .. }) in blocks {
        let Part { start, len } = part.unwrap_or(Part { start: 0, len: 0 });
        e.encode(digest)?.u32(start)?.u32(len)?;
    }
    Ok(())
}

fn read_stored(
    d: &mut Decoder<'_>,
    blocks: &mut Vec<(Digest, Place)>,
) -> Result<(), minicbor::decode::Error> {
    let alone = match d.array()? {
        Some(7) => {
            let digest = d.decode()?;
            let kind = StoredKind::from_number(d.u8()?).filter(|kind| *kind != StoredKind::Bundle);
            Some((digest, kind.ok_or_else(|| message("a block of an unknown kind"))?))
        }
        Some(6) => None,
        _ => return Err(message("an array of another length")),
    };
    let (pack, offset, stored_len, raw_len) = (d.u32()?, d.u64()?, d.u32()?, d.u32()?);
    let codec = Codec::from_number(d.u8()?).ok_or_else(|| message("a block of an unknown codec"))?;
    let place = |kind, part| Place { kind, pack, offset, stored_len, raw_len, codec, part };
    if let Some((digest, kind)) = alone {
        blocks.push((digest, place(kind, None)));
        return Ok(());
    }
    let count = d.array()?.filter(|count| *count > 0 && count.is_multiple_of(3));
    for _ in 0..count.ok_or_else(|| message("a bundle without blocks, or with half a block"))? / 3 {
        let (digest, part) = (d.decode()?, Part { start: d.u32()?, len: d.u32()? });
        blocks.push((digest, place(StoredKind::Bundle, Some(part))));
    }
    Ok(())
}

fn expect(d: &mut Decoder<'_>, len: u64) -> Result<(), minicbor::decode::Error> {
    if d.array()? == Some(len) { Ok(()) } else { Err(message("an array of another length")) }
}

fn message(text: &'static str) -> minicbor::decode::Error {
    minicbor::decode::Error::message(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundled(digest: u8, offset: u64, start: u32) -> (Digest, Place) {
        let (kind, part) = (StoredKind::Bundle, Some(Part { start, len: 5 }));
        let place = Place { kind, pack: 1, offset, stored_len: 9, raw_len: 21, codec: Codec::Zstd, part };
        (Digest([digest; 32]), place)
    }

    #[test]
    fn golden_bytes_of_bundles() {
        let blocks = vec![bundled(1, 24, 0), bundled(2, 24, 5), bundled(3, 49, 0)];
        let body = Body { received: UnixNanos(0), blocks, runs: vec![] };
        let bytes = body.encode();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let (one, two, three) = ("01".repeat(32), "02".repeat(32), "03".repeat(32));
        assert_eq!(
            hex,
            format!(
                "830082\
                 86011818091501865820{one}00055820{two}0505\
                 86011831091501835820{three}0005\
                 80"
            )
        );
        assert_eq!(Body::decode(&bytes), Ok(body));
        for cut in 0..bytes.len() {
            assert!(Body::decode(&bytes[..cut]).is_err());
        }
        for (at, byte, why) in
            [(9, 0x80, "no blocks"), (9, 0x85, "half a block"), (3, 0x85, "another length")]
        {
            let mut bad = bytes.clone();
            bad[at] = byte;
            assert!(Body::decode(&bad).is_err(), "{why} was taken");
        }
    }
}
