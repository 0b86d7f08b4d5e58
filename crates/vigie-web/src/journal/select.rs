//! Which records are wanted.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use vigie_model::roles::RoleEvent;
use vigie_model::{BytePath, FileEvent, Instant, MachineId, Record, Seq, Stream, UnixNanos};
use vigie_store::{InstantError, Store, StoreError};

/// The word for the one kind that [`Stream::MACHINES`] has so far.
const ENROLLED: (u16, &str) = (1, "enrolled");

/// A kind of record, by its word or, when this program has none for it, by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    stream: Stream,
    kind: u16,
}

/// A word that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of record")]
pub struct UnknownKind(pub String);

impl Kind {
    /// The kind of a record.
    pub fn of(record: &Record) -> Self {
        Kind { stream: record.fact.stream, kind: record.fact.kind }
    }

    /// Every kind that has a word.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let roles = RoleEvent::KINDS.iter().map(|(_, word)| *word);
        FileEvent::KINDS.iter().map(|(_, word)| *word).chain([ENROLLED.1]).chain(roles)
    }

    fn word(self) -> Option<&'static str> {
        match self.stream {
            Stream::FILES => FileEvent::KINDS.iter().find(|(n, _)| *n == self.kind).map(|(_, word)| *word),
            Stream::MACHINES => (self.kind == ENROLLED.0).then_some(ENROLLED.1),
            Stream::ROLES => RoleEvent::KINDS.iter().find(|(n, _)| *n == self.kind).map(|(_, word)| *word),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.word() {
            Some(word) => f.write_str(word),
            None => write!(f, "{}/{}", self.stream.0, self.kind),
        }
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        if text == ENROLLED.1 {
            return Ok(Kind { stream: Stream::MACHINES, kind: ENROLLED.0 });
        }
        if let Some((number, _)) = FileEvent::KINDS.iter().find(|(_, word)| *word == text) {
            return Ok(Kind { stream: Stream::FILES, kind: *number });
        }
        if let Some((number, _)) = RoleEvent::KINDS.iter().find(|(_, word)| *word == text) {
            return Ok(Kind { stream: Stream::ROLES, kind: *number });
        }
        let numbers = text.split_once('/').and_then(|(s, k)| Some((s.parse().ok()?, k.parse().ok()?)));
        let (stream, kind) = numbers.ok_or_else(|| UnknownKind(text.to_owned()))?;
        Ok(Kind { stream: Stream(stream), kind })
    }
}

/// From where on records are wanted. A time means, for each machine, what comes after the tree at that time:
/// `log --since T` begins where `ls --at T` ends.
#[derive(Debug)]
pub struct Since {
    at: Instant,
    starts: HashMap<MachineId, Seq>,
}

impl Since {
    /// From this instant on, itself included.
    pub fn new(at: Instant) -> Self {
        Since { at, starts: HashMap::new() }
    }

    /// The first record of a machine that is wanted; none for a machine that has no records yet.
    fn start(&mut self, store: &Store, machine: MachineId) -> Result<Option<Seq>, StoreError> {
        let time = match self.at {
            Instant::Now => return Ok(Some(Seq(1))),
            Instant::Seq(seq) => return Ok(Some(seq)),
            Instant::Time(time) => time,
        };
        if let Some(start) = self.starts.get(&machine) {
            return Ok(Some(*start));
        }
        let before = Instant::Time(UnixNanos(time.0.saturating_sub(1)));
        let start = match store.resolve(machine, before) {
            Ok(at) => at.seq.next(),
            Err(InstantError::Future { last }) => last.next(),
            Err(InstantError::BeforeFirst { first: (first, _) }) => first,
            Err(InstantError::NoRecords(_)) => return Ok(None),
            Err(InstantError::Store(error)) => return Err(error),
        };
        self.starts.insert(machine, start);
        Ok(Some(start))
    }

    /// The first record of any machine that is wanted, up to `last`: found in the index, however long the journal is.
    fn first(&mut self, store: &Store, time: UnixNanos, last: Seq) -> Result<Seq, StoreError> {
        // The hub's own records are received as soon as they are observed, and it is no machine of the list.
        let mut first = first_received(store, time, last)?;
        for (machine, _) in store.machines()? {
            if let Some(start) = self.start(store, machine)? {
                first = first.min(start);
            }
        }
        Ok(first)
    }
}

/// The first record that was received at this time or later, the one behind `last` when none was. Times of receipt
/// never go back, so it can be halved for.
fn first_received(store: &Store, time: UnixNanos, last: Seq) -> Result<Seq, StoreError> {
    let (mut from, mut to) = (Seq(1), last.next());
    while from < to {
        let middle = Seq(from.0.midpoint(to.0));
        let is_later = store.records(middle, 1)?.first().is_none_or(|record| record.received >= time);
        if is_later {
            to = middle;
        } else {
            from = middle.next();
        }
    }
    Ok(from)
}

/// Which records are wanted.
#[derive(Debug)]
pub struct Selection {
    /// Only this machine's.
    pub machine: Option<MachineId>,
    /// Only what is about this path, or about something below it.
    pub below: Option<BytePath>,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Only what is about this group of principal and secondaires.
    pub group: Option<String>,
    /// Only from here on.
    pub since: Since,
}

impl Selection {
    /// Whether every record is wanted, apart from [`Selection::since`].
    pub fn is_all(&self) -> bool {
        self.machine.is_none() && self.below.is_none() && self.kind.is_none() && self.group.is_none()
    }

    /// Whether a record is wanted, as far as its envelope tells; the path is up to the teller.
    pub(super) fn wants(&mut self, store: &Store, record: &Record) -> Result<bool, StoreError> {
        let machine = record.origin.machine;
        Ok(self.kind.is_none_or(|kind| kind == Kind::of(record))
            && self.wants_machine(machine)
            && self.wants_group(record)
            && self.since.start(store, machine)?.is_none_or(|start| record.seq >= start))
    }

    /// Whether records of this machine are wanted at all.
    pub(super) fn wants_machine(&self, machine: MachineId) -> bool {
        self.machine.is_none_or(|wanted| wanted == machine)
    }

    fn wants_group(&self, record: &Record) -> bool {
        let Some(wanted) = &self.group else { return true };
        record.fact.stream == Stream::ROLES
            && RoleEvent::decode(&record.fact).is_ok_and(|event| event.group() == wanted)
    }

    /// No record before this one is wanted, of those up to `last`.
    pub(super) fn first(&mut self, store: &Store, last: Seq) -> Result<Seq, StoreError> {
        match (self.since.at, self.machine) {
            (Instant::Now, _) => Ok(Seq(1)),
            (Instant::Seq(seq), _) => Ok(seq),
            (Instant::Time(_), Some(machine)) => {
                Ok(self.since.start(store, machine)?.unwrap_or_else(|| last.next()))
            }
            (Instant::Time(time), None) => self.since.first(store, time, last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named_as_it_is_asked() {
        for word in Kind::words() {
            assert_eq!(word.parse::<Kind>().unwrap().to_string(), word);
        }
        assert_eq!("7/3".parse::<Kind>().unwrap().to_string(), "7/3");
        assert_eq!("1/5".parse::<Kind>().unwrap().to_string(), "content");
        for bad in ["", "contents", "7/", "7/3/1", "-1/2", "70000/1"] {
            assert_eq!(bad.parse::<Kind>(), Err(UnknownKind(bad.into())));
        }
    }
}
