//! Listing directories and comparing what is there with the index. Mark first, list second: what happens
//! between the two shows in either, and what shows in both makes no difference.
//!
//! Two lanes: directories that appeared just now, and whole roots. One slice at a time of either, so that a
//! live change never waits for a scan.

use super::dirty::{Spot, When, Why};
use super::epochs::Epoch;
use super::index::{Flags, Key};
use super::look::Seen;
use super::{Engine, OpenError};
use crate::files::{Dir, FsClass, FsInfo, Listed};
use crate::limits::{LOOKS_PER_STEP, READS_SCAN_MAX, SCAN_SLICE};
use crate::rules::RULES_FILE;
use std::collections::HashSet;
use vigie_model::ErrorAct;

/// Calls for more names in one slice: some thousand names each.
const LISTS_PER_SLICE: usize = 4;

/// A directory to list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    dir: Key,
    /// With all below it, rather than only with what is new there.
    deep: bool,
    epoch: Epoch,
}

/// A directory that is being compared.
#[derive(Debug)]
struct Listing {
    job: Job,
    handle: Box<dyn Dir>,
    names: Vec<Listed>,
    /// All names are here; before, they are still being listed.
    listed: bool,
    /// How many were compared.
    at: usize,
    /// Those that could not be looked at.
    failed: HashSet<Box<[u8]>>,
    below: Vec<Job>,
}

/// Directories to list, the last one first, and the one at hand.
#[derive(Debug, Default)]
pub(super) struct Lane {
    stack: Vec<Job>,
    current: Option<Listing>,
}

impl Lane {
    pub(super) fn is_idle(&self) -> bool {
        self.stack.is_empty() && self.current.is_none()
    }

    /// Whether anything is listed, or will be, that was listed before.
    fn is_deep(&self) -> bool {
        self.stack.iter().chain(self.current.iter().map(|listing| &listing.job)).any(|job| job.deep)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Live,
    Bulk,
}

impl Engine {
    fn lane(&mut self, which: Which) -> &mut Lane {
        match which {
            Which::Live => &mut self.live,
            Which::Bulk => &mut self.bulk,
        }
    }

    fn push_job(&mut self, which: Which, dir: Key, deep: bool, epoch: Epoch) {
        self.epochs.begin(epoch);
        self.lane(which).stack.push(Job { dir, deep, epoch });
    }

    /// Has a directory listed soon that appeared or changed just now.
    pub(super) fn push_live(&mut self, dir: Key, deep: bool) {
        self.push_job(Which::Live, dir, deep, self.epoch);
    }

    pub(super) fn push_bulk(&mut self, dir: Key, epoch: Epoch) {
        self.push_job(Which::Bulk, dir, true, epoch);
    }

    /// Gives up the scan at hand.
    pub(super) fn drop_bulk(&mut self) {
        let lane = std::mem::take(&mut self.bulk);
        for job in lane.stack.iter().chain(lane.current.iter().flat_map(|l| l.below.iter().chain([&l.job]))) {
            self.epochs.end(job.epoch);
        }
        self.missing.clear();
    }

    /// One slice. Gives whether there is more to do now.
    pub(super) fn scan(&mut self) -> bool {
        if !self.outbox.has_room() {
            return false;
        }
        if !self.live.is_idle() {
            self.slice(Which::Live);
            return true;
        }
        if !self.outbox.has_room_for_scan() || self.reads.len() >= READS_SCAN_MAX {
            return false;
        }
        if !self.bulk.is_idle() {
            self.slice(Which::Bulk);
            return true;
        }
        if !self.missing.is_empty() {
            self.look_at_missing();
            return true;
        }
        match self.bulk_root {
            Some(at) => {
                self.finish_root(at);
                true
            }
            None => self.begin_root(),
        }
    }

    /// Whether a root, or a directory with all below it, is being compared.
    pub(super) fn is_comparing(&self) -> bool {
        self.bulk_root.is_some() || self.live.is_deep()
    }

    /// Whether whole roots are being compared.
    pub(super) fn is_scanning(&self) -> bool {
        self.bulk_root.is_some() || !self.bulk_queue.is_empty()
    }

    fn slice(&mut self, which: Which) {
        let listing = match self.lane(which).current.take() {
            Some(listing) => Some(listing),
            None => self.lane(which).stack.pop().and_then(|job| self.begin_listing(which, job)),
        };
        let Some(mut listing) = listing else { return };
        self.epoch = listing.job.epoch;
        if self.index.get(listing.job.dir).is_none() {
            return self.end_listing(which, listing);
        }
        if !listing.listed {
            match self.list_more(&mut listing) {
                Ok(()) => {}
                Err(error) => {
                    self.cannot_list(listing.job.dir, &error);
                    return self.end_listing(which, listing);
                }
            }
        } else if self.compare_some(which, &mut listing) {
            self.was_listed(listing.job.dir, &listing.failed);
            self.note_missing(which, listing.job.dir);
            return self.end_listing(which, listing);
        }
        self.lane(which).current = Some(listing);
    }

