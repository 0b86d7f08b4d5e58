//! What is known of damage to the index, which is never the truth: whoever meets it raises the alarm, the mark on disk
//! says so at once, and whoever writes the index builds it anew.

use crate::commit::Job;
use crate::disk::{Disk, OpenMode, SyncSite};
use crate::error::KvError;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::mpsc::WeakSender;

/// The alarm of one index.
#[derive(Debug)]
pub(crate) struct Alarm {
    disk: Arc<dyn Disk>,
    mark: PathBuf,
    /// What was met first.
    why: Mutex<Option<String>>,
    /// Somebody must look.
    calls: AtomicBool,
    committer: OnceLock<WeakSender<Job>>,
    /// What was wrong when the store was opened.
    at_open: OnceLock<&'static str>,
}

impl Alarm {
    pub(crate) fn new(disk: Arc<dyn Disk>, mark: PathBuf) -> Self {
        let (why, calls, committer) = (Mutex::default(), AtomicBool::new(false), OnceLock::new());
        Alarm { disk, mark, why, calls, committer, at_open: OnceLock::new() }
    }

    /// The index that was found at open is damaged, and is made anew before anyone asks it.
    pub(crate) fn met_at_open(&self, why: &'static str) {
        // A store is opened once.
        let _set_once = self.at_open.set(why);
    }

    /// What was wrong with the index when the store was opened.
    pub(crate) fn at_open(&self) -> Option<&'static str> {
        self.at_open.get().copied()
    }

    /// Who is woken when it is raised.
    pub(crate) fn wakes(&self, committer: WeakSender<Job>) {
        // A store has one committer.
        let _set_once = self.committer.set(committer);
    }

    /// The index is damaged.
    pub(crate) fn raise(&self, why: &str) {
        {
            let mut first = self.lock();
            if first.is_some() {
                return;
            }
            *first = Some(why.to_owned());
        }
        tracing::error!(%why, "the index is damaged; it will be built anew from the journal");
        if let Err(why) = self.mark() {
            tracing::warn!(%why, "the index could not be marked as damaged");
        }
        self.calls.store(true, Ordering::Relaxed);
        if let Some(committer) = self.committer.get().and_then(WeakSender::upgrade) {
            // Where the queue is full, there is something in it to wake the committer.
            let _ = committer.try_send(Job::Wake);
        }
    }

    /// As [`Self::raise`], for what a read met. One that was turned away for the moment has met no damage.
    pub(crate) fn met(&self, error: &KvError) {
        if !matches!(error, KvError::Away) {
            self.raise(&crate::error::explain(error));
        }
    }

    /// Why the index is not to be believed.
    pub(crate) fn why(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Whether somebody must look, asked once for each time it is raised.
    pub(crate) fn take_call(&self) -> bool {
        self.calls.swap(false, Ordering::Relaxed)
    }

    /// The index was built anew.
    pub(crate) fn over(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Anything but the marks of a whole index makes the next start build it anew.
    fn mark(&self) -> io::Result<()> {
        let file = self.disk.open(&self.mark, OpenMode::Write)?;
        let text = b"damaged\n";
        file.write_at(text, 0)?;
        file.truncate(text.len() as u64)?;
        file.sync_data(SyncSite::IndexMark)
    }
}
