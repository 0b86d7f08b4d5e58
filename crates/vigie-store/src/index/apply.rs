//! Writing the index: one frame of the journal becomes one atomic group of rows. What is needed of earlier
//! frames (the last record of each machine, open gaps) is in memory; all that is read back is what an earlier
//! life of a directory left behind.

use super::keys::{self, CONTENT, EdgeRow, Key, META, NAME, NameRow, RunRow, Tag, UNSEEN};
use super::{Index, Ordinal};
use crate::body::{Body, Run};
use crate::error::KvError;
use crate::journal::Frame;
use crate::kv::{Change, Order, Table};
use crate::limits::OPEN_GAPS_EACH_MAX;
use crate::types::LastOf;
use minicbor::{Decode, Encode};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use vigie_model::files::{Created, GapOpened, Renamed};
use vigie_model::machines::Enrolled;
use vigie_model::roles::RoleEvent;
use vigie_model::{
    AgentRecord, BytePath, EdgeName, FileEvent, GapCause, Incarnation, MachineId, NodeId, NodeType,
    PayloadError, RecordNo, Seq, Stream, UnixNanos,
};

/// Version of all rows. An index of another version is rebuilt.
pub(crate) const INDEX_VERSION: u32 = 8;

/// How far the index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Progress {
    /// Last record applied.
    #[n(0)]
    pub applied: Seq,
    /// Where the next frame begins: segment and offset. (0, 0) before the first.
    #[n(1)]
    pub next: (Seq, u64),
    /// When the last frame was received.
    #[n(2)]
    pub received: UnixNanos,
    /// Distinct blocks.
    #[n(3)]
    pub blocks: u64,
    /// The last pack that was named, and the end of the last block in it.
    #[n(4)]
    pub pack: (u32, u64),
    /// Machines with a number.
    #[n(5)]
    pub machines: u32,
    /// Records of known kinds that could not be read, and are in the journal alone.
    #[n(6)]
    pub unread: u64,
}

impl Progress {
    fn stamp(&self) -> Vec<u8> {
        [self.next.0.0.to_be_bytes(), self.next.1.to_be_bytes()].concat()
    }
}

/// Tables that have a stamp; the row of [`Progress`] itself is that of `Misc`.
const STAMPED: [Table; 3] = [Table::Edges, Table::Nodes, Table::Blocks];

/// One incarnation of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Life {
    /// Its name.
    #[n(0)]
    pub incarnation: Incarnation,
    /// Its first record, with its observed time.
    #[n(1)]
    pub first: (Seq, UnixNanos),
    /// Its last number.
    #[n(2)]
    pub n: RecordNo,
    /// Its last record, with its observed time made monotone.
    #[n(3)]
    pub last: (Seq, UnixNanos),
}

/// A gap as a row.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct GapRow {
    #[n(0)]
    pub root: BytePath,
    #[n(1)]
    pub cause: GapCause,
    #[n(2)]
    pub since: Option<UnixNanos>,
    #[n(3)]
    pub opened: (Seq, UnixNanos),
    #[n(4)]
    pub closed: Option<(Seq, UnixNanos)>,
}

impl GapRow {
    /// From when on changes may be missing: before the record that says so, or at it.
    fn begins(&self) -> UnixNanos {
        self.since.map_or(self.opened.1, |since| since.min(self.opened.1))
    }
}

/// What is in memory of one machine.
#[derive(Debug, Default)]
struct Machine {
    ordinal: Ordinal,
    /// Its newest life, and how many there were before.
    life: Option<(u32, Life)>,
    open_gaps: Vec<GapRow>,
}

/// Turns frames into rows.
#[derive(Debug)]
pub(crate) struct Applier {
    index: Index,
    progress: Progress,
    machines: HashMap<MachineId, Machine>,
    /// The first record that the journal has lost, if any is.
    lost: Option<Seq>,
}

impl Applier {
    /// Begins with the first frame.
    pub(crate) fn fresh(index: Index) -> Self {
        Applier { index, progress: Progress::default(), machines: HashMap::new(), lost: None }
    }

