//! Reading records back from the journal, and instants with them.

use crate::error::{InstantError, StoreError};
use crate::index::TimeAt;
use crate::shared::Shared;
use crate::types::{At, Gap};
use vigie_model::{Instant, MachineId, Record, Seq, UnixNanos};

impl Shared {
    /// Up to `limit` records from number `from` on, up to the tail.
    pub(crate) fn records(&self, from: Seq, limit: usize) -> Result<Vec<Record>, StoreError> {
        let from = from.max(Seq(1));
        let tail = self.tail();
        let mut out = Vec::new();
        if from > tail || limit == 0 {
            return Ok(out);
        }
        // Before the first frame that can be read there is none.
        let mut place = self.index.frame_of(from)?.unwrap_or_else(|| self.journal.start());
        let end = Seq(from.0.saturating_add(limit as u64)).min(tail.next());
        while let Some(frame) = self.journal.read(place)? {
            if frame.first >= end {
                break;
            }
            let records = frame.body.into_records(frame.first);
            out.extend(records.into_iter().filter(|record| from <= record.seq && record.seq < end));
            place = frame.next;
            if out.len() >= limit {
                break;
            }
        }
        Ok(out)
    }

    /// Finds an instant and its gaps.
    pub(crate) fn resolve(&self, machine: MachineId, at: Instant) -> Result<At, InstantError> {
        let tail = self.tail();
        let first = self.index.first_of(machine).map_err(StoreError::from)?;
        let Some(first) = first.filter(|first| first.0 <= tail) else {
            return Err(InstantError::NoRecords(machine));
        };
        let gaps = self.index.gaps(machine).map_err(StoreError::from)?;
        let inside = |covers: &dyn Fn(&Gap) -> bool| gaps.iter().filter(|gap| covers(gap)).cloned().collect();
        match at {
            Instant::Now => Ok(At { seq: tail, inside: inside(&|gap| gap.covers_seq(tail)) }),
            Instant::Seq(seq) if seq < first.0 => Err(InstantError::BeforeFirst { first }),
            Instant::Seq(seq) if seq > tail => Err(InstantError::Future { last: tail }),
            Instant::Seq(seq) => Ok(At { seq, inside: inside(&|gap| gap.covers_seq(seq)) }),
            Instant::Time(time) => {
                let seq = self.resolve_time(machine, time)?;
                Ok(At { seq, inside: inside(&|gap| gap.covers_time(time)) })
            }
        }
    }

    fn resolve_time(&self, machine: MachineId, time: UnixNanos) -> Result<Seq, InstantError> {
        let found = self.index.find_time(machine, time).map_err(StoreError::from)?;
        let run = match found {
            TimeAt::NoRecords => return Err(InstantError::NoRecords(machine)),
            TimeAt::Before(first) => return Err(InstantError::BeforeFirst { first }),
            TimeAt::In(run) => run,
        };
        if let Some(last) = self.head(machine) {
            // A machine's clock may run ahead of the hub's: what it has told already is no future.
            if time > last.observed.max(self.clock.wall()) {
                return Err(InstantError::Future { last: last.seq.min(self.tail()) });
            }
        }
        let mut at = run.first;
        let mut now = run.before;
        for record in self.records(run.first, run.count as usize)? {
            let observed = record.fact.observed;
            let observed = now.map_or(observed, |now| now.max(observed));
            if observed > time {
                break;
            }
            (at, now) = (record.seq, Some(observed));
        }
        Ok(at)
    }
}
