//! One record as one line.

use super::paths::{Paths, is_below};
use super::select::Kind;
use crate::limits::DEPTH_MAX;
use crate::messages::LogLine;
use crate::text::{Shown, rfc3339, to_base64};
use std::collections::HashMap;
use vigie_model::machines::Enrolled;
use vigie_model::roles::{GroupSet, RoleEvent};
use vigie_model::{
    BytePath, Content, EdgeName, FileEvent, MachineId, Metadata, PayloadError, Record, Seq, Stream, UnixNanos,
};
use vigie_store::{Store, StoreError};

/// Tells records as lines. They must come in journal order, all of each machine that is told of, so that
/// paths are those of their time.
#[derive(Debug)]
pub struct Teller {
    names: HashMap<MachineId, String>,
    paths: Paths,
}

impl Teller {
    /// A teller that knows the machines of this store by name.
    pub fn new(store: &Store) -> Result<Self, StoreError> {
        let names = store.machines()?.into_iter().collect();
        Ok(Teller { names, paths: Paths::new(store.clone()) })
    }

    /// Forgets the paths it knows, because the next record does not follow the last one it was told.
    pub fn leap(&mut self) {
        self.paths.clear();
    }

    /// Takes a record into account that is not to be told.
    pub fn pass(&mut self, record: &Record) -> Result<(), StoreError> {
        match FileEvent::decode(&record.fact) {
            Ok(event) => self.paths.note(record.origin.machine, record.seq, &event),
            Err(_) => Ok(()),
        }
    }

    /// One record as a line; none when it is about nothing at or below `below`.
    pub fn tell(&mut self, record: &Record, below: Option<&BytePath>) -> Result<Option<LogLine>, StoreError> {
        let mut line = LogLine {
            seq: record.seq.0,
            cursor: super::cursor(record.seq),
            observed: rfc3339(record.fact.observed),
            received: rfc3339(record.received),
            machine_id: record.origin.machine.to_string(),
            kind: Kind::of(record).to_string(),
            ..LogLine::default()
        };
        let wanted = match FileEvent::decode(&record.fact) {
            Ok(event) => self.file_event(record, &event, below, &mut line)?,
            Err(_) if record.fact.stream == Stream::MACHINES => {
                self.enrolment(record, &mut line);
                below.is_none()
            }
            Err(_) if record.fact.stream == Stream::ROLES => {
                self.role(record, &mut line);
                below.is_none()
            }
            Err(why) => {
                unread(record, &why, &mut line);
                // What cannot be read may be about any path of its machine.
                true
            }
        };
        let machine = record.origin.machine;
        line.machine = match self.names.get(&machine) {
            Some(name) => name.clone(),
            // No machine's name can have parentheses.
            None if record.fact.stream.is_of_the_hub() => "(hub)".to_owned(),
            None => machine.to_string(),
        };
        Ok(wanted.then_some(line))
    }

    fn enrolment(&mut self, record: &Record, line: &mut LogLine) {
        match Enrolled::decode(&record.fact) {
            Ok(enrolled) => {
                line.name = Some(enrolled.name.clone());
                line.enrolled_id = Some(enrolled.machine.to_string());
                self.names.insert(enrolled.machine, enrolled.name);
            }
            Err(why) => unread(record, &why, line),
        }
    }

    fn role(&self, record: &Record, line: &mut LogLine) {
        let event = match RoleEvent::decode(&record.fact) {
            Ok(event) => event,
            Err(why) => return unread(record, &why, line),
        };
        let name = |machine: MachineId| {
            Some(self.names.get(&machine).cloned().unwrap_or_else(|| machine.to_string()))
        };
        line.group = Some(event.group().to_owned());
        match event {
            RoleEvent::Begun(begun) => {
                (line.member, line.epoch, line.cause) =
                    (name(begun.machine), Some(begun.epoch.0), Some(begun.cause));
            }
            RoleEvent::Ended(ended) => {
                (line.member, line.epoch, line.cause) =
                    (name(ended.machine), Some(ended.epoch.0), Some(ended.cause));
                line.detection_ms = ended.detection_ms;
            }
            RoleEvent::Set(GroupSet { mode, ttl_ms, preempt, paused, .. }) => {
                let preempt = if preempt { ", preempts" } else { "" };
                let paused = if paused { ", paused" } else { "" };
                line.message = Some(format!("{mode}, lease {ttl_ms} ms{preempt}{paused}"));
            }
            RoleEvent::Barred(remark) | RoleEvent::Asked(remark) => {
                (line.member, line.cause) = (name(remark.machine), Some(remark.why));
            }
        }
    }

