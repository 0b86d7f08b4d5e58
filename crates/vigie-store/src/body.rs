//! What one frame of the journal says: the blocks that became durable with it, and its records.
//!
//! ```text
//! body  = [received, [block*], [run*]]
//! block = [digest, kind, pack, offset, stored len, raw len, codec]
//! run   = [machine, incarnation, first n, [fact*]]
//! ```

use crate::types::Codec;
use minicbor::{Decode, Decoder, Encode, Encoder};
use vigie_model::{
    AgentRecord, BlockKind, Digest, Incarnation, MachineId, Origin, Record, RecordNo, Seq, UnixNanos,
};

/// Where a block lies and how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What its raw bytes are.
    pub kind: BlockKind,
    /// Number of the pack.
    pub pack: u32,
    /// Where its header begins in that pack.
    pub offset: u64,
    /// Length of its stored bytes.
    pub stored_len: u32,
    /// Length of its raw bytes.
    pub raw_len: u32,
    /// How it is stored.
    pub codec: Codec,
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

    fn write(
        &self,
        e: &mut Encoder<Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        e.array(3)?.encode(self.received)?.array(self.blocks.len() as u64)?;
        for (digest, place) in &self.blocks {
            e.array(7)?.encode(digest)?.u8(kind_number(place.kind))?.u32(place.pack)?.u64(place.offset)?;
            e.u32(place.stored_len)?.u32(place.raw_len)?.u8(place.codec.number())?;
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
            blocks.push(read_block(d)?);
        }
        Ok(Body { received, blocks, runs: d.decode()? })
    }
}

fn read_block(d: &mut Decoder<'_>) -> Result<(Digest, Place), minicbor::decode::Error> {
    expect(d, 7)?;
    let digest = d.decode()?;
    let kind = kind_from(d.u8()?).ok_or_else(|| message("a block of an unknown kind"))?;
    let (pack, offset, stored_len, raw_len) = (d.u32()?, d.u64()?, d.u32()?, d.u32()?);
    let codec = Codec::from_number(d.u8()?).ok_or_else(|| message("a block of an unknown codec"))?;
    Ok((digest, Place { kind, pack, offset, stored_len, raw_len, codec }))
}

fn expect(d: &mut Decoder<'_>, len: u64) -> Result<(), minicbor::decode::Error> {
    if d.array()? == Some(len) { Ok(()) } else { Err(message("an array of another length")) }
}

fn message(text: &'static str) -> minicbor::decode::Error {
    minicbor::decode::Error::message(text)
}

/// The number of a kind of block in packs and journal.
pub(crate) fn kind_number(kind: BlockKind) -> u8 {
    match kind {
        BlockKind::Data => 0,
        BlockKind::List => 1,
    }
}

/// The kind of block with this number.
pub(crate) fn kind_from(number: u8) -> Option<BlockKind> {
    match number {
        0 => Some(BlockKind::Data),
        1 => Some(BlockKind::List),
        _ => None,
    }
}
