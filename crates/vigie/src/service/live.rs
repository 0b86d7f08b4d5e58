//! Changes shown as they become durable, by the process that stores them.

use crate::commands::log::print;
use crate::failure::Failure;
use crate::output::{Output, Paint, counted};
use std::collections::{HashMap, HashSet};
use vigie_model::{BytePath, EdgeName, FileEvent, FileTime, GapCause, MachineId, Record, Seq, UnixNanos};
use vigie_store::{Store, StoreError};
use vigie_web::journal::Teller;
use vigie_web::messages::LogLine;

/// Records that are told at once.
const PAGE: usize = 512;

/// Shows every new record. What a first scan merely finds is counted and not shown: it did not happen now.
pub(crate) struct Live {
    store: Store,
    scans: Scans,
    teller: Teller,
    next: Seq,
}

/// Something to print.
enum Shown {
    Line(Box<LogLine>),
    Watching { root: String, found: u64 },
}

impl Live {
    /// Shows what is recorded from now on.
    pub(crate) fn new(store: &Store) -> Result<Self, StoreError> {
        let next = store.tail().borrow().next();
        let scans = Scans {
            began: vigie_model::Clock::wall(&vigie_model::SystemClock::default()),
            ..Scans::default()
        };
        Ok(Live { store: store.clone(), scans, teller: Teller::new(store)?, next })
    }

