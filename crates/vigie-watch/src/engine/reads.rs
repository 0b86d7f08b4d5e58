//! Files whose content is to be read: which first, when, and how often it was tried.
//!
//! ```text
//! want ─▶ Waiting ─(time)─▶ Queued ─next─▶ Running ─┬─ stored ─▶ (gone, or wanted again)
//!            ▲                                      ├─ changed ─▶ Waiting
//!            └──────────── looked at ◀─ Parked ◀────┴─ gone
//! ```

use super::epochs::{Epoch, Epochs};
use super::index::Key;
use crate::limits::{CHANGED_WAIT, READ_TRIES};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use vigie_model::FileTime;
use vigie_model::limits::WHOLE_BLOCK_BYTES_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting(Duration, u64),
    Queued(u8, u64),
    Running,
    /// Its name did not lead to it: a look will tell.
    Parked,
}

/// A file to read.
#[derive(Debug)]
struct Need {
    state: State,
    epoch: Epoch,
    live: bool,
    tries: u32,
    size: u64,
    /// Facts that must be taken before: among them the one that says that the file exists.
    after: u64,
    /// `ctime` of the last look, whose metadata was recorded.
    looked: FileTime,
    /// Changed while it was being read: in which epoch.
    meanwhile: Option<Epoch>,
}

/// Why and when a file is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) epoch: Epoch,
    pub(super) live: bool,
    pub(super) size: u64,
    pub(super) ctime: FileTime,
    pub(super) ready_at: Duration,
    pub(super) after: u64,
}

/// A file that is handed out.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) key: Key,
    pub(super) live: bool,
    pub(super) size: u64,
    pub(super) torn: bool,
    /// How often it was tried.
    pub(super) tries: u32,
}

/// What follows when a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Nothing: content and metadata recorded belong together.
    Done,
    /// It changed meanwhile, and is wanted again.
    WantedAgain,
    /// It changed between the look and the read, and nobody looked at its metadata since.
    LookAgain,
}

#[derive(Debug, Default)]
pub(super) struct Reads {
    needs: HashMap<Key, Need>,
    waiting: BTreeSet<(Duration, u64, Key)>,
    queued: BTreeSet<(u8, u64, Key)>,
    /// Parked because they had no path. Some may be wanted elsewhere, or not at all, since.
    homeless: BTreeSet<Key>,
    next: u64,
}

/// Live before scan, small before large: lower is earlier.
fn class(live: bool, size: u64) -> u8 {
    let blocks = size / WHOLE_BLOCK_BYTES_MAX as u64;
    let size = (u64::BITS - blocks.leading_zeros()) as u8;
    if live { size } else { 128 + size }
}

impl Reads {
    /// Asks for a file to be read. Gives whether that is news.
    pub(super) fn want(&mut self, key: Key, want: Want, now: Duration, epochs: &mut Epochs) -> bool {
        let Some(need) = self.needs.get_mut(&key) else {
            epochs.begin(want.epoch);
            let Want { epoch, live, size, after, ctime: looked, .. } = want;
            let (state, tries, meanwhile) = (State::Parked, 0, None);
            self.needs.insert(key, Need { state, epoch, live, tries, size, after, looked, meanwhile });
            self.place(key, want.ready_at, now);
            return true;
        };
        need.looked = want.ctime;
        if need.state == State::Running {
            need.meanwhile = Some(need.meanwhile.map_or(want.epoch, |epoch| epoch.min(want.epoch)));
            return false;
        }
        if want.epoch < need.epoch {
            epochs.begin(want.epoch);
            epochs.end(need.epoch);
            need.epoch = want.epoch;
        }
        need.live |= want.live;
        need.size = want.size;
        need.after = want.after;
        // A retry waits out its time; everything else is read as soon as the newest reason says.
        let at = match need.state {
            State::Waiting(at, _) if need.tries > 0 => at.max(want.ready_at),
            _ => want.ready_at,
        };
        self.place(key, at, now);
        false
    }

    /// Puts a need where it belongs; from wherever it was.
    fn place(&mut self, key: Key, at: Duration, now: Duration) {
        self.unplace(key);
        let Some(need) = self.needs.get_mut(&key) else { return };
        let number = self.next;
        self.next += 1;
        if at > now {
            need.state = State::Waiting(at, number);
            self.waiting.insert((at, number, key));
        } else {
            let class = class(need.live, need.size);
            need.state = State::Queued(class, number);
            self.queued.insert((class, number, key));
        }
    }

    fn unplace(&mut self, key: Key) {
        match self.needs.get(&key).map(|n| n.state) {
            Some(State::Waiting(at, number)) => {
                self.waiting.remove(&(at, number, key));
            }
            Some(State::Queued(class, number)) => {
                self.queued.remove(&(class, number, key));
            }
            _ => {}
        }
    }