    /// Opens, marks and begins to list. `None` when the directory is not to be listed after all.
    fn begin_listing(&mut self, which: Which, job: Job) -> Option<Listing> {
        self.epoch = job.epoch;
        let handle = match self.open(job.dir) {
            Ok(handle) => handle,
            Err(error) => {
                match error {
                    OpenError::NotThere => self.mark_self(job.dir, Why::NAME, When::Now),
                    OpenError::Refused(error) => self.cannot_list(job.dir, &error),
                }
                self.epochs.end(job.epoch);
                return None;
            }
        };
        let listing = Listing {
            job,
            handle,
            names: Vec::new(),
            listed: false,
            at: 0,
            failed: HashSet::new(),
            below: Vec::new(),
        };
        match self.mark(&listing) {
            Ok(()) => Some(listing),
            Err(error) => {
                self.cannot_list(job.dir, &error);
                self.end_listing(which, listing);
                None
            }
        }
    }

    /// Has the kernel watch a directory, then looks at the directory itself: what it lost or got before the
    /// mark shows in its times.
    fn mark(&mut self, listing: &Listing) -> std::io::Result<()> {
        let (dir, handle) = (listing.job.dir, &*listing.handle);
        match self.kernel.watch(handle) {
            Ok(watch) => {
                if self.index.watch(dir) != Some(watch) {
                    self.index.set_watch(dir, Some(watch));
                }
                self.index_flag(dir, Flags::UNWATCHED, false);
            }
            Err(error) => {
                self.index_flag(dir, Flags::UNWATCHED, true);
                match error.raw_os_error() {
                    Some(errno @ (libc::ENOSPC | libc::ENOMEM)) => self.watch_limit(dir, errno),
                    errno => {
                        let path = self.path_of(dir).unwrap_or_default();
                        self.fail(path, ErrorAct::Watch, errno.unwrap_or(libc::EIO));
                    }
                }
            }
        }
        let stat = handle.stat()?;
        if let Some(at) = self.root_of(dir) {
            let tier = crate::files::tier(&handle.identity(&stat)?);
            self.roots[at].tier = self.roots[at].tier.max(tier);
            let is_remote = |system: FsInfo| system.class == FsClass::Network;
            if self.index.dev(dir) != stat.dev && handle.file_system().is_ok_and(is_remote) {
                self.set_remote(at, true);
            }
        }
        self.index.begin_round(dir, stat.dev);
        self.compare_dir(dir, handle, &stat);
        Ok(())
    }

    fn list_more(&mut self, listing: &mut Listing) -> std::io::Result<()> {
        for _ in 0..LISTS_PER_SLICE {
            if !listing.handle.list(&mut listing.names)? {
                listing.names.sort_unstable_by_key(|n| n.ino);
                listing.listed = true;
                let dir = listing.job.dir;
                self.can_list(dir);
                if self.failures.any() {
                    let path = self.index_path(dir);
                    self.failures.clear(&path, ErrorAct::List);
                }
                let has_rules = listing.names.iter().any(|n| &*n.name == RULES_FILE);
                self.load_rules(dir, &*listing.handle, has_rules);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Compares the next entries. Gives whether these were the last.
    fn compare_some(&mut self, which: Which, listing: &mut Listing) -> bool {
        let Job { dir, deep, epoch } = listing.job;
        let why = if which == Which::Live { Why::SCAN_LIVE } else { Why::SCAN };
        let until = listing.names.len().min(listing.at + SCAN_SLICE);
        for listed in &listing.names[listing.at..until] {
            let below = match self.examine(dir, &*listing.handle, &listed.name, why) {
                Seen::New(node) => node,
                Seen::Known(node) if deep => node,
                Seen::Failed => {
                    listing.failed.insert(listed.name.clone());
                    continue;
                }
                _ => continue,
            };
            if self.index.get(below).is_some_and(|n| n.is_dir()) {
                self.epochs.begin(epoch);
                listing.below.push(Job { dir: below, deep, epoch });
            }
        }
        listing.at = until;
        until == listing.names.len()
    }

    /// What the index has and the listing had not. During the scan of a root it may turn up elsewhere.
    fn note_missing(&mut self, which: Which, dir: Key) {
        for name in self.index.missing(dir) {
            match which {
                Which::Live => self.mark_spot(Spot { dir, name }, Why::NAME, When::Now),
                Which::Bulk => self.missing.push(Spot { dir, name }),
            }
        }
    }

    fn end_listing(&mut self, which: Which, listing: Listing) {
        // The stack gives the last one first, and the order of inodes is good for the disk.
        self.lane(which).stack.extend(listing.below.into_iter().rev());
        self.epochs.end(listing.job.epoch);
    }

    fn look_at_missing(&mut self) {
        if let Some(at) = self.bulk_root {
            self.epoch = self.root_epoch(at);
        }
        for _ in 0..LOOKS_PER_STEP {
            let Some(Spot { dir, name }) = self.missing.pop() else { return };
            if self.index.child(dir, &name).is_none() {
                continue;
            }
            match self.open(dir) {
                Ok(handle) => {
                    self.examine(dir, &*handle, &name, Why::NAME);
                    self.keep(dir, handle);
                }
                // Then it is missing itself, or was renamed meanwhile and is scanned there.
                Err(_) => self.mark_spot(Spot { dir, name }, Why::NAME, When::Now),
            }
        }
    }
}