    /// Continues where the index is.
    pub(crate) fn open(index: Index) -> Result<Self, KvError> {
        let progress = match index.kv()?.get(Table::Misc, &Key::tag(Tag::Applied).done())? {
            Some(row) => from_cbor(&row)?,
            None => Progress::default(),
        };
        let mut machines = HashMap::new();
        for (id, ordinal) in index.ordinals()? {
            let life = index.newest_life(ordinal)?;
            let open_gaps = index.gap_rows(ordinal)?.into_iter().filter(|gap| gap.closed.is_none()).collect();
            machines.insert(id, Machine { ordinal, life, open_gaps });
        }
        Ok(Applier { index, progress, machines, lost: None })
    }

    /// Fails unless every table is as old as the others: one that was lost, or put back from earlier, opens fine. And
    /// unless what a start needs can be read.
    pub(crate) fn check(&self) -> Result<(), KvError> {
        let stamp = (self.progress.next.0 != Seq(0)).then(|| self.progress.stamp());
        for table in STAMPED {
            if self.index.kv()?.get(table, &keys::STAMP)? != stamp {
                return Err(KvError::Apart);
            }
        }
        self.incarnations()?;
        self.index.machines()?;
        self.index.groups()?;
        Ok(())
    }

    /// The index it writes.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// How far the index is.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The last record of each machine.
    pub(crate) fn heads(&self) -> impl Iterator<Item = (MachineId, LastOf)> {
        self.machines.iter().filter_map(|(id, machine)| {
            let (_, life) = machine.life?;
            let (seq, observed) = life.last;
            Some((*id, LastOf { incarnation: life.incarnation, n: life.n, seq, observed }))
        })
    }

    /// Every incarnation that a machine ever had.
    pub(crate) fn incarnations(&self) -> Result<HashMap<MachineId, HashSet<Incarnation>>, KvError> {
        let each = self.machines.iter().map(|(id, machine)| {
            let lives = self.index.lives(machine.ordinal, Order::Ascending)?;
            Ok((*id, lives.iter().map(|(_, life)| life.incarnation).collect()))
        });
        each.collect()
    }

    /// Applies the frame that follows, as one atomic write.
    pub(crate) fn apply(&mut self, frame: &Frame) -> Result<(), KvError> {
        let records = frame.body.records();
        let mut changes = Vec::with_capacity(16 + frame.body.blocks.len() + 4 * records as usize);
        self.blocks(&frame.body, &mut changes);
        if records > 0 {
            let place = Key::tag(Tag::Frame).u64(frame.first.0).done();
            let value = frame.place.segment.0.to_be_bytes();
            changes.push((Table::Misc, place, Some([value, frame.place.offset.to_be_bytes()].concat())));
        }
        let mut seq = frame.first;
        let mut begun = HashSet::new();
        for run in &frame.body.runs {
            self.run(run, seq, frame.first, &mut begun, &mut changes)?;
            seq = Seq(seq.0 + run.facts.len() as u64);
        }
        self.progress.applied = Seq(seq.0 - 1);
        self.progress.next = (frame.next.segment, frame.next.offset);
        self.progress.received = frame.body.received;
        changes.push((Table::Misc, Key::tag(Tag::Applied).done(), Some(to_cbor(&self.progress))));
        let stamps = STAMPED.map(|table| (table, keys::STAMP.to_vec(), Some(self.progress.stamp())));
        changes.extend(stamps);
        self.index.kv()?.write(changes)
    }

    fn blocks(&mut self, body: &Body, changes: &mut Vec<Change>) {
        for (digest, place) in &body.blocks {
            changes.push((Table::Blocks, digest.0.to_vec(), Some(keys::encode_place(place))));
            let end = place.offset + crate::pack::BLOCK_HEAD as u64 + u64::from(place.stored_len);
            self.progress.pack = self.progress.pack.max((place.pack, end));
            self.progress.blocks += 1;
        }
    }

