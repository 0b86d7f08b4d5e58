//! Where the index lies, and whether what lies there may be believed.
//!
//! `index.mark` says `clean <version>` after a clean end, and `open <version> <boot id>` while the index is
//! in use; what found it damaged writes `damaged`. An index that was in use when the machine went down is not believed: its medium is never synced
//! while commits go on, so some of its tables may be newer than others.

use crate::alarm::Alarm;
use crate::disk::{Disk, OpenMode, SyncSite};
use crate::error::{KvError, OpenError};
use crate::index::apply::INDEX_VERSION;
use crate::kv::{FjallKv, Kv, MemIndex, Watched};
use crate::shared::Shared;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the index lies.
#[derive(Clone, Debug)]
pub enum IndexMedium {
    /// On disk, beside the journal.
    Fjall,
    /// In memory: what is handed over outlives the store, as a directory would.
    Memory(MemIndex),
}

/// Longest mark that is read: a version and a boot id.
const MARK_BYTES_MAX: usize = 128;

/// The medium of one store.
#[derive(Debug)]
pub(crate) struct Medium {
    kind: IndexMedium,
    dir: PathBuf,
    mark: PathBuf,
    disk: Arc<dyn Disk>,
    alarm: Arc<Alarm>,
}

impl Medium {
    pub(crate) fn new(kind: IndexMedium, store: &Path, disk: Arc<dyn Disk>) -> Self {
        Self::at(kind, store.join("index"), store.join("index.mark"), disk)
    }

    /// For what can be read of a damaged journal: beside the index, and never believed.
    pub(crate) fn partial(kind: &IndexMedium, store: &Path, disk: Arc<dyn Disk>) -> Self {
        let kind = match kind {
            IndexMedium::Memory(_) => IndexMedium::Memory(MemIndex::default()),
            IndexMedium::Fjall => IndexMedium::Fjall,
        };
        Self::at(kind, store.join("index.partial"), store.join("index.partial.mark"), disk)
    }

    fn at(kind: IndexMedium, dir: PathBuf, mark: PathBuf, disk: Arc<dyn Disk>) -> Self {
        let alarm = Arc::new(Alarm::new(disk.clone(), mark.clone()));
        Medium { kind, dir, mark, disk, alarm }
    }

    /// What is raised when its rows cannot be read.
    pub(crate) fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    /// The index's own directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether any rows may be there.
    pub(crate) fn exists(&self) -> bool {
        match &self.kind {
            IndexMedium::Memory(_) => true,
            // What cannot be looked at may be there.
            IndexMedium::Fjall => !matches!(self.dir.try_exists(), Ok(false)),
        }
    }

    /// Opens or makes the rows.
    pub(crate) fn open(&self) -> Result<Arc<dyn Kv>, OpenError> {
        match &self.kind {
            IndexMedium::Memory(index) => Ok(Arc::new(Watched::new(index.clone(), self.alarm.clone()))),
            IndexMedium::Fjall => {
                let kv =
                    FjallKv::open(&self.dir).map_err(|source| OpenError::Index { act: "open", source })?;
                Ok(Arc::new(Watched::new(kv, self.alarm.clone())))
            }
        }
    }

    /// Removes all rows.
    pub(crate) fn wipe(&self) -> Result<(), OpenError> {
        let removed = match &self.kind {
            IndexMedium::Memory(index) => {
                index.clear();
                Ok(())
            }
            IndexMedium::Fjall => std::fs::remove_dir_all(&self.dir),
        };
        match removed {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(OpenError::Index { act: "remove", source: KvError::Io(e) })
            }
            _ => Ok(()),
        }
    }

    /// Whether the rows were left whole: by a clean end, or by a process that died while the machine lived.
    pub(crate) fn is_believed(&self) -> bool {
        let Ok(file) = self.disk.open(&self.mark, OpenMode::Read) else { return false };
        let mut text = [0; MARK_BYTES_MAX];
        let Ok(len) = file.read_at(&mut text, 0) else { return false };
        let text = &text[..len];
        text == clean_mark().as_bytes() || text == self.open_mark().as_bytes()
    }

    /// Says that the index is in use; durable when it returns, so that no row is written before.
    pub(crate) fn mark_open(&self) -> io::Result<()> {
        let file = match self.disk.open(&self.mark, OpenMode::Write) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.disk.open(&self.mark, OpenMode::CreateNew)?
            }
            other => other?,
        };
        let mark = self.open_mark();
        file.write_at(mark.as_bytes(), 0)?;
        file.truncate(mark.len() as u64)?;
        file.sync_data(SyncSite::IndexMark)
    }

    /// Says that the index was closed. If this is lost, the index is built anew, which costs only time.
    pub(crate) fn mark_clean(&self, shared: &Shared) {
        let mark = clean_mark();
        let marked = shared.disk.open(&self.mark, OpenMode::Write).and_then(|file| {
            file.write_at(mark.as_bytes(), 0)?;
            file.truncate(mark.len() as u64)
        });
        if let Err(why) = marked {
            tracing::warn!(%why, "the index could not be marked as closed");
        }
    }

    fn open_mark(&self) -> String {
        format!("open {INDEX_VERSION} {}\n", self.disk.boot_id())
    }
}

fn clean_mark() -> String {
    format!("clean {INDEX_VERSION}\n")
}
