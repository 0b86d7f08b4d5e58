//! Opening a store: lock, marker, journal, index, packs, in this order; see "Open" in `docs/format.md`.

use crate::commit::{Committer, Writer};
use crate::disk::{Disk, OpenMode, SyncSite};
use crate::error::OpenError;
use crate::index::Index;
use crate::index::apply::Applier;
use crate::indexer::{Indexer, ReplayError, build_index, replay};
use crate::journal::{FramePlace, Journal, JournalWriter};
use crate::limits::{QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX};
use crate::medium::Medium;
use crate::pack::Packs;
use crate::shared::Shared;
use crate::store::{Options, Store};
use crate::types::{DamagedPlace, Health};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use vigie_model::{Clock, Seq};

/// The format this version writes, and the newest it knows.
const FORMAT: u32 = 1;
const MARKER: &str = "vigie-store ";
/// Longest marker that is read.
const MARKER_BYTES_MAX: usize = 64;

/// Opens or makes the store in this directory, whose parent must exist.
pub(crate) fn open(dir: &Path, options: Options) -> Result<(Store, Committer), OpenError> {
    if options.read_only {
        return open_read_only(dir, options);
    }
    let Options { disk, clock, index: kind, seal_bytes, .. } = options;
    disk.create_dir(dir).map_err(|e| io_error("create", dir, e))?;
    let lock = lock(&*disk, dir)?;
    let (journal_dir, packs_dir) = (dir.join("journal"), dir.join("packs"));
    for sub in [&journal_dir, &packs_dir] {
        disk.create_dir(sub).map_err(|e| io_error("create", sub, e))?;
    }
    marker(&*disk, dir, &journal_dir)?;
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk.sync_dir(parent, SyncSite::OpenParent).map_err(|e| io_error("sync", parent, e))?;
    disk.sync_dir(dir, SyncSite::OpenRoot).map_err(|e| io_error("sync", dir, e))?;

    let (journal, mut journal_writer) = Journal::open(disk.clone(), &journal_dir, seal_bytes)?;
    let medium = Medium::new(kind, dir, disk.clone());
    let end = Seq(journal_writer.next().0 - 1);
    let (index, applier) = open_index(&medium, &journal, end)?;
    journal_writer.cut_torn_tail()?;
    let packs = Packs::open(disk.clone(), &packs_dir, applier.progress().pack, seal_bytes, false)?;
    for DamagedPlace { file, offset, why } in &packs.damage {
        tracing::error!(
            file,
            offset,
            why,
            "a pack is damaged: files that need what it lacks cannot be given; `vigie verify` names them"
        );
    }
    let parts = Parts {
        dir,
        disk,
        clock,
        lock,
        journal,
        journal_writer,
        packs,
        medium,
        index,
        applier,
        health: None,
    };
    parts.assemble()
}

/// Opens what is left of a store, and changes nothing of journal and packs.
fn open_read_only(dir: &Path, options: Options) -> Result<(Store, Committer), OpenError> {
    let Options { disk, clock, index: kind, seal_bytes, .. } = options;
    disk.list(dir).map_err(|e| io_error("list", dir, e))?;
    let lock = lock(&*disk, dir)?;
    let (journal_dir, packs_dir) = (dir.join("journal"), dir.join("packs"));
    match read_marker(&*disk, &dir.join("format")) {
        Err(newer @ OpenError::NewerFormat { .. }) => return Err(newer),
        Err(why) => tracing::error!(%why, "the format marker is damaged"),
        Ok(_) => {}
    }
    let (mut journal, end) = Journal::open_as_it_is(disk.clone(), &journal_dir)?;
    let whole = Medium::new(kind.clone(), dir, disk.clone());
    let (medium, index, applier) = match whole_index(&whole, end) {
        Some((index, applier)) => {
            journal.ends_before(applier.progress().applied);
            (whole, index, applier)
        }
        None => {
            let partial = Medium::partial(&kind, dir, disk.clone());
            let (index, applier) = build_index(&partial, &journal, |_| {})?;
            (partial, index, applier)
        }
    };
    let packs = Packs::open(disk.clone(), &packs_dir, applier.progress().pack, seal_bytes, true)?;
    for damage in journal.damage() {
        tracing::error!(
            file = damage.file,
            offset = damage.offset,
            why = damage.told(),
            "the journal is damaged"
        );
    }
    let journal_writer = JournalWriter::of_nothing(disk.clone(), &journal_dir, journal.clone(), end.next());
    let health = Some(Health::Poisoned(READ_ONLY.into()));
    let parts =
        Parts { dir, disk, clock, lock, journal, journal_writer, packs, medium, index, applier, health };
    parts.assemble()
}