    /// Prints until the store is closed.
    pub(crate) async fn run(mut self, out: &mut Output) -> Result<(), Failure> {
        let mut tail = self.store.tail();
        loop {
            let newest = *tail.borrow_and_update();
            while self.next <= newest {
                let all = out.is_json();
                let page = tokio::task::spawn_blocking(move || {
                    let shown = self.page(newest, all);
                    (self, shown)
                });
                let (live, shown) = page.await.map_err(|e| Failure::of(&e))?;
                self = live;
                for shown in shown.map_err(|e| Failure::of(&e))? {
                    print_shown(out, shown)?;
                }
                out.flush()?;
            }
            if tail.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    fn page(&mut self, newest: Seq, all: bool) -> Result<Vec<Shown>, StoreError> {
        let mut shown = Vec::new();
        for record in self.store.records(self.next, PAGE)? {
            if record.seq > newest {
                break;
            }
            self.next = record.seq.next();
            let scanned = self.scans.take(&record);
            if let (false, Scanned::Ended { root, found }) = (all, &scanned) {
                self.teller.pass(&record)?;
                shown.push(Shown::Watching { root: root.clone(), found: *found });
            } else if !all && scanned == Scanned::Found {
                self.teller.pass(&record)?;
            } else {
                shown.extend(self.teller.tell(&record, None)?.map(Box::new).map(Shown::Line));
            }
        }
        Ok(shown)
    }
}

fn print_shown(out: &mut Output, shown: Shown) -> std::io::Result<()> {
    match shown {
        Shown::Line(line) if out.is_json() => out.json(&line),
        Shown::Line(line) => print(out, &line),
        Shown::Watching { root, found } => {
            let are = if found == 1 { "is" } else { "are" };
            let text = format!("watching {root}: {} {are} there", counted(found, "object"));
            let text = out.paint(Paint::Good, &text);
            out.line(&text)
        }
    }
}

/// Which machines are in the middle of first scans, and what these found.
#[derive(Debug, Default)]
struct Scans {
    /// What changed before this was there already.
    began: UnixNanos,
    first: HashMap<MachineId, FirstScans>,
    /// Machines of which everything was new: old contents that still come in were only read now.
    scanned: HashSet<MachineId>,
}

/// The first scans of one machine. They follow each other, root by root.
#[derive(Debug, Default)]
struct FirstScans {
    /// Roots whose scan is not complete, and whether the root itself was found.
    roots: HashMap<BytePath, bool>,
    /// What the scan under way found below its root.
    found: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Scanned {
    /// It happened.
    No,
    /// It was there already, or says that a scan begins.
    Found,
    /// The scan of a root is complete.
    Ended { root: String, found: u64 },
}

impl Scans {
    fn take(&mut self, record: &Record) -> Scanned {
        let machine = record.origin.machine;
        let Ok(event) = FileEvent::decode(&record.fact) else { return Scanned::No };
        match &event {
            FileEvent::GapOpened(gap) if gap.cause == GapCause::FirstScan => {
                self.first.entry(machine).or_default().roots.entry(gap.root.clone()).or_default();
                self.scanned.insert(machine);
                return Scanned::Found;
            }
            FileEvent::GapClosed(gap) => return self.ended(machine, &gap.root),
            _ => {}
        }
        let changed = match (&event, self.first.get_mut(&machine)) {
            (FileEvent::Created(created), Some(first)) => {
                first.note(&created.name);
                created.meta.ctime
            }
            (FileEvent::Linked(_), Some(_)) => return Scanned::Found,
            (FileEvent::Content(stored), _) if self.scanned.contains(&machine) => stored.content.ctime,
            _ => return Scanned::No,
        };
        if nanos(changed) < i128::from(self.began.0) { Scanned::Found } else { Scanned::No }
    }

    fn ended(&mut self, machine: MachineId, root: &BytePath) -> Scanned {
        let Some(first) = self.first.get_mut(&machine) else { return Scanned::No };
        let Some(itself) = first.roots.remove(root) else { return Scanned::No };
        let found = std::mem::take(&mut first.found) + u64::from(itself);
        if first.roots.is_empty() {
            self.first.remove(&machine);
        }
        Scanned::Ended { root: root.to_string(), found }
    }
}

impl FirstScans {
    /// Every root is there from the beginning, whichever is scanned first.
    fn note(&mut self, name: &EdgeName) {
        match name {
            EdgeName::Root(root) if self.roots.contains_key(root) => {
                self.roots.insert(root.clone(), true);
            }
            _ => self.found += 1,
        }
    }
}

fn nanos(time: FileTime) -> i128 {
    i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_model::files::{Created, GapClosed, GapOpened};
    use vigie_model::{Incarnation, Metadata, Name, NodeId, NodeType, Origin, RecordNo};

    fn path(text: &str) -> BytePath {
        BytePath::new(text.as_bytes()).unwrap()
    }

    fn record(event: FileEvent) -> Record {
        let origin = Origin { machine: MachineId([1; 16]), incarnation: Incarnation(1), n: RecordNo(1) };
        let now = UnixNanos(2_000_000_000);
        Record { seq: Seq(1), origin, received: now, fact: event.encode(now) }
    }

    fn opened(root: &str) -> Record {
        let gap = GapOpened { root: path(root), cause: GapCause::FirstScan, since: None };
        record(FileEvent::GapOpened(gap))
    }

    fn created(name: EdgeName) -> Record {
        let time = FileTime { secs: 0, nanos: 0 };
        let meta = Metadata {
            node_type: NodeType::Directory,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: time,
            ctime: time,
            size: 0,
            xattrs: Vec::new(),
        };
        let parent = if matches!(name, EdgeName::Root(_)) { NodeId::ROOTS } else { NodeId([2; 16]) };
        let node = NodeId([3; 16]);
        record(FileEvent::Created(Created { parent, name, node, meta, pending: false }))
    }

    fn closed(root: &str) -> Record {
        record(FileEvent::GapClosed(GapClosed { root: path(root) }))
    }

    #[test]
    fn the_end_of_every_roots_first_scan_is_told_with_its_own_count() {
        let mut scans = Scans { began: UnixNanos(1_000_000_000), ..Scans::default() };
        let entry = || created(EdgeName::Entry(Name::new(&b"a"[..]).unwrap()));
        for root in ["/a", "/b"] {
            assert_eq!(scans.take(&opened(root)), Scanned::Found);
        }
        for root in ["/a", "/b"] {
            assert_eq!(scans.take(&created(EdgeName::Root(path(root)))), Scanned::Found);
        }
        for (root, below) in [("/b", 3), ("/a", 1)] {
            for _ in 0..below {
                assert_eq!(scans.take(&entry()), Scanned::Found);
            }
            let ended = Scanned::Ended { root: root.into(), found: below + 1 };
            assert_eq!(scans.take(&closed(root)), ended);
        }
        assert_eq!(scans.take(&closed("/a")), Scanned::No, "that of a later gap");
    }
}