    fn file_event(
        &mut self,
        record: &Record,
        event: &FileEvent,
        below: Option<&BytePath>,
        line: &mut LogLine,
    ) -> Result<bool, StoreError> {
        let (machine, seq) = (record.origin.machine, record.seq);
        self.paths.note(machine, seq, event)?;
        let mut places = self.places(machine, seq, event)?;
        let at_or_below = |path: &[u8]| below.is_none_or(|dir| is_below(path, dir.as_bytes()));
        let gap_above = |root: &BytePath| below.is_some_and(|dir| is_below(dir.as_bytes(), root.as_bytes()));
        let wanted = match event {
            FileEvent::GapOpened(g) => at_or_below(g.root.as_bytes()) || gap_above(&g.root),
            FileEvent::GapClosed(g) => at_or_below(g.root.as_bytes()) || gap_above(&g.root),
            _ => {
                // Of several names the one that was asked for is shown.
                let hit = places.names.iter().position(|path| at_or_below(path));
                if let Some(hit) = hit {
                    places.names.swap(0, hit);
                }
                hit.is_some() || places.from.as_deref().is_some_and(at_or_below) || below.is_none()
            }
        };
        // It may be about any path of its machine: it is shown, as what cannot be read is.
        let too_deep = self.paths.take_too_deep() && places.names.is_empty() && places.from.is_none();
        let wanted = wanted || too_deep;
        if wanted {
            self.fill_places(machine, seq, event, places, line)?;
            fill(event, line);
        }
        if too_deep {
            let why =
                format!("its path is not told: it lies deeper than {DEPTH_MAX} directories, or in a circle");
            line.message = Some(why);
        }
        Ok(wanted)
    }

    /// Where the event happens: current paths of its object, and the former one of a rename.
    fn places(&mut self, machine: MachineId, seq: Seq, event: &FileEvent) -> Result<Places, StoreError> {
        let mut from = None;
        let names = match event {
            FileEvent::Created(c) => self.paths.below(machine, c.parent, &c.name, seq)?.into_iter().collect(),
            FileEvent::Removed(r) => self.paths.below(machine, r.parent, &r.name, seq)?.into_iter().collect(),
            FileEvent::Linked(l) => {
                let name = EdgeName::Entry(l.name.clone());
                self.paths.below(machine, l.parent, &name, seq)?.into_iter().collect()
            }
            FileEvent::Renamed(r) => {
                let (old, new) = (EdgeName::Entry(r.from_name.clone()), EdgeName::Entry(r.to_name.clone()));
                from = self.paths.below(machine, r.from_parent, &old, seq)?;
                self.paths.below(machine, r.to_parent, &new, seq)?.into_iter().collect()
            }
            FileEvent::Metadata(m) => self.paths.of_node(machine, m.node, seq)?,
            FileEvent::Content(c) => self.paths.of_node(machine, c.node, seq)?,
            FileEvent::Superseded(s) => self.paths.of_node(machine, s.node, seq)?,
            FileEvent::Unseen(u) => self.paths.of_node(machine, u.node, seq)?,
            FileEvent::Seen(s) => self.paths.of_node(machine, s.node, seq)?,
            FileEvent::GapOpened(g) => vec![g.root.as_bytes().to_vec()],
            FileEvent::GapClosed(g) => vec![g.root.as_bytes().to_vec()],
            FileEvent::Error(e) => vec![e.path.clone()],
        };
        Ok(Places { names, from })
    }