    fn run(
        &mut self,
        run: &Run,
        first: Seq,
        frame: Seq,
        begun: &mut HashSet<(MachineId, NodeId)>,
        changes: &mut Vec<Change>,
    ) -> Result<(), KvError> {
        let Some(last) = run.facts.len().checked_sub(1) else { return Ok(()) };
        if self.lost.is_some() && !self.machines.contains_key(&run.machine) {
            self.name_by_id(run.machine, changes)?;
        }
        let machine = self.machines.entry(run.machine).or_insert_with(|| {
            let ordinal = self.progress.machines;
            self.progress.machines += 1;
            let key = Key::tag(Tag::Machine).bytes(&run.machine.0).done();
            changes.push((Table::Misc, key, Some(ordinal.to_be_bytes().to_vec())));
            Machine { ordinal, ..Machine::default() }
        });
        let (number, before) = match &machine.life {
            Some((number, life)) if life.incarnation == run.incarnation => (*number, Some(life.last.1)),
            Some((number, _)) => (number + 1, None),
            None => (0, None),
        };
        let mut time = before;
        let mut begin = None;
        for (at, fact) in run.facts.iter().enumerate() {
            let now = time.map_or(fact.observed, |t| t.max(fact.observed));
            time = Some(now);
            begin = begin.or(time);
            let stamp = (Seq(first.0 + at as u64), now);
            let (index, ordinal) = (&self.index, machine.ordinal);
            let before = Seq(frame.0 - 1);
            let mut rows = Rows { index, machine: run.machine, ordinal, stamp, before, begun, changes };
            if !rows.fact(fact, &mut machine.open_gaps)? {
                self.progress.unread += 1;
            }
        }
        let (Some(begin), Some(time)) = (begin, time) else { return Ok(()) };
        if self.lost.is_some() && machine.life.is_none() {
            changes.push(damage_gap(machine.ordinal, (first, begin)));
        }
        let end = (Seq(first.0 + last as u64), time);
        let life = Life {
            incarnation: run.incarnation,
            first: match &machine.life {
                Some((_, life)) if before.is_some() => life.first,
                _ => (first, begin),
            },
            n: run.origin(last).n,
            last: end,
        };
        machine.life = Some((number, life));
        let row = RunRow { first, count: run.facts.len() as u32, before }.encode();
        let key = |tag| Key::tag(tag).u32(machine.ordinal).u32(number);
        changes.push((Table::Misc, key(Tag::Life).done(), Some(to_cbor(&life))));
        changes.push((Table::Misc, key(Tag::RunByNumber).u64(run.first.0).done(), Some(row.clone())));
        changes.push((Table::Misc, key(Tag::RunByTime).time(begin).u64(run.first.0).done(), Some(row)));
        Ok(())
    }
}

impl Applier {
    /// Records of the journal are lost, from this one on: what each machine had is from then on not known for
    /// certain, whatever its agent says later, for it said that of what the hub knew then.
    pub(crate) fn lose(&mut self, first: Seq, next: Seq) -> Result<(), KvError> {
        self.progress.applied = Seq(next.0 - 1);
        if self.lost.is_some() {
            return Ok(());
        }
        self.lost = Some(first);
        let known =
            self.machines.values().filter_map(|machine| Some((machine.ordinal, machine.life?.1.last.1)));
        let gaps = known.map(|(ordinal, time)| damage_gap(ordinal, (first, time))).collect();
        self.index.kv()?.write(gaps)
    }
}

impl Applier {
    /// A machine whose name may be among what was lost can be asked for by its id.
    fn name_by_id(&self, machine: MachineId, changes: &mut Vec<Change>) -> Result<(), KvError> {
        let name_of = Key::tag(Tag::NameOf).bytes(&machine.0).done();
        let is_named = changes.iter().any(|(table, key, _)| *table == Table::Misc && *key == name_of)
            || self.index.kv()?.get(Table::Misc, &name_of)?.is_some();
        if !is_named {
            let name = machine.to_string().into_bytes();
            let named = Key::tag(Tag::Named).bytes(&name).done();
            changes.push((Table::Misc, named, Some(machine.0.to_vec())));
            changes.push((Table::Misc, name_of, Some(name)));
        }
        Ok(())
    }
}

/// A gap over all of a machine that nothing closes.
fn damage_gap(ordinal: Ordinal, opened: (Seq, UnixNanos)) -> Change {
    let root = BytePath::normalise(b"/").expect("`/` is a path");
    let gap = GapRow { root, cause: GapCause::JournalDamaged, since: Some(opened.1), opened, closed: None };
    // Behind the keys of gaps that a record opened: none of those has a number that long.
    let key = Key::tag(Tag::Gap).u32(ordinal).u64(opened.0.0).byte(0).done();
    (Table::Misc, key, Some(to_cbor(&gap)))
}