/// Why a store that was opened for reading takes nothing.
const READ_ONLY: &str = "it was opened for reading only";

/// The index as it was left, if it is whole and knows all that the journal still holds: then it may know more.
fn whole_index(medium: &Medium, end: Seq) -> Option<(Index, Applier)> {
    if !medium.exists() || !medium.is_believed() {
        return None;
    }
    let index = Index::new(medium.open().ok()?);
    let applier = Applier::open(index.clone()).ok()?;
    (applier.check().is_ok() && applier.progress().applied >= end).then_some((index, applier))
}

/// A store, opened.
struct Parts<'a> {
    dir: &'a Path,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    lock: Box<dyn Send + Sync>,
    journal: Arc<Journal>,
    journal_writer: JournalWriter,
    packs: crate::pack::Opened,
    medium: Medium,
    index: Index,
    applier: Applier,
    /// Why nothing may be committed; then nothing of the index is kept either.
    health: Option<Health>,
}

impl Parts<'_> {
    fn assemble(self) -> Result<(Store, Committer), OpenError> {
        let Parts { dir, disk, clock, lock, journal, journal_writer, packs, medium, index, applier, health } =
            self;
        let heads = applier.heads().collect();
        let incarnations =
            applier.incarnations().map_err(|source| OpenError::Index { act: "read", source })?;
        let progress = applier.progress();
        let received = progress.received;
        let (alarm, damage) = (medium.alarm().clone(), packs.damage);
        let shared = Shared::new(
            dir.to_owned(),
            disk,
            clock,
            index,
            journal,
            packs.packs,
            alarm,
            damage,
            progress,
            heads,
            lock,
        );
        let shared = Arc::new(shared);
        let read_only = health.is_some();
        if let Some(health) = health {
            shared.set_health(health);
        }
        let (queue, jobs) = mpsc::channel(QUEUE_BATCHES_MAX);
        shared.alarm.wakes(queue.downgrade());
        let writer = Writer {
            shared: shared.clone(),
            journal: journal_writer,
            packs: packs.writer,
            received,
            incarnations,
        };
        let indexer = Indexer { shared: shared.clone(), applier, medium, read_only };
        let store = Store::new(shared, queue, Arc::new(Semaphore::new(QUEUE_BYTES_MAX / Store::ROOM_UNIT)));
        Ok((store, Committer { jobs, writer, indexer }))
    }
}

fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Send + Sync>, OpenError> {
    disk.lock(&dir.join("lock")).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked(dir.to_owned()),
        _ => io_error("lock", dir, e),
    })
}

fn io_error(act: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { act, path: path.to_owned(), source }
}

/// Checks the format marker, or writes it into a store that is new.
fn marker(disk: &dyn Disk, dir: &Path, journal: &Path) -> Result<(), OpenError> {
    let path = dir.join("format");
    if read_marker(disk, &path)? {
        return Ok(());
    }
    let names = disk.list(journal).map_err(|e| io_error("list", journal, e))?;
    if names.iter().any(|name| name.ends_with(".seg")) {
        let why = "it is missing, and there is a journal".into();
        return Err(OpenError::Damaged { file: path, offset: 0, why });
    }
    write_marker(disk, dir, &path)
}

