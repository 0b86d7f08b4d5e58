//! Rows of the index, byte by byte. Numbers in keys are big-endian, so that their order is the order of
//! the rows; `seq↓` is a record's number inverted, in 6 bytes, so that the newest comes first.
//!
//! ```text
//! Edges   machine 4 · parent 16 · name · 00 · seq↓      node 16: leads there       01 · node 16: no longer leads there
//! Nodes   machine 4 · node 16 · 1 · seq↓                [metadata, pending]
//!                              · 2 · seq↓               content
//!                              · 3 · seq↓               parent 16 · len 2 · name: a name it got; and with
//!                                                       its first [metadata, pending]
//!                              · 4 · seq↓               1: a directory is unseen; 0: it is seen again
//! Blocks  digest 32                                     kind and codec 1 · pack, offset, stored, raw: varints;
//!                                                       in a bundle also start, len
//! Misc    see [`Tag`]
//! all but Misc   ff ff ff ff                            see [`STAMP`]
//! ```
//! A name has no zero byte, so the zero after it ends it.

use crate::body::Place;
use crate::error::KvError;
use crate::types::Codec;
use vigie_model::bundle::Part;
use vigie_model::{NodeId, Seq, StoredKind, UnixNanos};

/// First byte of the keys of table `Misc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    /// How far the index is: see [`super::apply::Progress`].
    Applied = b'a',
    /// first record 8 → segment 8 · offset 8, one row for each frame with records.
    Frame = b'f',
    /// machine 16 → ordinal 4.
    Machine = b'm',
    /// name → machine 16.
    Named = b'n',
    /// machine 16 → name.
    NameOf = b'o',
    /// ordinal 4 · life 4 → see [`super::apply::Life`]. Lives are incarnations, counted as they come.
    Life = b'i',
    /// ordinal 4 · life 4 · n 8 → [`RunRow`].
    RunByNumber = b'r',
    /// ordinal 4 · life 4 · time 8 · n 8 → [`RunRow`].
    RunByTime = b't',
    /// ordinal 4 · opening record 8 → see [`super::apply::GapRow`].
    Gap = b'g',
    /// group → the payload of its newest [`vigie_model::roles::TermBegun`].
    Term = b'p',
    /// group → the payload of its newest [`vigie_model::roles::TermEnded`].
    TermEnd = b'e',
    /// group → the payload of its newest [`vigie_model::roles::GroupSet`].
    GroupSet = b's',
    /// group · 00 · seq↓ → nothing: every record about the group.
    RoleRecord = b'h',
}

/// What a row of table `Nodes` says.
pub(crate) const META: u8 = 1;
/// See [`META`].
pub(crate) const CONTENT: u8 = 2;
/// See [`META`].
pub(crate) const NAME: u8 = 3;
/// See [`META`].
pub(crate) const UNSEEN: u8 = 4;

pub(crate) const BAD_MISC: KvError = KvError::Row("misc");
pub(crate) const BAD_EDGE: KvError = KvError::Row("edges");
pub(crate) const BAD_NODE: KvError = KvError::Row("nodes");
const BAD_BLOCK: KvError = KvError::Row("blocks");

const SEQ_LEN: usize = 6;

/// The row of every table but `Misc` that holds where the next frame begins: 16 bytes, the same in each. Behind all others, for no
/// machine has that number, and no digest that length.
pub(crate) const STAMP: [u8; 4] = [u8::MAX; 4];

