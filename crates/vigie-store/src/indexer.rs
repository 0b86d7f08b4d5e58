//! Keeping the index up to the journal: at open, behind the committer, and after the index failed. fjall
//! takes no write after its first failed one (a full disk, say), so then it is closed, opened again and
//! brought up to date from the journal, while commits go on as far as the queue reaches. One that cannot be read
//! is built anew.

use crate::error::{KvError, OpenError, StoreError, explain};
use crate::index::Index;
use crate::index::apply::Applier;
use crate::journal::{Frame, FramePlace, Journal};
use crate::kv::Kv;
use crate::limits::{INDEX_LEAVE_MAX, INDEX_RETRY};
use crate::medium::Medium;
use crate::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use vigie_model::Seq;

/// How often it is looked at whether an index is still read.
const LEAVE_LOOK: Duration = Duration::from_millis(2);

/// Applies frames as they become durable.
#[derive(Debug)]
pub(crate) struct Indexer {
    pub shared: Arc<Shared>,
    pub applier: Applier,
    pub medium: Medium,
    /// Nothing of it is kept.
    pub read_only: bool,
}

impl Indexer {
    /// Applies a frame; when the index fails, returns only after it was mended or the store is closing.
    pub(crate) fn apply(&mut self, frame: Frame) {
        let behind =
            FramePlace { segment: self.applier.progress().next.0, offset: self.applier.progress().next.1 };
        if frame.next <= behind {
            return; // Mending the index has read it from the journal already.
        }
        match self.applier.apply(&frame) {
            Ok(()) => self.shared.indexed(&frame, self.applier.progress()),
            Err(why) => self.mend(why),
        }
    }

    /// Ends: what is in the index becomes durable, and the next open may believe it.
    pub(crate) fn finish(&mut self) {
        if self.read_only {
            return;
        }
        if self.medium.alarm().why().is_some() {
            return; // Its mark says so, and the next start builds it anew.
        }
        let persisted = self.shared.index.kv().and_then(|kv| kv.persist());
        match persisted {
            Ok(()) => self.medium.mark_clean(&self.shared),
            Err(why) => {
                tracing::warn!(%why, "the index was not closed cleanly and may have to be built anew")
            }
        }
    }

    /// Builds a damaged index anew, while the journal takes what fits into the queue. Until that is done questions are
    /// turned away: half an index would lie.
    pub(crate) fn rebuild(&mut self) {
        if self.read_only || self.medium.alarm().why().is_none() {
            return;
        }
        self.shared.set_stalled(Some("it is damaged, and is being built anew".into()));
        match self.try_rebuild() {
            Ok(()) => {
                self.shared.set_stalled(None);
                tracing::info!("the index was built anew");
            }
            Err(why) => {
                let why = explain(&why);
                tracing::error!(%why, "the damaged index could not be built anew");
                self.shared.set_stalled(Some(format!("it is damaged, and cannot be built anew: {why}")));
            }
        }
    }

    fn try_rebuild(&mut self) -> Result<(), OpenError> {
        // A damaged index may hold what a damaged journal has lost: then it stays.
        self.shared.journal.check()?;
        let own = self.applier.index().replace(None);
        // After an earlier time, both hold the same one.
        if let Some(index) = self.shared.index.replace(None).or(own) {
            wait_until_left(&index);
        }
        let (index, applier) = build_index(&self.medium, &self.shared.journal, |frame| {
            self.shared.is_indexed_now(frame);
        })?;
        self.medium.alarm().over();
        self.applier = applier;
        let cannot = |source| OpenError::Index { act: "open", source };
        self.shared.index.replace(Some(index.kv().map_err(cannot)?));
        self.shared.show(self.applier.progress());
        Ok(())
    }

    fn mend(&mut self, why: KvError) {
        let mut why = explain(&why);
        let mut wait = INDEX_RETRY.0;
        let mut tries = 0;
        loop {
            tracing::warn!(%why, "the index cannot be written; reading stays behind until it can");
            self.shared.set_stalled(Some(why));
            std::thread::sleep(wait);
            if self.shared.closing.load(Ordering::Relaxed) {
                return;
            }
            wait = (wait * 2).min(INDEX_RETRY.1);
            if self.shared.lacks_room_for(0) {
                why = "the disk is full".into();
                continue;
            }
            match self.reopen() {
                Ok(()) => break,
                // What fails with room enough, and again when it was opened anew, is damaged.
                Err(e) if tries > 0 => {
                    why = explain(&e);
                    self.medium.alarm().raise(&why);
                    match self.try_rebuild() {
                        Ok(()) => break,
                        Err(e) => why = explain(&e),
                    }
                }
                Err(e) => why = explain(&e),
            }
            tries += 1;
        }
        self.shared.set_stalled(None);
        tracing::info!("the index is written again");
    }

