//! Where things lie: blocks in packs, records in the journal.

use super::Index;
use super::keys::{self, Key, RunRow, Tag, take_u64};
use crate::body::Place;
use crate::error::KvError;
use crate::journal::FramePlace;
use crate::kv::{Order, Table};
use vigie_model::{Digest, Incarnation, MachineId, Origin, Seq};

impl Index {
    /// Where a block lies.
    pub(crate) fn place(&self, digest: &Digest) -> Result<Option<Place>, KvError> {
        self.kv()?.get(Table::Blocks, &digest.0)?.map(|row| keys::decode_place(&row)).transpose()
    }

    /// The frame that holds a record, or the last one before it.
    pub(crate) fn frame_of(&self, seq: Seq) -> Result<Option<FramePlace>, KvError> {
        let key = Key::tag(Tag::Frame);
        let to = key.clone().u64(seq.0).through();
        let Some((_, row)) = self.kv()?.first(Table::Misc, &key.low(), &to, Order::Descending)? else {
            return Ok(None);
        };
        let read = || {
            let (segment, rest) = take_u64(&row)?;
            Some(FramePlace { segment: Seq(segment), offset: take_u64(rest)?.0 })
        };
        read().map(Some).ok_or(keys::BAD_MISC)
    }

    /// The journal's number of the record with this origin.
    pub(crate) fn seq_of(&self, origin: &Origin) -> Result<Option<Seq>, KvError> {
        let Some((ordinal, life)) = self.life_of(origin.machine, origin.incarnation)? else {
            return Ok(None);
        };
        let key = Key::tag(Tag::RunByNumber).u32(ordinal).u32(life);
        let to = key.clone().u64(origin.n.0).through();
        let Some((key, row)) = self.kv()?.first(Table::Misc, &key.low(), &to, Order::Descending)? else {
            return Ok(None);
        };
        let (run, (n, _)) = (RunRow::decode(&row)?, take_u64(&key[key.len() - 8..]).ok_or(keys::BAD_MISC)?);
        let after = origin.n.0 - n;
        Ok((after < u64::from(run.count)).then(|| Seq(run.first.0 + after)))
    }

    fn life_of(&self, machine: MachineId, incarnation: Incarnation) -> Result<Option<(u32, u32)>, KvError> {
        let Some(ordinal) = self.ordinal(machine)? else { return Ok(None) };
        // Newest first: that is the one asked for.
        let lives = self.lives(ordinal, Order::Descending)?;
        Ok(lives
            .iter()
            .find(|(_, life)| life.incarnation == incarnation)
            .map(|(number, _)| (ordinal, *number)))
    }
}
