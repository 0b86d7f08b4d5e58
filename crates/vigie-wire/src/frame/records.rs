//! The frame that carries facts. A payload is opaque here: names and paths in it are checked by whoever
//! reads it.

use super::{Body, proto};
use crate::limits::RECORDS_PER_FRAME_MAX;
use vigie_model::limits::PAYLOAD_BYTES_MAX;
use vigie_model::{AgentRecord, RecordNo, Stream, UnixNanos};

/// Consecutive records of the session's incarnation. Those of names travel in the control lane; those of
/// contents in the block lane, behind the last block they need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// Number of the first; the others follow without holes.
    pub first_n: RecordNo,
    /// 1 to [`RECORDS_PER_FRAME_MAX`] records.
    pub records: Vec<AgentRecord>,
}

impl Records {
    /// Bytes that a record adds to a frame, at most.
    pub fn weight(record: &AgentRecord) -> usize {
        // Key and length of the record; key and value of its numbers; key and length of the payload.
        record.payload.len() + (1 + 5) + (1 + 8) + 3 * (1 + 3) + (1 + 5)
    }

    /// Number of the last record.
    pub fn last_n(&self) -> RecordNo {
        RecordNo(self.first_n.0.saturating_add(self.records.len() as u64).saturating_sub(1))
    }
}

/// Field number of the repeated records, for the count that comes before any memory is taken.
pub(super) const RECORDS_FIELD: u32 = 2;

impl Body for Records {
    type Proto = proto::Records;

    fn to_proto(&self) -> proto::Records {
        let record = |r: &AgentRecord| proto::Record {
            observed: r.observed.0,
            stream: r.stream.0.into(),
            kind: r.kind.into(),
            version: r.version.into(),
            payload: r.payload.clone(),
        };
        proto::Records { first_n: self.first_n.0, records: self.records.iter().map(record).collect() }
    }

    fn from_proto(p: proto::Records) -> Result<Self, &'static str> {
        let count = p.records.len();
        if count == 0 || count > RECORDS_PER_FRAME_MAX {
            return Err("it has no record or too many");
        }
        if p.first_n == 0 || p.first_n.checked_add(count as u64).is_none() {
            return Err("its records have impossible numbers");
        }
        let records = p.records.into_iter().map(record).collect::<Result<_, _>>()?;
        Ok(Records { first_n: RecordNo(p.first_n), records })
    }
}

fn record(p: proto::Record) -> Result<AgentRecord, &'static str> {
    if p.payload.len() > PAYLOAD_BYTES_MAX {
        return Err("a record's payload is too long");
    }
    let small = |number: u32| u16::try_from(number).map_err(|_| "a number of a record is too large");
    Ok(AgentRecord {
        observed: UnixNanos(p.observed),
        stream: Stream(small(p.stream)?),
        kind: small(p.kind)?,
        version: small(p.version)?,
        payload: p.payload,
    })
}
