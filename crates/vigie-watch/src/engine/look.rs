//! Looking at a name and stating the difference. Whatever an event said, only this decides.

use super::dirty::{Due, Spot, When, Why};
use super::index::{Flags, Key};
use super::{Engine, OpenError, is_gone};
use crate::files::{Dir, Kind, Stat};
use crate::limits::{AFTER_CREATE, LOOK_TRIES, MOVE_HOLD, WRITE_QUIET};
use crate::rules::RULES_FILE;
use std::time::Duration;
use vigie_model::files::{Created, Linked, Renamed};
use vigie_model::{EdgeName, ErrorAct, FileEvent, Metadata, Name, NodeId};

/// What a look found under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing, or nothing that is recorded.
    Nothing,
    /// What was there before, or a known node that is new here.
    Known(Key),
    /// A node that was not known.
    New(Key),
    /// It could not be looked at.
    Failed,
}

/// A node that lost its last name to another: it may turn up under a new one, as in an exchange.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) node: Key,
    pub(super) due: Duration,
    pub(super) epoch: super::epochs::Epoch,
    from: (NodeId, Box<[u8]>),
}

/// First wait before a name is looked at again whose directory was not where it should be.
const AGAIN: Duration = Duration::from_millis(2);

impl Engine {
    pub(super) fn look(&mut self, due: Due) {
        let Spot { dir, name } = &*due.spot;
        if self.index.get(*dir).is_none() || self.is_hidden(*dir) {
            return;
        }
        if name.is_empty() {
            return self.look_at_itself(*dir, due.why);
        }
        match self.open(*dir) {
            Ok(handle) => {
                self.examine(*dir, &*handle, name, due.why);
                self.keep(*dir, handle);
                if &**name == RULES_FILE && !due.why.has(Why::ANNOUNCE) && self.index.get(*dir).is_some() {
                    self.push_live(*dir, true);
                }
            }
            Err(OpenError::NotThere) => self.look_again(&due),
            Err(OpenError::Refused(error)) => {
                // Something happened in it, and what, cannot be seen; but perhaps under another name.
                self.cannot_list(*dir, &error);
                self.look_at_other_names(*dir, name, due.why);
            }
        }
    }

    fn look_at_other_names(&mut self, dir: Key, name: &[u8], why: Why) {
        let Some(node) = self.index.child(dir, name) else { return };
        if self.reads.is_parked(node) && self.is_out_of_sight(node) {
            // No look will tell where it is.
            return self.reads.forget(node, &mut self.epochs);
        }
        for (dir, name) in self.index.names(node) {
            if !self.is_unlisted(dir) {
                self.mark_spot(Spot { dir, name }, why, When::Now);
            }
        }
    }

    /// The directory of a name is not where it is believed to be: it moved, and its own event is on the way,
    /// or its root is gone.
    fn look_again(&mut self, due: &Due) {
        let dir = due.spot.dir;
        let root = self.root_of(dir);
        if root.is_some_and(|at| self.is_lost(at)) {
            return;
        }
        // One that has no name at this moment may get one again, or go (see `Orphan`): its events may be far back in
        // the queue.
        if due.tries < LOOK_TRIES || root.is_none() {
            self.mark_self(dir, Why::NAME, When::Now);
            let when = When::At(self.now + AGAIN * (1 << due.tries));
            self.mark_tries((*due.spot).clone(), due.why, when, (due.tries + 1).min(LOOK_TRIES));
        } else if let Some(at) = root {
            tracing::debug!(root = %self.roots[at].path, "a directory cannot be found: comparing its root");
            self.check_roots = true;
            self.schedule_root(at);
        }
    }

    /// A root's own times, mode and attributes.
    fn look_at_itself(&mut self, dir: Key, why: Why) {
        if why.has(Why::DELETED) {
            // It was emptied first, though its path may be gone too soon to see that name by name.
            return self.remove_below(dir);
        }
        match self.open(dir) {
            Ok(handle) => {
                if let Ok(stat) = handle.stat() {
                    self.compare_dir(dir, &*handle, &stat);
                    self.retry_listing(dir, why);
                }
                self.keep(dir, handle);
            }
            Err(_) => self.check_roots = true,
        }
    }