    fn fill_places(
        &mut self,
        machine: MachineId,
        seq: Seq,
        event: &FileEvent,
        places: Places,
        line: &mut LogLine,
    ) -> Result<(), StoreError> {
        let path = places.names.into_iter().next();
        let root = match (event, &path) {
            (FileEvent::GapOpened(g), _) => Some(g.root.clone()),
            (FileEvent::GapClosed(g), _) => Some(g.root.clone()),
            // A root that goes is itself no longer among the roots.
            (FileEvent::Removed(r), _) if matches!(r.name, EdgeName::Root(_)) => {
                BytePath::new(r.name.as_bytes()).ok()
            }
            (_, Some(path)) => self.paths.root_of(machine, path, seq)?,
            (_, None) => None,
        };
        (line.root, line.root_b64) = shown(root.as_ref().map(BytePath::as_bytes));
        (line.path, line.path_b64) = shown(path.as_deref());
        (line.from, line.from_b64) = shown(places.from.as_deref());
        Ok(())
    }
}

/// A fact that no hub has journaled, as a line: without number, machine and root.
pub fn unjournaled(
    event: &FileEvent,
    observed: UnixNanos,
    path: Option<&[u8]>,
    from: Option<&[u8]>,
) -> LogLine {
    let mut line =
        LogLine { observed: rfc3339(observed), kind: event.word().to_owned(), ..LogLine::default() };
    (line.path, line.path_b64) = shown(path);
    (line.from, line.from_b64) = shown(from);
    fill(event, &mut line);
    line
}

struct Places {
    names: Vec<Vec<u8>>,
    from: Option<Vec<u8>>,
}

fn shown(bytes: Option<&[u8]>) -> (Option<String>, Option<String>) {
    match bytes.map(Shown::new) {
        Some(shown) => (Some(shown.text), shown.b64),
        None => (None, None),
    }
}

/// A record that this program cannot read is shown with all that it holds, never hidden.
fn unread(record: &Record, why: &PayloadError, line: &mut LogLine) {
    if matches!(why, PayloadError::Damaged { .. }) {
        line.message = Some(why.to_string());
    }
    line.version = Some(record.fact.version);
    line.payload_b64 = Some(to_base64(&record.fact.payload));
}

/// Everything about an event that needs no path.
fn fill(event: &FileEvent, line: &mut LogLine) {
    let pending = |pending: bool| pending.then_some(true);
    let node = match event {
        FileEvent::Created(c) => {
            fill_meta(&c.meta, line);
            line.pending = pending(c.pending);
            Some(c.node)
        }
        FileEvent::Metadata(m) => {
            fill_meta(&m.meta, line);
            line.pending = pending(m.pending);
            Some(m.node)
        }
        FileEvent::Content(c) => {
            fill_content(&c.content, line);
            line.pending = pending(c.content.pending);
            Some(c.node)
        }
        FileEvent::Removed(r) => Some(r.node),
        FileEvent::Renamed(r) => Some(r.node),
        FileEvent::Linked(l) => Some(l.node),
        FileEvent::Superseded(s) => Some(s.node),
        FileEvent::Unseen(u) => {
            line.cause = Some(u.cause.as_str().to_owned());
            Some(u.node)
        }
        FileEvent::Seen(s) => Some(s.node),
        FileEvent::GapOpened(g) => {
            line.cause = Some(g.cause.as_str().to_owned());
            line.since = g.since.map(rfc3339);
            None
        }
        FileEvent::GapClosed(_) => None,
        FileEvent::Error(e) => {
            line.act = Some(e.act.as_str().to_owned());
            line.errno = Some(e.errno);
            line.message = (e.errno != 0).then(|| std::io::Error::from_raw_os_error(e.errno).to_string());
            None
        }
    };
    line.node = node.map(|node| node.to_string());
}

fn fill_meta(meta: &Metadata, line: &mut LogLine) {
    line.node_type = Some(meta.node_type.as_str().to_owned());
    line.mode = Some(crate::text::octal(meta.mode));
}

fn fill_content(content: &Content, line: &mut LogLine) {
    line.size = Some(content.size);
    line.mode = Some(crate::text::octal(content.mode));
    line.digest = Some(content.digest.to_string());
    line.digest_kind = Some(content.digest_kind.as_str().to_owned());
    line.torn = content.torn.then_some(true);
}
