//! Changes shown as they become durable, by the process that stores them.

use crate::commands::log::print;
use crate::failure::Failure;
use crate::output::{Output, Paint, count};
use std::collections::{HashMap, HashSet};
use vigie_model::{FileEvent, FileTime, GapCause, MachineId, Record, Seq, UnixNanos};
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
            let text = format!("watching {root}: {} objects are there", count(found));
            let text = out.paint(Paint::Good, &text);
            out.line(&text)
        }
    }
}

/// Which machines are in the middle of a first scan, and what it found.
#[derive(Debug, Default)]
struct Scans {
    /// What changed before this was there already.
    began: UnixNanos,
    found: HashMap<MachineId, u64>,
    /// Machines of which everything was new: old contents that still come in were only read now.
    scanned: HashSet<MachineId>,
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
                self.found.entry(machine).or_default();
                self.scanned.insert(machine);
                return Scanned::Found;
            }
            FileEvent::GapClosed(gap) if self.found.contains_key(&machine) => {
                let found = self.found.remove(&machine).unwrap_or_default();
                return Scanned::Ended { root: gap.root.to_string(), found };
            }
            _ => {}
        }
        let changed = match (&event, self.found.get_mut(&machine)) {
            (FileEvent::Created(created), Some(found)) => {
                *found += 1;
                created.meta.ctime
            }
            (FileEvent::Linked(_), Some(_)) => return Scanned::Found,
            (FileEvent::Content(stored), _) if self.scanned.contains(&machine) => stored.content.ctime,
            _ => return Scanned::No,
        };
        if nanos(changed) < i128::from(self.began.0) { Scanned::Found } else { Scanned::No }
    }
}

fn nanos(time: FileTime) -> i128 {
    i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos)
}