/// Rows of one record.
struct Rows<'a> {
    index: &'a Index,
    machine: MachineId,
    ordinal: Ordinal,
    stamp: (Seq, UnixNanos),
    /// The last record before this frame: what is asked of the index is asked as of then, so that applying a frame a
    /// second time gives the same rows.
    before: Seq,
    /// Directories that this frame creates.
    begun: &'a mut HashSet<(MachineId, NodeId)>,
    changes: &'a mut Vec<Change>,
}

impl Rows<'_> {
    /// `false` when the fact is of a kind that is known, and cannot be read. Streams, kinds and versions of a newer
    /// program are no such case: what they say waits in the journal.
    fn fact(&mut self, fact: &AgentRecord, open_gaps: &mut Vec<GapRow>) -> Result<bool, KvError> {
        let unread = match fact.stream {
            Stream::FILES => match FileEvent::decode(fact) {
                Ok(event) => return self.file_event(&event, open_gaps).map(|()| true),
                Err(why) => why,
            },
            Stream::MACHINES => match Enrolled::decode(fact) {
                Ok(enrolled) => {
                    self.enrolled(&enrolled);
                    return Ok(true);
                }
                Err(why) => why,
            },
            Stream::ROLES => match RoleEvent::decode(fact) {
                Ok(event) => {
                    self.role(&event, fact);
                    return Ok(true);
                }
                Err(why) => why,
            },
            _ => return Ok(true),
        };
        Ok(matches!(unread, PayloadError::Unknown { .. }))
    }

    /// Of roles, the index knows what a hub has to know when it starts, and where all the rest is.
    fn role(&mut self, event: &RoleEvent, fact: &AgentRecord) {
        let about = Key::role_records(event.group()).seq_down(self.stamp.0).done();
        self.changes.push((Table::Misc, about, Some(Vec::new())));
        let tag = match event {
            RoleEvent::Begun(_) => Tag::Term,
            RoleEvent::Set(_) => Tag::GroupSet,
            RoleEvent::Ended(_) => Tag::TermEnd,
            RoleEvent::Barred(_) | RoleEvent::Asked(_) => return,
        };
        let key = Key::tag(tag).bytes(event.group().as_bytes()).done();
        self.changes.push((Table::Misc, key, Some(fact.payload.clone())));
    }

    fn file_event(&mut self, event: &FileEvent, open_gaps: &mut Vec<GapRow>) -> Result<(), KvError> {
        match event {
            FileEvent::Created(Created { parent, name, node, meta, pending }) => {
                if meta.node_type == NodeType::Directory {
                    self.begins(*node, name)?;
                }
                self.leads(*parent, name.as_bytes(), *node, &to_cbor(&(meta, pending)));
            }
            FileEvent::Linked(linked) => self.leads(linked.parent, linked.name.as_bytes(), linked.node, &[]),
            FileEvent::Removed(removed) => {
                self.edge(removed.parent, removed.name.as_bytes(), EdgeRow::Left(removed.node))
            }
            FileEvent::Renamed(Renamed { from_parent, from_name, to_parent, to_name, node }) => {
                // A rename onto itself must not take the name away: both rows would have the same key.
                if (from_parent, from_name) != (to_parent, to_name) {
                    self.edge(*from_parent, from_name.as_bytes(), EdgeRow::Left(*node));
                }
                self.leads(*to_parent, to_name.as_bytes(), *node, &[]);
            }
            FileEvent::Metadata(changed) => {
                self.node(changed.node, META, to_cbor(&(&changed.meta, changed.pending)));
            }
            FileEvent::Content(stored) => self.node(stored.node, CONTENT, to_cbor(&stored.content)),
            FileEvent::GapOpened(GapOpened { root, cause, since }) => {
                let (root, cause, since, opened) = (root.clone(), *cause, *since, self.stamp);
                let gap = GapRow { root, cause, since, opened, closed: None };
                let of_root = open_gaps.iter().filter(|open| open.root == gap.root).count();
                let last = open_gaps.iter_mut().rev().find(|open| open.root == gap.root);
                match last.filter(|_| of_root >= OPEN_GAPS_EACH_MAX) {
                    // They close together, and it was open before: it covers both once it begins early enough.
                    Some(last) => {
                        if gap.begins() < last.begins() {
                            last.since = Some(gap.begins());
                            self.gap(last);
                        }
                    }
                    None => {
                        self.gap(&gap);
                        open_gaps.push(gap);
                    }
                }
            }
            FileEvent::GapClosed(closed) => {
                for gap in open_gaps.iter_mut().filter(|gap| gap.root == closed.root) {
                    gap.closed = Some(self.stamp);
                    self.gap(gap);
                }
                open_gaps.retain(|gap| gap.closed.is_none());
            }
            FileEvent::Unseen(unseen) => self.node(unseen.node, UNSEEN, vec![1]),
            FileEvent::Seen(seen) => self.node(seen.node, UNSEEN, vec![0]),
            FileEvent::Error(_) | FileEvent::Superseded(_) => {}
        }
        Ok(())
    }

    /// A directory that is created begins empty: the agent knew nothing of it, nor of any entry. Those that are
    /// recorded are of an earlier life of its node, which lost its last name to another one before the agent ended,
    /// or was a root that was not asked for any more.
    fn begins(&mut self, dir: NodeId, name: &EdgeName) -> Result<(), KvError> {
        let (machine, at) = (self.machine, self.before);
        let begins = self.begun.insert((machine, dir));
        let known = match name {
            EdgeName::Entry(_) => false,
            // A root within a root is declared when it and its entries are known.
            EdgeName::Root(_) => !begins || self.index.path_of(machine, dir, at)?.is_some(),
        };
        if !known {
            for (name, node) in self.index.children(machine, dir, at, None, usize::MAX)? {
                self.edge(dir, name.as_bytes(), EdgeRow::Left(node));
            }
        }
        Ok(())
    }

    fn leads(&mut self, parent: NodeId, name: &[u8], node: NodeId, meta: &[u8]) {
        self.edge(parent, name, EdgeRow::Leads(node));
        self.node(node, NAME, NameRow { parent, name, meta }.encode());
    }

    fn edge(&mut self, parent: NodeId, name: &[u8], row: EdgeRow) {
        let key = Key::edge(self.ordinal, parent, name).seq_down(self.stamp.0).done();
        self.changes.push((Table::Edges, key, Some(row.encode())));
    }

    fn node(&mut self, node: NodeId, what: u8, row: Vec<u8>) {
        let key = Key::node(self.ordinal, node, what).seq_down(self.stamp.0).done();
        self.changes.push((Table::Nodes, key, Some(row)));
    }

    fn gap(&mut self, gap: &GapRow) {
        let key = Key::tag(Tag::Gap).u32(self.ordinal).u64(gap.opened.0.0).done();
        self.changes.push((Table::Misc, key, Some(to_cbor(gap))));
    }

    fn enrolled(&mut self, enrolled: &Enrolled) {
        let Enrolled { machine, name } = enrolled;
        let named = Key::tag(Tag::Named).bytes(name.as_bytes()).done();
        self.changes.push((Table::Misc, named, Some(machine.0.to_vec())));
        let name_of = Key::tag(Tag::NameOf).bytes(&machine.0).done();
        self.changes.push((Table::Misc, name_of, Some(name.clone().into_bytes())));
    }
}