/// Makes a key from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    pub(crate) fn tag(tag: Tag) -> Self {
        Key(vec![tag as u8])
    }

    pub(crate) fn machine(ordinal: u32) -> Self {
        Key(ordinal.to_be_bytes().to_vec())
    }

    pub(crate) fn edge(ordinal: u32, parent: NodeId, name: &[u8]) -> Self {
        Key::machine(ordinal).bytes(&parent.0).bytes(name).byte(0)
    }

    pub(crate) fn node(ordinal: u32, node: NodeId, what: u8) -> Self {
        Key::machine(ordinal).bytes(&node.0).byte(what)
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn byte(self, byte: u8) -> Self {
        self.bytes(&[byte])
    }

    pub(crate) fn u32(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn u64(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn time(self, time: UnixNanos) -> Self {
        self.u64((time.0 ^ i64::MIN) as u64)
    }

    pub(crate) fn role_records(group: &str) -> Self {
        Key::tag(Tag::RoleRecord).bytes(group.as_bytes()).byte(0)
    }

    /// Newest first.
    pub(crate) fn seq_down(self, seq: Seq) -> Self {
        self.bytes(&(!seq.0).to_be_bytes()[8 - SEQ_LEN..])
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }

    /// The least key that begins like this.
    pub(crate) fn low(&self) -> Vec<u8> {
        self.0.clone()
    }

    /// The least key above all that begin like this.
    pub(crate) fn high(&self) -> Vec<u8> {
        let mut key = self.0.clone();
        while key.pop_if(|last| *last == u8::MAX).is_some() {}
        match key.last_mut() {
            Some(last) => *last += 1,
            // Only a key of nothing but 0xff has no successor of its own length; none is made.
            None => key = vec![u8::MAX; self.0.len() + 1],
        }
        key
    }

    /// The least key above this one: the end of a range that includes it.
    pub(crate) fn through(self) -> Vec<u8> {
        self.byte(0).0
    }
}

/// Splits `seq↓` off the end of a key.
pub(crate) fn split_seq(key: &[u8]) -> Option<(&[u8], Seq)> {
    let (rest, tail) = key.split_last_chunk::<SEQ_LEN>()?;
    let mut wide = [0xff; 8];
    wide[8 - SEQ_LEN..].copy_from_slice(tail);
    Some((rest, Seq(!u64::from_be_bytes(wide))))
}

/// What a row of table `Nodes` says of a name that a node got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameRow<'a> {
    /// The directory.
    pub parent: NodeId,
    /// The name there.
    pub name: &'a [u8],
    /// The metadata that was told with it, in CBOR; empty where there was none. Its own row would cost as much again
    /// as all of this one.
    pub meta: &'a [u8],
}

impl<'a> NameRow<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        // No name is longer: roots, the longest, are paths, and those are bounded.
        let len = u16::try_from(self.name.len()).unwrap_or(u16::MAX);
        let name = &self.name[..usize::from(len)];
        [&self.parent.0[..], &len.to_be_bytes(), name, self.meta].concat()
    }

    pub(crate) fn decode(row: &'a [u8]) -> Result<Self, KvError> {
        let read = || {
            let (parent, rest) = row.split_first_chunk()?;
            let (len, rest) = rest.split_first_chunk()?;
            let (name, meta) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
            Some(NameRow { parent: NodeId(*parent), name, meta })
        };
        read().ok_or(BAD_NODE)
    }
}

/// Node, what and number of a row of table `Nodes`, whatever its machine.
pub(crate) fn split_node(key: &[u8]) -> Option<(NodeId, u8, Seq)> {
    let (rest, seq) = split_seq(key)?;
    let (_, rest) = take_u32(rest)?;
    let (what, node) = rest.split_last()?;
    Some((NodeId::from_slice(node)?, *what, seq))
}

/// What one row of table `Edges` says of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EdgeRow {
    /// It leads to this node from here on.
    Leads(NodeId),
    /// It no longer leads to this node; whether it led there is for the reader to see, so that writing
    /// needs no look at what is there.
    Left(NodeId),
}

impl EdgeRow {
    pub(crate) fn encode(self) -> Vec<u8> {
        match self {
            EdgeRow::Leads(node) => node.0.to_vec(),
            EdgeRow::Left(node) => [&[1], &node.0[..]].concat(),
        }
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, KvError> {
        match value {
            [1, node @ ..] if value.len() == 17 => NodeId::from_slice(node).map(EdgeRow::Left),
            node => NodeId::from_slice(node).map(EdgeRow::Leads),
        }
        .ok_or(BAD_EDGE)
    }
}

pub(crate) fn encode_place(place: &Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.push(place.kind.number() << 4 | place.codec.number());
    for number in [u64::from(place.pack), place.offset, u64::from(place.stored_len), u64::from(place.raw_len)]
    {
        put_varint(&mut out, number);
    }
    for number in place.part.into_iter().flat_map(|part| [part.start, part.len]) {
        put_varint(&mut out, u64::from(number));
    }
    out
}

pub(crate) fn decode_place(row: &[u8]) -> Result<Place, KvError> {
    let read = || {
        let (head, rest) = row.split_first()?;
        let (pack, rest) = take_varint(rest)?;
        let (offset, rest) = take_varint(rest)?;
        let (stored_len, rest) = take_varint(rest)?;
        let (raw_len, rest) = take_varint(rest)?;
        let short = |number: u64| u32::try_from(number).ok();
        let kind = StoredKind::from_number(head >> 4)?;
        let (part, rest) = match kind {
            StoredKind::Block(_) => (None, rest),
            StoredKind::Bundle => {
                let (start, rest) = take_varint(rest)?;
                let (len, rest) = take_varint(rest)?;
                (Some(Part { start: short(start)?, len: short(len)? }), rest)
            }
        };
        rest.is_empty().then_some(Place {
            kind,
            pack: short(pack)?,
            offset,
            stored_len: short(stored_len)?,
            raw_len: short(raw_len)?,
            codec: Codec::from_number(head & 0xf)?,
            part,
        })
    };
    read().ok_or(BAD_BLOCK)
}

/// Seven bits a byte, the lowest first; the last byte has its high bit clear.
fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

/// Consecutive records of one machine and life, as they came in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunRow {
    /// Number of the first in the journal.
    pub first: Seq,
    /// How many.
    pub count: u32,
    /// Monotone time of the record before them in this life, if there is one.
    pub before: Option<UnixNanos>,
}

