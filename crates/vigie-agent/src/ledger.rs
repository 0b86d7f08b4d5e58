//! Which contents were read and are not yet written to the link: what a flush has to wait for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Names one content on its way from the reader to the link. Only ever growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId(u64);

/// The open entries. Shared by the capture, which opens, and the session, which closes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Mutex<Entries>,
    closed: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    open: BTreeSet<u64>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing can panic between two changes that belong together.
        self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A content was read; its record will be written.
    pub(crate) fn open(&self) -> EntryId {
        let mut entries = self.lock();
        entries.last += 1;
        let id = entries.last;
        entries.open.insert(id);
        EntryId(id)
    }

    /// Its record was written, or will never be.
    pub(crate) fn close(&self, id: EntryId) {
        self.lock().open.remove(&id.0);
        self.inner.closed.notify_waiters();
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// The newest entry so far.
    pub(crate) fn newest(&self) -> EntryId {
        EntryId(self.lock().last)
    }

    /// Waits until no entry up to this one is open.
    pub(crate) async fn closed_up_to(&self, id: EntryId) {
        loop {
            let closed = self.inner.closed.notified();
            tokio::pin!(closed);
            closed.as_mut().enable();
            if self.lock().open.first().is_none_or(|first| *first > id.0) {
                return;
            }
            closed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_the_old_and_not_for_the_new() {
        let ledger = Ledger::default();
        let (first, second) = (ledger.open(), ledger.open());
        let barrier = ledger.newest();
        let third = ledger.open();
        let waiting = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.closed_up_to(barrier).await }
        });
        ledger.close(second);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "the first is still open");
        ledger.close(first);
        waiting.await.unwrap();
        assert_eq!(ledger.len(), 1);
        ledger.close(third);
    }
}