    /// Puts a read off that has not begun: the file is being written to.
    pub(super) fn postpone(&mut self, key: Key, until: Duration, now: Duration) {
        if matches!(self.needs.get(&key).map(|n| n.state), Some(State::Waiting(..) | State::Queued(..))) {
            self.place(key, until, now);
        }
    }

    /// Hands out the next file whose facts were taken, `taken` being how many were. With `live_up_to`, only
    /// a live one of about that size at the most.
    pub(super) fn next(&mut self, now: Duration, taken: u64, live_up_to: Option<u64>) -> Option<Taken> {
        let last = live_up_to.map_or(u8::MAX, |size| class(true, size));
        self.ripen(now);
        let mut from = 0;
        // Within a class the first one waits for the fewest facts.
        let (class, number, key) = loop {
            let first = self.queued.range((from, 0, Key::FIRST)..).next().copied()?;
            if first.0 > last {
                return None;
            }
            if self.needs.get(&first.2).is_some_and(|n| n.after <= taken) {
                break first;
            }
            from = first.0.checked_add(1)?;
        };
        self.queued.remove(&(class, number, key));
        let need = self.needs.get_mut(&key)?;
        need.state = State::Running;
        let Need { live, size, tries, .. } = *need;
        Some(Taken { key, live, size, torn: tries + 1 >= READ_TRIES, tries })
    }

    /// Queues what has waited long enough.
    pub(super) fn ripen(&mut self, now: Duration) {
        while let Some((at, _, key)) = self.waiting.first().copied().filter(|w| w.0 <= now) {
            self.place(key, at, now);
        }
    }

    /// Ends every wait.
    pub(super) fn release_all(&mut self, now: Duration) {
        while let Some((_, _, key)) = self.waiting.first().copied() {
            self.place(key, now, now);
        }
    }

    /// When the next wait ends.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.waiting.first().map(|w| w.0)
    }

    pub(super) fn is_running(&self, key: Key) -> bool {
        self.needs.get(&key).is_some_and(|n| n.state == State::Running)
    }

    pub(super) fn is_wanted(&self, key: Key) -> bool {
        self.needs.contains_key(&key)
    }

    pub(super) fn is_parked(&self, key: Key) -> bool {
        self.needs.get(&key).is_some_and(|n| n.state == State::Parked)
    }

    /// The file was read with this `ctime`.
    pub(super) fn stored(&mut self, key: Key, ctime: FileTime, now: Duration, epochs: &mut Epochs) -> Stored {
        let Some(need) = self.needs.get_mut(&key) else { return Stored::Done };
        let as_looked = need.looked == ctime;
        match need.meanwhile.take().filter(|_| !as_looked) {
            Some(epoch) => {
                epochs.begin(epoch);
                epochs.end(need.epoch);
                (need.epoch, need.tries, need.live) = (epoch, 0, true);
                self.place(key, now, now);
                Stored::WantedAgain
            }
            None => {
                self.forget(key, epochs);
                if as_looked { Stored::Done } else { Stored::LookAgain }
            }
        }
    }

    /// The epoch that a need counts for.
    pub(super) fn epoch_of(&self, key: Key) -> Option<Epoch> {
        self.needs.get(&key).map(|n| n.epoch)
    }

    /// It changed under its reader: tries again after a while.
    pub(super) fn changed(&mut self, key: Key, now: Duration, hurry: bool) {
        let Some(need) = self.needs.get_mut(&key) else { return };
        let wait = CHANGED_WAIT * (1 << need.tries.min(8));
        need.tries += 1;
        need.meanwhile = None;
        self.place(key, if hurry { now } else { now + wait }, now);
    }

    /// Its path did not lead to it: waits for a look. Gives `false` when that was tried often enough.
    pub(super) fn gone(&mut self, key: Key) -> bool {
        let Some(need) = self.needs.get_mut(&key) else { return false };
        need.tries += 1;
        need.state = State::Parked;
        need.tries < READ_TRIES
    }

    /// It has no path now: waits for one. Nothing was tried with that.
    pub(super) fn homeless(&mut self, key: Key) {
        if let Some(need) = self.needs.get_mut(&key) {
            need.state = State::Parked;
            self.homeless.insert(key);
        }
    }

    /// Directories have other places than before: those without a path may have one again.
    pub(super) fn housed(&mut self, now: Duration) {
        for key in std::mem::take(&mut self.homeless) {
            if self.is_parked(key) {
                self.place(key, now, now);
            }
        }
    }

    /// It was not read, for reasons of the caller's.
    pub(super) fn abandoned(&mut self, key: Key, now: Duration) {
        self.place(key, now, now);
    }

    /// It need not be read any more.
    pub(super) fn forget(&mut self, key: Key, epochs: &mut Epochs) {
        self.unplace(key);
        if let Some(need) = self.needs.remove(&key) {
            epochs.end(need.epoch);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.needs.len()
    }
}