impl Index {
    fn ordinals(&self) -> Result<Vec<(MachineId, Ordinal)>, KvError> {
        let key = Key::tag(Tag::Machine);
        let mut rows = Vec::new();
        self.kv()?.range(Table::Misc, &key.low(), &key.high(), Order::Ascending, &mut |key, value| {
            rows.push((key[1..].to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        let row = |(id, ordinal): (Vec<u8>, Vec<u8>)| {
            Ok((MachineId::from_slice(&id).ok_or(keys::BAD_MISC)?, keys::read_u32(&ordinal)?))
        };
        rows.into_iter().map(row).collect()
    }

    fn newest_life(&self, ordinal: Ordinal) -> Result<Option<(u32, Life)>, KvError> {
        let key = Key::tag(Tag::Life).u32(ordinal);
        let Some((key, row)) = self.kv()?.first(Table::Misc, &key.low(), &key.high(), Order::Descending)?
        else {
            return Ok(None);
        };
        Ok(Some((keys::read_u32(&key[key.len() - 4..])?, from_cbor(&row)?)))
    }
}

pub(crate) fn to_cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("writing CBOR to a vector cannot fail")
}

pub(crate) fn from_cbor<T: for<'b> Decode<'b, ()>>(row: &[u8]) -> Result<T, KvError> {
    minicbor::decode(row).map_err(|_| KvError::Row("cbor"))
}
