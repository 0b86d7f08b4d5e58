//! Opening a store: lock, marker, journal, index, packs, in this order; see "Open" in `docs/format.md`.

use crate::commit::{Committer, Writer};
use crate::disk::{Disk, OpenMode, SyncSite};
use crate::error::OpenError;
use crate::index::Index;
use crate::index::apply::Applier;
use crate::indexer::{Indexer, ReplayError, replay};
use crate::journal::{FramePlace, Journal};
use crate::limits::{QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX};
use crate::medium::Medium;
use crate::pack::Packs;
use crate::shared::Shared;
use crate::store::{Options, Store};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use vigie_model::Seq;

/// The format this version writes, and the newest it knows.
const FORMAT: u32 = 1;
const MARKER: &str = "vigie-store ";
/// Longest marker that is read.
const MARKER_BYTES_MAX: usize = 64;

/// Opens or makes the store in this directory, whose parent must exist.
pub(crate) fn open(dir: &Path, options: Options) -> Result<(Store, Committer), OpenError> {
    let Options { disk, clock, index, seal_bytes } = options;
    disk.create_dir(dir).map_err(|e| io_error("create", dir, e))?;
    let lock = disk.lock(&dir.join("lock")).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked(dir.to_owned()),
        _ => io_error("lock", dir, e),
    })?;
    let (journal_dir, packs_dir) = (dir.join("journal"), dir.join("packs"));
    for sub in [&journal_dir, &packs_dir] {
        disk.create_dir(sub).map_err(|e| io_error("create", sub, e))?;
    }
    marker(&*disk, dir, &journal_dir)?;
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk.sync_dir(parent, SyncSite::OpenParent).map_err(|e| io_error("sync", parent, e))?;
    disk.sync_dir(dir, SyncSite::OpenRoot).map_err(|e| io_error("sync", dir, e))?;

    let (journal, journal_writer) = Journal::open(disk.clone(), &journal_dir, seal_bytes)?;
    let medium = Medium::new(index, dir, disk.clone());
    let end = Seq(journal_writer.next().0 - 1);
    let (index, applier) = open_index(&medium, &journal, end)?;
    let (packs, pack_writer) = Packs::open(disk.clone(), &packs_dir, applier.progress().pack, seal_bytes)?;

    let heads = applier.heads().collect();
    let incarnations = applier.incarnations().map_err(|source| OpenError::Index { act: "read", source })?;
    let progress = applier.progress();
    let received = progress.received;
    let shared = Shared::new(dir.to_owned(), disk, clock, index, journal, packs, progress, heads, lock);
    let shared = Arc::new(shared);
    let (queue, jobs) = mpsc::channel(QUEUE_BATCHES_MAX);
    let writer = Writer {
        shared: shared.clone(),
        journal: journal_writer,
        packs: pack_writer,
        received,
        incarnations,
    };
    let indexer = Indexer { shared: shared.clone(), applier, medium };
    let store = Store::new(shared, queue, Arc::new(Semaphore::new(QUEUE_BYTES_MAX / Store::ROOM_UNIT)));
    Ok((store, Committer { jobs, writer, indexer }))
}

fn io_error(act: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { act, path: path.to_owned(), source }
}

/// Checks the format marker, or writes it into a store that is new.
fn marker(disk: &dyn Disk, dir: &Path, journal: &Path) -> Result<(), OpenError> {
    let path = dir.join("format");
    let damaged = |why: &str| OpenError::Damaged { file: path.clone(), offset: 0, why: why.to_owned() };
    match disk.open(&path, OpenMode::Read) {
        Ok(file) => {
            let mut text = [0; MARKER_BYTES_MAX];
            let len = file.read_at(&mut text, 0).map_err(|e| io_error("read", &path, e))?;
            match parse_marker(&text[..len]) {
                Some(FORMAT) => Ok(()),
                Some(found) if found > FORMAT => Err(OpenError::NewerFormat { found, known: FORMAT }),
                _ => Err(damaged("it is not the marker of a store")),
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let names = disk.list(journal).map_err(|e| io_error("list", journal, e))?;
            if names.iter().any(|name| name.ends_with(".seg")) {
                return Err(damaged("it is missing, and there is a journal"));
            }
            write_marker(disk, dir, &path)
        }
        Err(e) => Err(io_error("open", &path, e)),
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
    if !medium.exists() {
        // Nothing is there to be believed or not: it is made once, and not to be wiped first.
        return build_index(medium, journal);
    }
    let found = medium.open().and_then(|kv| {
        let index = Index::new(kv);
        let applier =
            Applier::open(index.clone()).map_err(|source| OpenError::Index { act: "read", source })?;
        Ok((index, applier))
    });
    let mut why = "it may not be whole";
    match found {
        Ok((index, mut applier)) => {
            // Asked even of an index that is not believed: it may be wrong about everything but this.
            let progress = applier.progress();
            let (segment, offset) = progress.next;
            let is_ahead =
                segment != Seq(0) && medium.is_believed() && !journal.reaches(FramePlace { segment, offset });
            if progress.applied > end || is_ahead {
                let (applied, index) = (progress.applied, medium.dir().to_owned());
                return Err(OpenError::IndexAhead { applied, journal: end, index });
            }
            if medium.is_believed() {
                medium.mark_open().map_err(|e| io_error("mark", medium.dir(), e))?;
                match replay(&mut applier, journal, |_, _| {}) {
                    Ok(()) => return Ok((index, applier)),
                    Err(ReplayError::Journal(_) | ReplayError::Stranger) => {
                        why = "it is that of another journal"
                    }
                    Err(ReplayError::Index(_)) => why = "it cannot be written",
                }
            }
            if progress_is_empty(&applier) {
                why = "";
            }
        }
        Err(_) => why = "it cannot be opened",
    }
    if !why.is_empty() {
        tracing::warn!(%why, "the index is built anew from the journal");
    }
    medium.wipe()?;
    build_index(medium, journal)
}

/// Makes an index from the whole journal, where none is.
fn build_index(medium: &Medium, journal: &Journal) -> Result<(Index, Applier), OpenError> {
    medium.mark_open().map_err(|e| io_error("mark", medium.dir(), e))?;
    let index = Index::new(medium.open()?);
    let mut applier =
        Applier::open(index.clone()).map_err(|source| OpenError::Index { act: "read", source })?;
    replay(&mut applier, journal, |_, _| {}).map_err(ReplayError::into_open)?;
    Ok((index, applier))
}

fn progress_is_empty(applier: &Applier) -> bool {
    applier.progress().next.0 == Seq(0)
}