/// Checks the format marker; `false` when there is none.
fn read_marker(disk: &dyn Disk, path: &Path) -> Result<bool, OpenError> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(io_error("open", path, e)),
    };
    let mut text = [0; MARKER_BYTES_MAX];
    let len = file.read_at(&mut text, 0).map_err(|e| io_error("read", path, e))?;
    match parse_marker(&text[..len]) {
        Some(FORMAT) => Ok(true),
        Some(found) if found > FORMAT => Err(OpenError::NewerFormat { found, known: FORMAT }),
        _ => {
            let why = "it is not the marker of a store".into();
            Err(OpenError::Damaged { file: path.to_owned(), offset: 0, why })
        }
    }
}

/// The format a marker names.
pub fn parse_marker(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.strip_prefix(MARKER)?.strip_suffix('\n')?.parse().ok()
}

fn write_marker(disk: &dyn Disk, dir: &Path, path: &Path) -> Result<(), OpenError> {
    let new = dir.join("format.new");
    match disk.remove(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", &new, e)),
        _ => {}
    }
    let file = disk.open(&new, OpenMode::CreateNew).map_err(|e| io_error("create", &new, e))?;
    let text = format!("{MARKER}{FORMAT}\n");
    file.write_at(text.as_bytes(), 0).map_err(|e| io_error("write", &new, e))?;
    file.sync_data(SyncSite::MarkerData).map_err(|e| io_error("sync", &new, e))?;
    disk.rename(&new, path).map_err(|e| io_error("rename", &new, e))
}

/// Opens the index and applies to it what it has not seen. An index that cannot be opened, believed or
/// continued is made anew from the whole journal.
fn open_index(medium: &Medium, journal: &Journal, end: Seq) -> Result<(Index, Applier), OpenError> {
    let why = if medium.exists() {
        match take_index(medium, journal, end)? {
            Taken::Whole(index, applier) => return Ok((index, *applier)),
            Taken::Damaged(why) => {
                medium.alarm().met_at_open(why);
                why
            }
            Taken::Not(why) => why,
        }
    } else {
        "" // Nothing is there to be believed or not.
    };
    // Before anything is removed: an index may be the last to know what a damaged journal has lost.
    journal.check()?;
    if !why.is_empty() {
        tracing::warn!(%why, "the index is built anew from the journal");
    }
    medium.alarm().over();
    build_index(medium, journal, |_| {})
}

/// What became of the index that was found.
enum Taken {
    /// It has all that the journal has.
    Whole(Index, Box<Applier>),
    /// It is not what was left behind.
    Damaged(&'static str),
    /// It is to be made anew, and why; without a word when it is empty.
    Not(&'static str),
}

fn take_index(medium: &Medium, journal: &Journal, end: Seq) -> Result<Taken, OpenError> {
    let cannot = Ok(Taken::Damaged("it cannot be opened"));
    let Ok(kv) = medium.open() else { return cannot };
    let index = Index::new(kv);
    let Ok(mut applier) = Applier::open(index.clone()) else { return cannot };
    // Asked even of an index that is not believed: it may be wrong about everything but this.
    let progress = applier.progress();
    let (segment, offset) = progress.next;
    let is_ahead =
        segment != Seq(0) && medium.is_believed() && !journal.reaches(FramePlace { segment, offset });
    if progress.applied > end || is_ahead {
        let (applied, index) = (progress.applied, medium.dir().to_owned());
        return Err(OpenError::IndexAhead { applied, journal: end, index });
    }
    let is_empty = segment == Seq(0);
    if !medium.is_believed() {
        return Ok(Taken::Not(if is_empty { "" } else { "it may not be whole" }));
    }
    if applier.check().is_err() {
        return Ok(Taken::Damaged("it is damaged"));
    }
    medium.mark_open().map_err(|e| io_error("mark", medium.dir(), e))?;
    Ok(match replay(&mut applier, journal, |_, _| {}) {
        Ok(()) => Taken::Whole(index, Box::new(applier)),
        Err(ReplayError::Journal(_) | ReplayError::Stranger) => {
            Taken::Damaged("it does not follow the journal")
        }
        Err(ReplayError::Index(_)) => Taken::Not("it cannot be written"),
    })
}