impl RunRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut key = Key(Vec::new()).u64(self.first.0).u32(self.count);
        if let Some(before) = self.before {
            key = key.time(before);
        }
        key.done()
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, KvError> {
        let read = || {
            let (first, rest) = take_u64(row)?;
            let (count, rest) = take_u32(rest)?;
            let before = match rest {
                [] => None,
                _ => Some(time_of(take_u64(rest)?.0)),
            };
            Some(RunRow { first: Seq(first), count, before })
        };
        read().ok_or(BAD_MISC)
    }
}

pub(crate) fn time_of(biased: u64) -> UnixNanos {
    UnixNanos(biased as i64 ^ i64::MIN)
}

pub(crate) fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

pub(crate) fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

pub(crate) fn read_u32(row: &[u8]) -> Result<u32, KvError> {
    take_u32(row).map(|(number, _)| number).ok_or(BAD_MISC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_rows_come_first_and_names_do_not_mix() {
        let key = |name: &[u8], seq| Key::edge(7, NodeId([3; 16]), name).seq_down(Seq(seq)).done();
        assert!(key(b"a", 2) < key(b"a", 1));
        assert!(key(b"a", 1) < key(b"a!", u64::MAX >> 17));
        assert!(key(b"a!", 1) < key(b"b", 9));
        let long = key(b"name", 0x1234_5678_9abc);
        assert_eq!(split_seq(&long).map(|(_, seq)| seq), Some(Seq(0x1234_5678_9abc)));
    }

    #[test]
    fn the_end_of_a_prefix_lies_above_all_its_keys() {
        let key = Key::machine(u32::MAX).bytes(&[0xff; 16]);
        assert!(Key::machine(1).bytes(&[0xff; 300]).done() < Key::machine(1).high());
        assert!(Key::machine(2).done() >= Key::machine(1).high());
        assert!(key.low() < key.high());
    }

    #[test]
    fn rows_go_round_and_short_ones_are_errors() {
        let place = Place {
            kind: StoredKind::LIST,
            pack: 3,
            offset: 1 << 40,
            stored_len: 9,
            raw_len: 10,
            codec: Codec::Zstd,
            part: None,
        };
        let part = Some(Part { start: 1 << 17, len: 300 });
        let bundled = Place { kind: StoredKind::Bundle, part, ..place };
        let run = RunRow { first: Seq(5), count: 6, before: Some(UnixNanos(-7)) };
        assert_eq!(RunRow::decode(&run.encode()).ok(), Some(run));
        for edge in [EdgeRow::Leads(NodeId([1; 16])), EdgeRow::Left(NodeId([1; 16]))] {
            assert_eq!(EdgeRow::decode(&edge.encode()).ok(), Some(edge));
        }
        for place in [place, bundled] {
            assert_eq!(decode_place(&encode_place(&place)).ok(), Some(place));
            for cut in 0..encode_place(&place).len() {
                assert!(decode_place(&encode_place(&place)[..cut]).is_err());
            }
        }
        let name = NameRow { parent: NodeId([7; 16]), name: b"a name", meta: &[1, 2] };
        let row = name.encode();
        assert_eq!(NameRow::decode(&row).ok(), Some(name));
        for cut in 0..row.len() - name.meta.len() {
            assert!(NameRow::decode(&row[..cut]).is_err());
        }
        assert!(RunRow::decode(&[1, 2]).is_err() && EdgeRow::decode(&[1; 15]).is_err());
    }

    #[test]
    fn times_keep_their_order() {
        let key = |t| Key::tag(Tag::RunByTime).time(UnixNanos(t)).done();
        assert!(key(i64::MIN) < key(-1) && key(-1) < key(0) && key(0) < key(i64::MAX));
    }
}
