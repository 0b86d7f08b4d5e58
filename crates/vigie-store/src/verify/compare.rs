//! The index compared with the journal: every frame is applied once more, and what would be written is looked for
//! instead. What frames write once must be there at once; what later frames write over is compared at the end. Rows
//! that nothing explains are found by counting.

use crate::body::Place;
use crate::error::{KvError, StoreError, explain};
use crate::index::Index;
use crate::index::apply::Applier;
use crate::index::keys::{self, Tag};
use crate::journal::{Frame, FramePlace};
use crate::kv::{Change, Kv, Order, Table, Visit};
use crate::limits::{VERIFY_ROUNDS_MAX, VERIFY_ROWS_BYTES_MAX};
use crate::shared::Shared;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vigie_model::Seq;

/// Rows that are read between two questions whether to go on.
const ASK_EVERY: u64 = 65_536;

/// Behind every key.
const END: [u8; 64] = [u8::MAX; 64];

/// A comparison under way. It takes frames as the walk meets them, and ends at the first thing that is wrong: then the
/// whole index is built anew.
pub(super) struct Compare<'a> {
    shared: &'a Shared,
    rows: Arc<Rows>,
    applier: Applier,
    next: FramePlace,
}

impl<'a> Compare<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        let rows = Arc::new(Rows { index: shared.index.clone(), state: Mutex::default() });
        let applier = Applier::fresh(Index::new(rows.clone()));
        Compare { shared, rows, applier, next: shared.journal.start() }
    }

    /// Looks for what a frame wrote. Says what is wrong.
    pub(super) fn frame(&mut self, frame: &Frame) -> Result<(), String> {
        self.next = frame.next;
        self.applier.apply(frame).map_err(|e| explain(&e))?;
        self.rows.lock().wrong.take().map_or(Ok(()), Err)
    }

    /// Compares what was written over, and reads every row. `Ok(Some(why))` when something is wrong.
    pub(super) fn finish(mut self, go_on: &mut dyn FnMut() -> bool) -> Result<Option<String>, StoreError> {
        match self.newest() {
            Err(why) => return Ok(Some(why)),
            Ok(false) => tracing::info!("the index grew too fast for all of it to be compared"),
            Ok(true) => {}
        }
        let up_to = self.applier.progress().applied;
        let (edges, nodes) = {
            let state = self.rows.lock();
            (state.edges, state.nodes)
        };
        for (table, expected) in [
            (Table::Edges, Some(edges)),
            (Table::Nodes, Some(nodes)),
            (Table::Blocks, None),
            (Table::Misc, None),
        ] {
            match self.count(table, up_to, go_on) {
                Err(why) => return Ok(Some(explain(&why))),
                Ok(None) => return Err(StoreError::Stopped),
                Ok(Some(found)) if expected.is_some_and(|expected| expected != found) => {
                    let (table, expected) = (table.name(), expected.unwrap_or_default());
                    return Ok(Some(format!(
                        "table `{table}` has {found} rows, and the journal makes {expected}"
                    )));
                }
                Ok(Some(_)) => {}
            }
        }
        Ok(None)
    }

    /// Compares the rows that are written over, at a moment in which both have applied the same. `false` when there is
    /// none.
    fn newest(&mut self) -> Result<bool, String> {
        for _ in 0..VERIFY_ROUNDS_MAX {
            while self.applier.progress().applied < self.shared.tail() {
                let frame = self.shared.journal.read(self.next).map_err(|e| explain(&e))?;
                let Some(frame) = frame else { break };
                self.frame(&frame)?;
            }
            let rows = {
                let state = self.rows.lock();
                if state.too_many {
                    return Ok(false);
                }
                state.newest.clone()
            };
            let different = self.rows.first_different(&rows).map_err(|e| explain(&e))?;
            if self.shared.tail() == self.applier.progress().applied {
                return different.map_or(Ok(true), Err);
            }
        }
        Ok(false)
    }

    /// Reads every row of a table; gives the number of those that are not newer than `up_to`. `None` when stopped.
    fn count(
        &self,
        table: Table,
        up_to: Seq,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u64>, KvError> {
        let (mut read, mut found, mut stopped) = (0_u64, 0, false);
        self.shared.index.kv()?.range(table, &[], &END, Order::Ascending, &mut |key, _| {
            read += 1;
            let is_old = keys::split_seq(key).is_some_and(|(_, seq)| seq <= up_to);
            if is_old && key != keys::STAMP {
                found += 1;
            }
            stopped = read.is_multiple_of(ASK_EVERY) && !go_on();
            if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((!stopped).then_some(found))
    }
}

/// The index as the applier of a comparison sees it: it reads what is there, and what it writes is compared.
#[derive(Debug)]
struct Rows {
    index: Index,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Newest values of rows that are written over.
    newest: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// Bytes of those.
    bytes: usize,
    too_many: bool,
    edges: u64,
    nodes: u64,
    wrong: Option<String>,
}

impl State {
    fn remember(&mut self, key: (Table, Vec<u8>), value: Vec<u8>) {
        self.bytes += key.1.len() + value.len();
        self.too_many |= self.bytes > VERIFY_ROWS_BYTES_MAX;
        if self.too_many {
            self.newest.clear();
        } else if let Some(before) = self.newest.insert(key, value) {
            self.bytes -= before.len();
        }
    }
}

impl Rows {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first_different(&self, rows: &BTreeMap<(Table, Vec<u8>), Vec<u8>>) -> Result<Option<String>, KvError> {
        let kv = self.index.kv()?;
        for ((table, key), value) in rows {
            if kv.get(*table, key)?.as_ref() != Some(value) {
                return Ok(Some(wrong(*table, "is not what the journal says")));
            }
        }
        Ok(None)
    }

    /// Compares a row that is written once, or is a place of a block.
    fn compare(
        &self,
        kv: &dyn Kv,
        table: Table,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<String>, KvError> {
        let found = kv.get(table, key)?;
        Ok(match found {
            None => Some(wrong(table, "is missing")),
            Some(found) if found == value => None,
            Some(found) if table == Table::Blocks && is_later(&found, value)? => None,
            Some(_) => Some(wrong(table, "is not what the journal says")),
        })
    }
}

fn wrong(table: Table, what: &str) -> String {
    format!("a row of table `{}` {what}", table.name())
}

/// Whether a block was written again, because it was damaged where it lay first.
fn is_later(found: &[u8], first: &[u8]) -> Result<bool, KvError> {
    let at = |place: Place| (place.pack, place.offset);
    Ok(at(keys::decode_place(found)?) > at(keys::decode_place(first)?))
}

/// Whether later frames may write a row over.
fn is_written_over(table: Table, key: &[u8]) -> bool {
    const ONCE: [Tag; 4] = [Tag::Frame, Tag::Machine, Tag::RunByNumber, Tag::RunByTime];
    match table {
        Table::Edges | Table::Nodes | Table::Blocks => key == keys::STAMP,
        Table::Misc => !ONCE.iter().any(|tag| key.first() == Some(&(*tag as u8))),
    }
}

impl Kv for Rows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.index.kv()?.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError> {
        self.index.kv()?.range(table, from, to, order, visit)
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), KvError> {
        let kv = self.index.kv()?;
        let mut once = BTreeMap::new();
        let mut state = self.lock();
        for (table, key, value) in changes {
            let Some(value) = value else { continue }; // No frame takes rows away.
            if is_written_over(table, &key) {
                state.remember((table, key), value);
            } else {
                once.insert((table, key), value);
            }
        }
        for ((table, key), value) in once {
            state.edges += u64::from(table == Table::Edges);
            state.nodes += u64::from(table == Table::Nodes);
            if state.wrong.is_none() {
                state.wrong = self.compare(&*kv, table, &key, &value)?;
            }
        }
        Ok(())
    }

    fn persist(&self) -> Result<(), KvError> {
        Ok(()) // It is not an index of its own.
    }

    fn bytes(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, Store};
    use crate::types::{Batch, NewRecord};
    use vigie_model::files::Created;
    use vigie_model::machines::Enrolled;
    use vigie_model::{
        BytePath, EdgeName, FileEvent, FileTime, Incarnation, MachineId, Metadata, NodeId, NodeType, Origin,
        RecordNo, UnixNanos,
    };

    fn facts() -> Vec<NewRecord> {
        let machine = MachineId([7; 16]);
        let directory = |n: u8, parent, name| {
            let meta = Metadata {
                node_type: NodeType::Directory,
                mode: 0o755,
                uid: 0,
                gid: 0,
                mtime: FileTime { secs: 1, nanos: 2 },
                ctime: FileTime { secs: 3, nanos: 4 },
                size: 0,
                xattrs: Vec::new(),
            };
            let created = Created { parent, name, node: NodeId([n; 16]), meta, pending: false };
            FileEvent::Created(created).encode(UnixNanos(1))
        };
        let root = BytePath::new(&b"/srv"[..]).unwrap();
        let child = vigie_model::Name::new(&b"d"[..]).unwrap();
        let facts = [
            Enrolled { machine, name: "web".into() }.encode(UnixNanos(1)),
            directory(1, NodeId::ROOTS, EdgeName::Root(root)),
            directory(2, NodeId([1; 16]), EdgeName::Entry(child)),
        ];
        let origin = |at: usize| Origin { machine, incarnation: Incarnation(1), n: RecordNo(at as u64 + 1) };
        facts.into_iter().enumerate().map(|(at, fact)| NewRecord { origin: origin(at), fact }).collect()
    }

    /// Every row but the ones of the tables' ages, one after the other, lost or with another value: nothing but reading
    /// all of it can tell.
    #[test]
    fn every_wrong_row_is_found_and_mended() {
        let tmp = tempfile::tempdir().unwrap();
        let (store, committer) = Store::open(&tmp.path().join("s"), Options::default()).unwrap();
        let thread = committer.spawn_thread().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            store.commit(Batch { blocks: Vec::new(), records: facts() }).await.unwrap();
            store.tail().wait_for(|tail| tail.0 == 3).await.unwrap();
        });
        let shared = store.shared.clone();
        let mut rows = Vec::new();
        for table in Table::ALL {
            let mut visit = |key: &[u8], value: &[u8]| {
                rows.push((table, key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            };
            shared.index.kv().unwrap().range(table, &[], &END, Order::Ascending, &mut visit).unwrap();
        }
        assert!(rows.len() > 12, "{rows:?}");
        assert_eq!(store.verify(&mut |_| true).unwrap().index, None);
        let spurious =
            (Table::Edges, [&[0; 20][..], b"x\0\xff\xff\xff\xff\xff\xfe"].concat(), Some(vec![0; 16]));
        let mut changes = vec![spurious];
        for (table, key, value) in rows {
            let mut other = value;
            other.push(9);
            changes.extend([(table, key.clone(), None), (table, key, Some(other))]);
        }
        for change in changes {
            let what = format!("{change:?}");
            shared.index.kv().unwrap().write(vec![change]).unwrap();
            assert!(store.verify(&mut |_| true).unwrap().index.is_some(), "{what}");
            while shared.alarm.why().is_some() || shared.index.kv().is_err() {
                std::thread::yield_now();
            }
            assert_eq!(store.verify(&mut |_| true).unwrap().index, None, "{what}");
        }
        store.close();
        thread.join().unwrap();
    }
}