    /// Looks at one name of an open directory.
    pub(super) fn examine(&mut self, dir: Key, handle: &dyn Dir, name: &[u8], why: Why) -> Seen {
        let found = handle.stat_entry(name).and_then(|stat| {
            let identity = handle.identify_entry(name, &stat)?;
            Ok((stat, self.ids.of(&identity, || self.path_of_entry(dir, name))))
        });
        let (stat, id) = match found {
            Ok(found) => found,
            Err(error) if is_gone(&error) => {
                self.was_looked_at(dir, name);
                self.remove_name(dir, name, why);
                return Seen::Nothing;
            }
            Err(error) => {
                let path = self.path_of_entry(dir, name);
                self.fail(path, ErrorAct::Stat, error.raw_os_error().unwrap_or(libc::EIO));
                self.cannot_look(dir, name, false);
                return Seen::Failed;
            }
        };
        if self.failures.any() {
            let path = self.path_of_entry(dir, name);
            self.failures.clear(&path, ErrorAct::Stat);
        }
        if Name::new(name).is_err() || self.is_left_out(dir, name, &stat) {
            self.was_looked_at(dir, name);
            self.remove_name(dir, name, why);
            return Seen::Nothing;
        }
        if self.is_pseudo(dir, handle, name, &stat) {
            return self.left_out_mount(dir, name);
        }
        let here = Here { dir, handle, name, stat: &stat, why };
        let seen = match self.index.child(dir, name) {
            Some(node) if self.index.get(node).is_some_and(|n| n.id == id) => {
                self.index.confirm(dir, name);
                self.compare(node, &here);
                if self.uncover(node) {
                    self.push_live(node, true);
                }
                self.make_up_listing(node, why);
                Seen::Known(node)
            }
            old => self.arrival(&here, id, old),
        };
        if seen != Seen::Failed {
            self.was_looked_at(dir, name);
        }
        seen
    }

    // === names ===

    /// Another node than before is under this name.
    fn arrival(&mut self, here: &Here<'_>, id: NodeId, old: Option<Key>) -> Seen {
        let Some(node) = self.index.find(&id) else {
            let meta = match self.metadata(here) {
                Ok(meta) => meta,
                Err(_) => {
                    self.remove_name(here.dir, here.name, here.why);
                    return Seen::Nothing;
                }
            };
            self.detach(here, old);
            return Seen::New(self.create(here, id, meta));
        };
        let source = self.source_of(node, id);
        let is_dir = self.is_dir(node);
        if is_dir && (matches!(source, Source::StillThere) || self.is_root_node(node)) {
            if !self.is_real_place(here, node) {
                return self.second_place(here, node);
            }
            self.leave_first_place(node, id);
        }
        if is_dir && self.index.is_below(here.dir, node) {
            // The way here goes through the node itself: what is known of it is older than what is seen.
            tracing::debug!("a directory was seen below itself: comparing its root");
            if let Some(at) = self.root_of(here.dir) {
                self.schedule_root(at);
            }
            return Seen::Nothing;
        }
        // What was said of it under its old name is not looked at there any more.
        let said = match &source {
            Source::Moved(dir, name) => self.dirty.why(&Spot { dir: *dir, name: name.clone() }),
            _ => Why::default(),
        };
        // A change of mode that made it readable may have been said of its old name, too, and looked at in vain.
        let unreadable = self.index.get(node).is_some_and(|n| n.flags.has(Flags::UNREADABLE));
        let said = if unreadable { said.with(Why::ATTRIB) } else { said };
        let here = &Here { why: here.why.with(said), ..*here };
        self.detach(here, old);
        self.index_take(node, &source);
        self.index.link(here.dir, here.name, node);
        self.say_arrival(here, id, source);
        self.compare(node, here);
        if is_dir {
            self.reads.housed(self.now);
        }
        // What was refused under its old name may have been another one that came there; and a comparison may have
        // been where it is now before it came, and where it was only when it had left.
        let is_missed = is_dir && here.why.is_live() && self.is_comparing();
        // What hid it, or seemed to, was at its old place.
        let was_covered = self.uncover(node);
        if self.is_unlisted(node) || is_missed || was_covered {
            self.push_live(node, true);
        }
        self.make_up_listing(node, here.why);
        Seen::Known(node)
    }

