//! Names that something happened to, until they are looked at. One entry a name, however often it changed;
//! an event costs a look at once, or a wait for the events that usually follow.

use super::epochs::Epoch;
use super::index::Key;
use crate::limits::{DIRTY_MAX, WRITE_LATEST, WRITE_QUIET};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    pub(super) dir: Key,
    pub(super) name: Box<[u8]>,
}

/// What was said about a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Why(u16);

impl Why {
    /// The name came or went.
    pub(super) const NAME: Why = Why(1);
    /// The file was written to.
    pub(super) const WRITTEN: Why = Why(2);
    /// A writer closed it.
    pub(super) const CLOSED: Why = Why(4);
    /// Its metadata changed.
    pub(super) const ATTRIB: Why = Why(8);
    /// Entries of this directory came or went, so its own times changed.
    pub(super) const ENTRIES: Why = Why(16);
    /// Its pending content is to be announced.
    pub(super) const ANNOUNCE: Why = Why(32);
    /// A scan came by: nothing was heard of it, everything is possible.
    pub(super) const SCAN: Why = Why(64);
    /// A listing of a directory that appeared just now.
    pub(super) const SCAN_LIVE: Why = Why(128 | 64);
    /// The directory itself was removed, which only happens to an empty one.
    pub(super) const DELETED: Why = Why(256);
    /// Whether its content is the one recorded is to be settled.
    pub(super) const SETTLE: Why = Why(512);

    /// Its content could not be read, which is to be recorded.
    pub(super) const REFUSED: Why = Why(1024);

    pub(super) fn has(self, other: Why) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it is a change that happens now, rather than one that a scan of a whole root found.
    pub(super) fn is_live(self) -> bool {
        self.0 & Why::SCAN_LIVE.0 != Why::SCAN.0
    }

    /// Whether this is all that was said.
    pub(super) fn is_only(self, other: Why) -> bool {
        self.0 & !other.0 == 0
    }

    pub(super) fn with(self, other: Why) -> Why {
        Why(self.0 | other.0)
    }
}

/// When to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Now,
    /// When it was left alone for a while, or at the latest some time after the first event.
    Quiet,
    /// At this time.
    At(Duration),
    /// At this time, even if something was to be looked at before: the name is gone, and where it went is told next.
    Hold(Duration),
}

/// A name that is due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) spot: Arc<Spot>,
    pub(super) why: Why,
    pub(super) tries: u8,
    pub(super) epoch: Epoch,
}

#[derive(Debug)]
struct Entry {
    why: Why,
    tries: u8,
    epoch: Epoch,
    first: Duration,
    /// Only waits for quiet so far.
    patient: bool,
    place: (Duration, u64),
}

#[derive(Debug, Default)]
pub(super) struct Dirty {
    entries: HashMap<Arc<Spot>, Entry>,
    order: BTreeMap<(Duration, u64), Arc<Spot>>,
    next: u64,
}

/// What marking a name changed in the count of work.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Marked {
    /// There is one more piece, of the epoch given.
    New,
    /// There was one, and it still counts for its own, earlier epoch.
    Known,
    /// There was one of this later epoch, which now counts for the one given.
    Earlier(Epoch),
}

impl Dirty {
    pub(super) fn mark(&mut self, spot: Spot, why: Why, when: When, now: Duration, epoch: Epoch) -> Marked {
        self.mark_again(spot, why, when, now, epoch, 0)
    }

    /// Marks a name that was looked at in vain `tries` times.
    pub(super) fn mark_again(
        &mut self,
        spot: Spot,
        why: Why,
        when: When,
        now: Duration,
        epoch: Epoch,
        tries: u8,
    ) -> Marked {
        let number = self.next;
        self.next += 1;
        let due = match when {
            When::Now => now,
            When::Quiet => now + WRITE_QUIET,
            When::At(at) | When::Hold(at) => at,
        };
        if let Some(entry) = self.entries.get_mut(&spot) {
            entry.why = entry.why.with(why);
            let due = match when {
                When::Quiet if entry.patient => due.min(entry.first + WRITE_LATEST),
                When::Quiet => entry.place.0,
                When::Hold(_) => due,
                _ => due.min(entry.place.0),
            };
            entry.patient &= when == When::Quiet;
            // One that is due keeps its place: events are looked at in the order in which they came.
            if due != entry.place.0
                && let Some(spot) = self.order.remove(&entry.place)
            {
                entry.place = (due, number);
                self.order.insert(entry.place, spot);
            }
            if epoch < entry.epoch {
                return Marked::Earlier(std::mem::replace(&mut entry.epoch, epoch));
            }
            return Marked::Known;
        }
        let (spot, place) = (Arc::new(spot), (due, number));
        let entry = Entry { why, tries, epoch, first: now, patient: when == When::Quiet, place };
        self.order.insert(place, spot.clone());
        self.entries.insert(spot, entry);
        Marked::New
    }

    /// What is said of a name that is not looked at yet.
    pub(super) fn why(&self, spot: &Spot) -> Why {
        self.entries.get(spot).map_or(Why::default(), |entry| entry.why)
    }

    /// Takes the first name that is due.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Due> {
        let first = self.order.first_entry().filter(|e| e.key().0 <= now)?;
        let spot = first.remove();
        let entry = self.entries.remove(&spot)?;
        Some(Due { spot, why: entry.why, tries: entry.tries, epoch: entry.epoch })
    }

    /// Makes a name due, if it waits.
    pub(super) fn release(&mut self, spot: &Spot, now: Duration) {
        if let Some((shared, entry)) = self.entries.get_key_value(spot).map(|(k, e)| (k.clone(), e.place))
            && entry.0 > now
        {
            self.order.remove(&entry);
            let place = (now, self.next);
            self.next += 1;
            self.order.insert(place, shared);
            if let Some(entry) = self.entries.get_mut(spot) {
                entry.place = place;
            }
        }
    }

    /// Makes everything due, in its order.
    pub(super) fn release_all(&mut self, now: Duration) {
        let late = self.order.split_off(&(now, u64::MAX));
        for (_, spot) in late {
            let place = (now, self.next);
            self.next += 1;
            if let Some(entry) = self.entries.get_mut(&spot) {
                entry.place = place;
                self.order.insert(place, spot);
            }
        }
    }

    /// When the first name is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.order.first_key_value().map(|(place, _)| place.0)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= DIRTY_MAX
    }
}
