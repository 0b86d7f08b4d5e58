//! Keeping the index up to the journal: at open, behind the committer, and after the index failed. fjall
//! takes no write after its first failed one (a full disk, say), so then it is closed, opened again and
//! brought up to date from the journal, while commits go on as far as the queue reaches.

use crate::error::{KvError, OpenError, StoreError};
use crate::index::apply::Applier;
use crate::journal::{Frame, FramePlace, Journal};
use crate::limits::INDEX_RETRY;
use crate::medium::Medium;
use crate::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vigie_model::Seq;

/// Applies frames as they become durable.
#[derive(Debug)]
pub(crate) struct Indexer {
    pub shared: Arc<Shared>,
    pub applier: Applier,
    pub medium: Medium,
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
        let persisted = self.shared.index.kv().and_then(|kv| kv.persist());
        match persisted {
            Ok(()) => self.medium.mark_clean(&self.shared),
            Err(why) => {
                tracing::warn!(%why, "the index was not closed cleanly and may have to be built anew")
            }
        }
    }

    fn mend(&mut self, why: KvError) {
        let mut why = explain(&why);
        let mut wait = INDEX_RETRY.0;
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
                Err(e) => why = explain(&e),
            }
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

/// An error with all its causes on one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
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
        if frame.first != applier.progress().applied.next() {
            return Err(ReplayError::Stranger);
        }
        applier.apply(&frame).map_err(ReplayError::Index)?;
        applied(&frame, applier.progress());
        place = frame.next;
    }
    Ok(())
}