    /// A known directory that nobody watches yet: it was, or will be, missed by a comparison because it moved while
    /// that went on. (One that cannot be watched or listed has been said, and is tried again elsewhere.)
    fn make_up_listing(&mut self, node: Key, why: Why) {
        let is_missed = self.index.get(node).is_some_and(|n| n.is_dir() && !n.flags.has(Flags::UNWATCHED));
        // The comparison of a root goes down by itself.
        let is_missed = is_missed && !self.is_unlisted(node);
        if is_missed && why.is_live() && self.index.watch(node).is_none() {
            self.push_live(node, true);
        }
    }

    /// Where a known node was before, by looking whether its names still lead to it.
    fn source_of(&mut self, node: Key, id: NodeId) -> Source {
        let names = self.index.names(node);
        if names.is_empty() {
            return match self.orphans.iter().find(|o| o.node == node) {
                Some(orphan) => Source::Orphan(orphan.from.clone()),
                None => Source::Nowhere,
            };
        }
        let mut unknown = None;
        for (parent, name) in names {
            match self.leads_to(parent, &name, id) {
                Some(true) => {}
                Some(false) => return Source::Moved(parent, name),
                None => unknown = Some((parent, name)),
            }
        }
        let Some((dir, name)) = unknown else { return Source::StillThere };
        // Most likely it moved. If not, this look will find it there once more.
        self.mark_spot(Spot { dir, name: name.clone() }, Why::NAME, When::At(self.now + AGAIN));
        Source::Moved(dir, name)
    }

    /// Whether a name leads to a node at this moment; `None` when its directory is not where it should be. A name in
    /// a directory that may not be opened is believed, but not of a directory, which has only one.
    fn leads_to(&mut self, dir: Key, name: &[u8], id: NodeId) -> Option<bool> {
        let handle = match self.open(dir) {
            Ok(handle) => handle,
            Err(OpenError::Refused(_)) if self.index.find(&id).is_some_and(|key| !self.is_dir(key)) => {
                return Some(true);
            }
            Err(_) => return None,
        };
        let found = handle.stat_entry(name).and_then(|stat| handle.identify_entry(name, &stat));
        let leads =
            found.is_ok_and(|identity| self.ids.of(&identity, || self.path_of_entry(dir, name)) == id);
        self.keep(dir, handle);
        Some(leads)
    }

    fn is_dir(&self, node: Key) -> bool {
        self.index.get(node).is_some_and(|n| n.is_dir())
    }

    fn index_take(&mut self, node: Key, source: &Source) {
        match source {
            Source::Moved(parent, name) => {
                self.index.unlink(*parent, name);
            }
            Source::Orphan(_) => self.forget_orphan(node),
            Source::StillThere | Source::Nowhere => {}
        }
    }

    fn say_arrival(&mut self, here: &Here<'_>, id: NodeId, source: Source) {
        let (Some(parent), Ok(name)) = (self.index.get(here.dir).map(|n| n.id), Name::new(here.name)) else {
            return;
        };
        let from = match source {
            Source::Moved(parent, name) => self.index.get(parent).map(|n| (n.id, name)),
            Source::Orphan(from) => Some(from),
            Source::StillThere | Source::Nowhere => None,
        };
        match from.and_then(|(parent, name)| Some((parent, Name::new(name).ok()?))) {
            Some((from_parent, from_name)) => self.emit(FileEvent::Renamed(Renamed {
                from_parent,
                from_name,
                to_parent: parent,
                to_name: name,
                node: id,
            })),
            None => self.emit(FileEvent::Linked(Linked { parent, name, node: id })),
        }
    }

    /// A directory that is at another place already: a bind mount, or a root of its own. It is recorded there; what
    /// lies below it here is hidden, and not gone.
    fn second_place(&mut self, here: &Here<'_>, node: Key) -> Seen {
        let (first, second) = (self.index_path(node), self.path_of_entry(here.dir, here.name));
        let (first, second) = (String::from_utf8_lossy(&first), String::from_utf8_lossy(&second));
        if self.cover(here.dir, here.name) {
            tracing::warn!(
                "{second} is {first} once more: it is recorded there, and what lies below is hidden"
            );
        }
        Seen::Failed
    }

