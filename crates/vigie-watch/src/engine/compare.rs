//! What changed of a node that is where it was: its metadata, which is recorded at once, and its content,
//! which is to be read.

use super::dirty::{When, Why};
use super::index::{Flags, Key};
use super::look::Here;
use super::reads::Want;
use super::{Engine, OpenError};
use crate::files::{Dir, Kind, Stat};
use crate::limits::ANNOUNCE_AFTER;
use std::io;
use std::time::Duration;
use vigie_model::files::MetadataChanged;
use vigie_model::{FileEvent, Metadata};

/// What makes a record of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    /// A change of the metadata alone.
    Changes,
    /// Also that content is pending.
    Pending,
    /// Also that content is not pending any more.
    Settled,
}

impl Engine {
    /// States what changed of a node that is where it was.
    pub(super) fn compare(&mut self, node: Key, here: &Here<'_>) {
        let Here { stat, why, .. } = *here;
        let Some(known) = self.index.get(node) else { return };
        let (same_ctime, is_file) = (known.ctime() == stat.ctime, stat.kind == Kind::File);
        // What is recorded of its metadata may be older than its `ctime` says.
        let unsure =
            is_file && known.flags.has(Flags::PENDING) && (why.has(Why::SETTLE) || why.has(Why::SCAN));
        let stale = is_file && self.is_stale(node, stat, why);
        let refused =
            why.has(Why::REFUSED) && self.index.get(node).is_some_and(|n| n.flags.has(Flags::UNREADABLE));
        let announce = (why.has(Why::ANNOUNCE) && self.reads.is_wanted(node)) || refused;
        let thorough = !same_ctime || announce || unsure || why.has(Why::ATTRIB);
        if thorough {
            let Ok(meta) = self.metadata(here) else { return };
            let say = if announce {
                Say::Pending
            } else if why.has(Why::SETTLE) && !stale {
                Say::Settled
            } else {
                Say::Changes
            };
            self.compare_metadata(node, meta, stale || refused, say);
        }
        // To read again at once what was just refused would not end.
        if stale && !why.is_only(Why::REFUSED) {
            self.want(node, stat, why, self.now);
        }
        if thorough && stat.kind == Kind::Dir {
            self.retry_listing(node, why);
            if why.has(Why::ATTRIB) && why.is_live() {
                self.try_opening(node);
            }
        }
    }

    /// Whether the content recorded may not be the one on the disk.
    fn is_stale(&self, node: Key, stat: &Stat, why: Why) -> bool {
        let Some(known) = self.index.get(node) else { return false };
        let (flags, new_ctime) = (known.flags, known.ctime() != stat.ctime);
        if known.size != stat.size || known.mtime() != stat.mtime || self.reads.is_parked(node) {
            return true;
        }
        if why.has(Why::WRITTEN) || why.has(Why::CLOSED) || why.has(Why::SETTLE) {
            return new_ctime || flags.has(Flags::RACY);
        }
        if why.has(Why::SCAN) {
            let known =
                [Flags::PENDING, Flags::STALE, Flags::RACY, Flags::TORN].iter().all(|f| !flags.has(*f));
            return new_ctime || ((!known || !flags.has(Flags::CONTENT)) && !self.reads.is_wanted(node));
        }
        why.has(Why::ATTRIB) && flags.has(Flags::UNREADABLE)
    }

    /// Records metadata that changed, or whether content is to come.
    fn compare_metadata(&mut self, node: Key, meta: Metadata, stale: bool, say: Say) {
        let hash = self.hash(&meta);
        let wanted = self.reads.is_wanted(node);
        let Some(known) = self.index.get(node) else { return };
        let times = !known.is_file && (known.mtime() != meta.mtime || known.size != meta.size);
        let changed = u32::from(known.mode) != meta.mode || known.hash != hash || times;
        let is_file = known.is_file;
        let was_pending = is_file && known.flags.has(Flags::PENDING);
        let pending = is_file && (stale || wanted || (was_pending && say != Say::Settled));
        if !changed && (say == Say::Changes || pending == was_pending) {
            return;
        }
        let id = known.id;
        self.fill(node, &meta);
        if is_file {
            self.index_flag(node, Flags::PENDING, pending);
        }
        if !pending {
            self.index_flag(node, Flags::STALE, false);
        }
        self.emit(FileEvent::Metadata(MetadataChanged { node: id, meta, pending }));
    }

    /// Has a file read.
    pub(super) fn want(&mut self, node: Key, stat: &Stat, why: Why, ready_at: Duration) {
        self.index_flag(node, Flags::STALE, true);
        let want = Want {
            epoch: self.epoch,
            live: why.is_live(),
            size: stat.size,
            ctime: stat.ctime,
            ready_at: if self.epochs.hurried() { self.now } else { ready_at },
            after: self.outbox.pushed(),
        };
        let news = self.reads.want(node, want, self.now, &mut self.epochs);
        let announced = self.index.get(node).is_none_or(|n| n.flags.has(Flags::PENDING));
        if news && !announced {
            self.announcements.push_back((self.now + ANNOUNCE_AFTER, node));
        }
    }

    /// Says of files that could not be read for a while that newer content exists.
    pub(super) fn announce(&mut self) {
        while let Some((_, node)) = self.announcements.pop_front_if(|(due, _)| *due <= self.now) {
            let silent = self.index.get(node).is_some_and(|n| !n.flags.has(Flags::PENDING));
            if silent && self.reads.is_wanted(node) {
                self.epoch = self.epochs.now();
                self.mark_self(node, Why::ANNOUNCE, When::Now);
            }
        }
    }

    /// A directory itself, seen through its handle.
    pub(super) fn compare_dir(&mut self, dir: Key, handle: &dyn Dir, stat: &Stat) {
        if self.index.get(dir).is_some_and(|known| known.ctime() == stat.ctime) {
            return;
        }
        let Some(path) = self.path_of(dir) else { return };
        if let Ok(meta) = self.metadata_of(stat, &path, || Ok(Vec::new()), || handle.xattrs_self()) {
            self.compare_metadata(dir, meta, false, Say::Changes);
        }
    }

    /// A directory that could not be listed, or what is below it, may be listed now that its mode changed.
    pub(super) fn retry_listing(&mut self, dir: Key, why: Why) {
        if why.has(Why::ATTRIB) && self.is_worth_listing(dir) {
            self.push_live(dir, true);
        }
    }

    /// A directory whose mode, owner or lists of access changed may have become one that cannot be listed, or whose
    /// entries cannot be looked at: events about them would then be all that is left of them.
    fn try_opening(&mut self, dir: Key) {
        match self.open(dir) {
            Ok(handle) => {
                let searched = handle.stat_entry(b".");
                self.keep(dir, handle);
                if searched.is_err_and(|error| error.raw_os_error() == Some(libc::EACCES)) {
                    self.push_live(dir, true);
                }
            }
            Err(OpenError::Refused(error)) => self.cannot_list(dir, &error),
            Err(OpenError::NotThere) => {}
        }
    }

    pub(super) fn metadata(&mut self, here: &Here<'_>) -> io::Result<Metadata> {
        let Here { dir, handle, name, stat, .. } = *here;
        let path = self.path_of_entry(dir, name);
        self.metadata_of(stat, &path, || handle.read_link(name), || handle.xattrs(name))
    }
}