    fn reopen(&mut self) -> Result<(), OpenError> {
        self.shared.index.replace(None);
        let kv = self.medium.open()?;
        self.shared.index.replace(Some(kv));
        let cannot = |act| move |source| OpenError::Index { act, source };
        self.applier = Applier::open(self.shared.index.clone()).map_err(cannot("read"))?;
        let shared = self.shared.clone();
        replay(&mut self.applier, &shared.journal, |frame, progress| shared.indexed(frame, progress))
            .map_err(ReplayError::into_open)
    }
}

/// Waits for those who still read an index: each of them holds it for moments.
fn wait_until_left(index: &Arc<dyn Kv>) {
    let start = Instant::now();
    while Arc::strong_count(index) > 1 && start.elapsed() < INDEX_LEAVE_MAX {
        std::thread::sleep(LEAVE_LOOK);
    }
}

/// Makes an index from the whole journal, and removes what was there before. The journal must have been checked:
/// what it has lost, the index that is removed may be the last to know.
pub(crate) fn build_index(
    medium: &Medium,
    journal: &Journal,
    mut applied: impl FnMut(&Frame),
) -> Result<(Index, Applier), OpenError> {
    medium.wipe()?;
    medium.mark_open().map_err(|source| OpenError::Io {
        act: "mark",
        path: medium.dir().to_owned(),
        source,
    })?;
    let index = Index::new(medium.open()?);
    let mut applier =
        Applier::open(index.clone()).map_err(|source| OpenError::Index { act: "read", source })?;
    replay(&mut applier, journal, |frame, _| applied(frame)).map_err(ReplayError::into_open)?;
    Ok((index, applier))
}

/// Why the journal was not applied to its end.
#[derive(Debug)]
pub(crate) enum ReplayError {
    /// The journal cannot be read there.
    Journal(StoreError),
    /// What lies there does not follow what the index has applied: it is the index of another journal.
    Stranger,
    /// The index cannot be written.
    Index(KvError),
}

impl ReplayError {
    pub(crate) fn into_open(self) -> OpenError {
        match self {
            ReplayError::Journal(StoreError::Damaged { file, offset, why }) => {
                OpenError::Damaged { file: file.into(), offset, why }
            }
            ReplayError::Journal(StoreError::Io { act, file, source }) => {
                OpenError::Io { act, path: file.into(), source }
            }
            ReplayError::Journal(StoreError::Index(source)) | ReplayError::Index(source) => {
                OpenError::Index { act: "write", source }
            }
            ReplayError::Journal(other) => {
                OpenError::Damaged { file: "journal".into(), offset: 0, why: other.to_string() }
            }
            ReplayError::Stranger => OpenError::Damaged {
                file: "journal".into(),
                offset: 0,
                why: "its records do not follow each other".into(),
            },
        }
    }
}

/// Applies the journal from where the index is to the journal's end.
pub(crate) fn replay(
    applier: &mut Applier,
    journal: &Journal,
    mut applied: impl FnMut(&Frame, &crate::index::apply::Progress),
) -> Result<(), ReplayError> {
    let mut place = match applier.progress().next {
        (Seq(0), _) => journal.start(),
        (segment, offset) => FramePlace { segment, offset },
    };
    while let Some(frame) = journal.read(place).map_err(ReplayError::Journal)? {
        let expected = applier.progress().applied.next();
        if frame.first != expected {
            if !journal.is_lost(expected, frame.first) {
                return Err(ReplayError::Stranger);
            }
            applier.lose(expected, frame.first).map_err(ReplayError::Index)?;
        }
        applier.apply(&frame).map_err(ReplayError::Index)?;
        applied(&frame, applier.progress());
        place = frame.next;
    }
    Ok(())
}