    /// What is mounted here is nobody's files; what lies below it, if anything is known of that, is hidden.
    fn left_out_mount(&mut self, dir: Key, name: &[u8]) -> Seen {
        if self.index.child(dir, name).is_some() {
            self.cover(dir, name);
        }
        Seen::Nothing
    }

    /// A directory was found first where it is only mounted: what lies below that place is hidden.
    fn leave_first_place(&mut self, node: Key, id: NodeId) {
        for (dir, name) in self.index.names(node) {
            self.emit_removed(dir, &name, id);
            self.index.unlink(dir, &name);
            self.cover(dir, &name);
        }
    }

    /// Takes a name from the node that bore it, in favour of another. The record about the other says it.
    fn detach(&mut self, here: &Here<'_>, old: Option<Key>) {
        let Some(old) = old else { return };
        self.index.unlink(here.dir, here.name);
        if self.index.has_name(old) {
            return self.mark_self(old, here.why, When::Now);
        }
        if self.is_root_node(old) {
            return;
        }
        let Some(parent) = self.index.get(here.dir).map(|n| n.id) else { return };
        self.epochs.begin(self.epoch);
        self.orphans.push_back(Orphan {
            node: old,
            due: self.now + MOVE_HOLD,
            epoch: self.epoch,
            from: (parent, here.name.into()),
        });
    }

    pub(super) fn forget_orphan(&mut self, node: Key) {
        if let Some(at) = self.orphans.iter().position(|o| o.node == node)
            && let Some(orphan) = self.orphans.remove(at)
        {
            self.epochs.end(orphan.epoch);
        }
    }

    /// Gives up the orphans that did not turn up anywhere.
    pub(super) fn expire_orphans(&mut self, hurried: bool) {
        if self.is_scanning() || self.dirty.next_due().is_some_and(|due| due <= self.now) {
            return;
        }
        while let Some(orphan) = self.orphans.pop_front_if(|o| hurried || o.due <= self.now) {
            self.epoch = orphan.epoch;
            self.remove_below(orphan.node);
            self.drop_node(orphan.node);
            self.epochs.end(orphan.epoch);
        }
    }

    fn create(&mut self, here: &Here<'_>, id: NodeId, meta: Metadata) -> Key {
        let node = self.index.insert(id, here.stat.kind);
        self.index.link(here.dir, here.name, node);
        self.fill(node, &meta);
        let pending = here.stat.kind == Kind::File;
        if let (Some(parent), Ok(name)) = (self.index.get(here.dir).map(|n| n.id), Name::new(here.name)) {
            let name = EdgeName::Entry(name);
            self.emit(FileEvent::Created(Created { parent, name, node: id, meta, pending }));
        }
        if pending {
            self.index_flag(node, Flags::PENDING, true);
            self.want(node, here.stat, here.why, first_read(here, self.now));
        } else if here.stat.kind == Kind::Dir && !here.why.has(Why::SCAN) {
            self.push_live(node, false);
        }
        node
    }
}

/// A name of an open directory, and what is there.
pub(super) struct Here<'a> {
    pub(super) dir: Key,
    pub(super) handle: &'a dyn Dir,
    pub(super) name: &'a [u8],
    pub(super) stat: &'a Stat,
    pub(super) why: Why,
}

/// Where a known node that turns up under a new name comes from.
#[derive(Debug)]
enum Source {
    /// This name does not lead to it any more.
    Moved(Key, Box<[u8]>),
    /// It lost its last name to another node, as in an exchange.
    Orphan((NodeId, Box<[u8]>)),
    /// All its names still lead to it.
    StillThere,
    /// It had no name: only roots do, and they are dealt with before.
    Nowhere,
}

/// When a new file is read first: a file that was just created is about to be written to.
fn first_read(here: &Here<'_>, now: Duration) -> Duration {
    if here.why.has(Why::SCAN) || here.why.has(Why::CLOSED) {
        now
    } else if here.why.has(Why::WRITTEN) {
        now + WRITE_QUIET
    } else if here.stat.size == 0 {
        now + AFTER_CREATE
    } else {
        now
    }
}
