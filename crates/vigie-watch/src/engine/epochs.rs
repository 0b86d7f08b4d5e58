//! What a cookie waits for. Every piece of work that an event causes is counted under the epoch in which the
//! event was taken; a cookie that comes out of the kernel's queue ends an epoch, and is back when nothing of
//! that epoch or an earlier one is left.

use super::CookieId;
use std::collections::BTreeMap;

/// A stretch of the kernel's queue between two cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Epoch(u32);

#[derive(Debug, Default)]
pub(super) struct Epochs {
    now: Epoch,
    /// Pieces of work that are not done.
    open: BTreeMap<Epoch, u64>,
    /// Sent, and not yet come out of the queue.
    sent: Vec<CookieId>,
    /// Come out of the queue, with the epoch that they ended.
    ended: Vec<(CookieId, Epoch)>,
    next: u64,
}

impl Epochs {
    pub(super) fn now(&self) -> Epoch {
        self.now
    }

    pub(super) fn begin(&mut self, epoch: Epoch) {
        *self.open.entry(epoch).or_default() += 1;
    }

    pub(super) fn end(&mut self, epoch: Epoch) {
        if let Some(count) = self.open.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&epoch);
            }
        } else {
            debug_assert!(false, "work of {epoch:?} ends that did not begin");
        }
    }

    pub(super) fn send(&mut self) -> CookieId {
        let id = CookieId(self.next);
        self.next += 1;
        self.sent.push(id);
        id
    }

    /// A cookie that could not be sent after all.
    pub(super) fn unsend(&mut self, id: CookieId) {
        self.sent.retain(|sent| *sent != id);
    }

    /// A cookie came out of the queue, and with it all that were sent before. Gives whether any did.
    pub(super) fn out_of_queue(&mut self, id: CookieId) -> bool {
        let before = self.ended.len();
        let ended = self.sent.extract_if(.., |sent| *sent <= id).map(|id| (id, self.now));
        self.ended.extend(ended);
        let any = self.ended.len() > before;
        if any {
            self.now = Epoch(self.now.0.wrapping_add(1));
        }
        any
    }

    /// The queue lost events, perhaps cookies: what follows from that is counted already.
    pub(super) fn queue_lost(&mut self) {
        if let Some(last) = self.sent.last().copied() {
            self.out_of_queue(last);
        }
    }

    pub(super) fn back(&mut self) -> Vec<CookieId> {
        let oldest = self.open.keys().next().copied();
        let done = |epoch: Epoch| oldest.is_none_or(|open| open > epoch);
        self.ended.extract_if(.., |(_, epoch)| done(*epoch)).map(|(id, _)| id).collect()
    }

    /// Whether someone waits.
    pub(super) fn hurried(&self) -> bool {
        !self.ended.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_back_when_all_before_it_is_done() {
        let mut epochs = Epochs::default();
        let early = epochs.now();
        epochs.begin(early);
        let (first, second) = (epochs.send(), epochs.send());
        assert!(epochs.out_of_queue(first));
        assert_eq!(epochs.back(), []);
        let late = epochs.now();
        epochs.begin(late);
        assert!(epochs.out_of_queue(second));
        assert!(!epochs.out_of_queue(second));
        epochs.end(early);
        assert_eq!(epochs.back(), [first]);
        epochs.end(late);
        assert_eq!(epochs.back(), [second]);
        assert_eq!(epochs.back(), []);
    }

    #[test]
    fn a_lost_queue_brings_the_cookies_back_with_what_repairs_it() {
        let mut epochs = Epochs::default();
        let cookie = epochs.send();
        epochs.begin(epochs.now());
        epochs.queue_lost();
        assert_eq!(epochs.back(), []);
        epochs.end(Epoch(0));
        assert_eq!(epochs.back(), [cookie]);
    }
}
