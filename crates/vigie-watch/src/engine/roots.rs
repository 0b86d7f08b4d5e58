//! Roots: declaring them, noticing that one is gone, and taking it back without believing that everything
//! below it was deleted.

use super::dirty::{Spot, When, Why};
use super::index::Key;
use super::{Engine, epochs::Epoch};
use crate::files::{Dir, FsClass, Kind, Stat, Tier};
use crate::limits::{ROOT_POLL, UNWATCHED_SWEEP};
use crate::status::RootState;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;
use vigie_model::files::{Created, GapClosed, GapOpened, Removed};
use vigie_model::{BytePath, EdgeName, ErrorAct, FileEvent, GapCause, NodeId, UnixNanos};

/// One watched directory.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) path: BytePath,
    /// Lies within another root, and is watched as part of it.
    pub(super) nested: bool,
    pub(super) node: Option<Key>,
    /// What bore the path before: removed once the new one was compared.
    old: Option<Key>,
    pub(super) state: RootState,
    pub(super) gaps: Vec<(GapCause, Option<UnixNanos>)>,
    pub(super) tier: Tier,
    pub(super) file_system: String,
    pub(super) remote: bool,
    /// Why it is lost.
    pub(super) why_lost: Option<String>,
    /// Directories that the last scan could not watch.
    pub(super) unwatched: u64,
    /// Its scan must begin again when it ends: events were lost meanwhile.
    again: bool,
    /// When its scan began.
    began: Duration,
    /// When it is scanned again for the sake of unwatched directories.
    pub(super) sweep_at: Option<Duration>,
    epoch: Epoch,
}

impl Root {
    pub(super) fn new(path: BytePath, nested: bool) -> Root {
        Root {
            path,
            nested,
            node: None,
            old: None,
            state: RootState::Scanning,
            gaps: Vec::new(),
            tier: Tier::Handle,
            file_system: String::new(),
            remote: false,
            why_lost: None,
            unwatched: 0,
            again: false,
            began: Duration::ZERO,
            sweep_at: None,
            epoch: Epoch::default(),
        }
    }

    /// Whether a node is, or was until the comparison at hand is done, what the path leads to.
    pub(super) fn is_at(&self, node: Key) -> bool {
        !self.nested && (self.node == Some(node) || self.old == Some(node))
    }

    /// Under which the comparison at hand counts.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }
}

impl Engine {
    // === gaps ===

    pub(super) fn open_gap(&mut self, at: usize, cause: GapCause, since: Option<UnixNanos>) {
        let root = &mut self.roots[at];
        if root.gaps.iter().any(|(open, _)| *open == cause) {
            return;
        }
        root.gaps.push((cause, since));
        let root = root.path.clone();
        self.emit(FileEvent::GapOpened(GapOpened { root, cause, since }));
    }

    fn close_gaps(&mut self, at: usize) {
        let root = &mut self.roots[at];
        root.state = RootState::Watching;
        if !std::mem::take(&mut root.gaps).is_empty() {
            let root = root.path.clone();
            self.emit(FileEvent::GapClosed(GapClosed { root }));
        }
    }

    // === scans of whole roots ===

    /// Asks for a root to be compared with the index.
    pub(super) fn schedule_root(&mut self, at: usize) {
        if self.bulk_root == Some(at) {
            self.roots[at].again = true;
        } else if !self.bulk_queue.contains(&at) {
            let root = &mut self.roots[at];
            root.state = RootState::Scanning;
            root.epoch = self.epoch;
            self.epochs.begin(self.epoch);
            self.bulk_queue.push_back(at);
        }
    }

    /// Begins the next scan of a root. Gives whether there was one.
    pub(super) fn begin_root(&mut self) -> bool {
        let Some(at) = self.bulk_queue.pop_front() else { return false };
        let root = &mut self.roots[at];
        (root.began, root.unwatched, root.again, root.sweep_at) = (self.now, 0, false, None);
        let epoch = root.epoch;
        let Some(node) = root.node else {
            self.epochs.end(epoch);
            return true;
        };
        self.bulk_root = Some(at);
        self.push_bulk(node, epoch);
        true
    }

    /// All of a root was compared, and what is missing was looked at.
    pub(super) fn finish_root(&mut self, at: usize) {
        self.bulk_root = None;
        self.epoch = self.roots[at].epoch;
        if let Some(old) = self.roots[at].old.take() {
            self.remove_below(old);
            self.drop_node(old);
        }
        if self.roots[at].again {
            self.schedule_root(at);
        } else if self.roots[at].unwatched > 0 {
            let took = self.now.saturating_sub(self.roots[at].began);
            self.roots[at].sweep_at = Some(self.now + UNWATCHED_SWEEP.max(took * 20));
            self.roots[at].state = RootState::Watching;
        } else {
            self.close_gaps(at);
            self.settle_nested();
        }
        self.epochs.end(self.epoch);
    }

    /// The kernel grants no watch for one more directory.
    pub(super) fn watch_limit(&mut self, dir: Key, errno: i32) {
        let Some(at) = self.root_of(dir) else { return };
        self.roots[at].unwatched += 1;
        if !self.roots[at].gaps.iter().any(|(cause, _)| *cause == GapCause::WatchLimit) {
            let path = self.path_of(dir).unwrap_or_default();
            self.fail(path, ErrorAct::Watch, errno);
            self.open_gap(at, GapCause::WatchLimit, Some(self.clock.wall()));
        }
    }

    // === coming and going ===

    /// Looks whether each root is where it was. Called about once a second, and when an event hints at it.
    pub(super) fn watch_over_roots(&mut self) {
        if !self.check_roots && self.now < self.next_poll {
            return;
        }
        if self.dirty.next_due().is_some_and(|due| due <= self.now) {
            // What happened before a root went must be looked at first.
            return;
        }
        (self.check_roots, self.next_poll) = (false, self.now + ROOT_POLL);
        self.epoch = self.epochs.now();
        self.retry_unseen();
        for at in 0..self.roots.len() {
            self.epoch = self.epochs.now();
            if self.roots[at].nested {
                self.check_nested(at)
            } else {
                self.check_root(at)
            }
            if self.roots[at].sweep_at.is_some_and(|due| due <= self.now) {
                self.schedule_root(at);
            }
        }
    }

    fn check_root(&mut self, at: usize) {
        let found = self.find_root(at);
        let known = self.roots[at].node.and_then(|key| self.index.get(key)).map(|n| n.id);
        match found {
            Err(error) => self.lose_root(at, &error),
            Ok((_, _, id)) if self.roots[at].state != RootState::Lost && Some(id) == known => {}
            Ok((dir, stat, id)) => {
                if self.roots[at].state != RootState::Lost {
                    self.lose_root(at, &io::Error::from_raw_os_error(libc::ESTALE));
                }
                self.arrive(at, &*dir, &stat, id);
            }
        }
    }

    fn find_root(&self, at: usize) -> io::Result<(Box<dyn Dir>, Stat, NodeId)> {
        let path = &self.roots[at].path;
        let dir = self.files.open_root(path)?;
        let stat = dir.stat()?;
        let id = self.ids.of(&dir.identity(&stat)?, || path.as_bytes().to_vec());
        Ok((dir, stat, id))
    }

    /// Begins with a root, at the start or when it is back.
    pub(super) fn begin_with_root(&mut self, at: usize) {
        match self.find_root(at) {
            Ok((dir, stat, id)) => self.arrive(at, &*dir, &stat, id),
            Err(error) => self.lose_root(at, &error),
        }
    }

    /// The root's path leads to a directory: declares it if it is a new one, and has it compared.
    fn arrive(&mut self, at: usize, dir: &dyn Dir, stat: &Stat, id: NodeId) {
        let known = self.roots[at].node.filter(|key| self.index.get(*key).is_some());
        let same = known.filter(|key| self.index.get(*key).is_some_and(|n| n.id == id));
        if same.is_none()
            && let Some(old) = known
            && !self.index.is_empty_dir(old)
            && is_empty(&self.roots[at].path, &*self.files)
        {
            // What an unmounted disk leaves behind. To believe it would be to delete everything.
            if self.roots[at].state != RootState::Lost {
                self.lose_root(at, &io::Error::from_raw_os_error(libc::ESTALE));
            }
            self.roots[at].why_lost =
                Some("another, empty directory is in its place: is something not mounted?".into());
            return;
        }
        if let Ok(system) = dir.file_system() {
            self.set_remote(at, system.class == FsClass::Network);
            self.roots[at].file_system = system.name;
        }
        if same.is_none() && !self.adopt(at, dir, stat, id, known) {
            return;
        }
        (self.roots[at].why_lost, self.roots[at].state) = (None, RootState::Scanning);
        self.schedule_root(at);
    }

    /// Whether a root, or something mounted below it, is on a network file system.
    pub(super) fn set_remote(&mut self, at: usize, remote: bool) {
        let root = &mut self.roots[at];
        if remote && !root.remote {
            tracing::warn!(root = %root.path, "a network file system: changes made by other machines go unseen");
        }
        root.remote = remote;
    }

    /// Puts another node under a root's path.
    fn adopt(&mut self, at: usize, dir: &dyn Dir, stat: &Stat, id: NodeId, old: Option<Key>) -> bool {
        let path = self.roots[at].path.clone();
        if self.index.find(&id).is_some_and(|key| self.is_root_node(key)) {
            self.notice(format!("{path} is the same directory as another root"));
            return false;
        }
        let meta = match self.metadata_of_dir(dir, stat, &path) {
            Ok(meta) => meta,
            Err(error) => {
                self.lose_root(at, &error);
                return false;
            }
        };
        let node = match self.index.find(&id) {
            Some(node) => {
                // A root to which nothing led begins empty on the hub, and this one may have no name just now.
                self.remove_below(node);
                node
            }
            None => self.index.insert(id, Kind::Dir),
        };
        for (parent, name) in self.index.names(node) {
            self.emit_removed(parent, &name, id);
            self.index.unlink(parent, &name);
        }
        self.forget_orphan(node);
        self.fill(node, &meta);
        let name = EdgeName::Root(path);
        self.emit(FileEvent::Created(Created {
            parent: NodeId::ROOTS,
            name,
            node: id,
            meta,
            pending: false,
        }));
        self.settle_declared(node);
        self.roots[at].node = Some(node);
        if self.roots[at].old.is_none() {
            self.roots[at].old = old;
        } else if let Some(old) = old {
            self.remove_below(old);
            self.drop_node(old);
        }
        true
    }

    /// A root is not where it was. Nothing below it is believed to be removed.
    fn lose_root(&mut self, at: usize, error: &io::Error) {
        let root = &mut self.roots[at];
        if root.state == RootState::Lost {
            return;
        }
        root.state = RootState::Lost;
        root.why_lost = Some(error.to_string());
        let (path, node, nested) = (root.path.as_bytes().to_vec(), root.node, root.nested);
        self.failures.clear(&path, ErrorAct::Stat);
        self.fail(path, ErrorAct::Stat, error.raw_os_error().unwrap_or(libc::ENOENT));
        self.open_gap(at, GapCause::RootLost, Some(self.clock.wall()));
        if nested {
            return;
        }
        if let Some(node) = node {
            self.stop_watching(node);
        }
        if self.bulk_root == Some(at) {
            self.bulk_root = None;
            self.drop_bulk();
            self.epochs.end(self.roots[at].epoch);
        }
    }

    /// Ends all watches and reads below a directory that is out of reach. The index keeps what it knows.
    pub(super) fn stop_watching(&mut self, top: Key) {
        let mut stack = vec![top];
        while let Some(dir) = stack.pop() {
            if let Some(watch) = self.index.watch(dir) {
                self.kernel.unwatch(watch);
                self.index.set_watch(dir, None);
            }
            let children: Vec<Key> = self.index.children(dir).map(|(_, key)| key).collect();
            for child in children {
                match self.index.get(child) {
                    Some(node) if node.is_dir() => stack.push(child),
                    _ => self.reads.forget(child, &mut self.epochs),
                }
            }
        }
    }

    // === roots within roots ===

    /// Declares the roots that lie within others, once those were compared.
    fn settle_nested(&mut self) {
        for at in 0..self.roots.len() {
            if self.roots[at].nested && self.roots[at].state != RootState::Watching {
                self.settle_one(at);
            }
        }
    }

    fn settle_one(&mut self, at: usize) {
        let path = self.roots[at].path.clone();
        let outer = self.roots.iter().find(|r| !r.nested && path.below(&r.path).is_some());
        if outer.is_none_or(|r| r.state != RootState::Watching) {
            return;
        }
        match self.node_at(&path) {
            Some(node) => {
                if self.roots[at].node != Some(node) {
                    self.declare_nested(at, node);
                }
                self.roots[at].why_lost = None;
                self.close_gaps(at);
            }
            // Its outer root does not go there: a symlink or an ignore rule is on the way.
            None => {
                self.roots[at].nested = false;
                self.begin_with_root(at);
            }
        }
    }

    fn declare_nested(&mut self, at: usize, node: Key) {
        let Ok((dir, stat, id)) = self.find_root(at) else { return };
        let path = self.roots[at].path.clone();
        if self.index.get(node).is_none_or(|n| n.id != id) {
            return;
        }
        let Ok(meta) = self.metadata_of_dir(&*dir, &stat, &path) else { return };
        self.fill(node, &meta);
        let name = EdgeName::Root(path);
        self.emit(FileEvent::Created(Created {
            parent: NodeId::ROOTS,
            name,
            node: id,
            meta,
            pending: false,
        }));
        self.settle_declared(node);
        self.roots[at].node = Some(node);
    }

    fn check_nested(&mut self, at: usize) {
        let known = self.roots[at].node.and_then(|key| self.index.get(key)).map(|n| n.id);
        match (self.roots[at].state, self.find_root(at)) {
            (RootState::Lost, Ok(_)) => self.settle_one(at),
            (RootState::Watching, Ok((_, _, id))) if Some(id) != known => {
                self.lose_root(at, &io::Error::from_raw_os_error(libc::ESTALE));
            }
            (RootState::Watching, Err(error)) => self.lose_root(at, &error),
            _ => {}
        }
    }

    // === what the hub recorded and the configuration no longer names ===

    /// Drops a root that is not asked for any more. What it held stays in the history.
    pub(super) fn drop_label(&mut self, path: &BytePath, node: Key) {
        let Some(id) = self.index.get(node).map(|n| n.id) else { return };
        let name = EdgeName::Root(path.clone());
        self.emit(FileEvent::Removed(Removed { parent: NodeId::ROOTS, name, node: id }));
        if self.index.has_name(node) || self.is_root_node(node) {
            return;
        }
        let (mut dirs, mut at) = (vec![node], 0);
        while let Some(dir) = dirs.get(at).copied() {
            at += 1;
            let below = self.index.children(dir).map(|(_, key)| key);
            dirs.extend(below.filter(|key| self.index.get(*key).is_some_and(|n| n.is_dir())));
        }
        for dir in dirs.into_iter().rev() {
            let names: Vec<Box<[u8]>> = self.index.children(dir).map(|(name, _)| name.into()).collect();
            for name in names {
                if let Some(child) = self.index.unlink(dir, &name)
                    && !self.index.has_name(child)
                    && !self.is_root_node(child)
                {
                    self.drop_node(child);
                }
            }
        }
        self.drop_node(node);
    }

    /// What the mounts that changed could have changed.
    pub(super) fn look_at_mounts(&mut self) {
        let points: BTreeSet<(Vec<u8>, u64)> = self.files.mount_points().into_iter().collect();
        let changed: BTreeSet<Vec<u8>> =
            points.symmetric_difference(&self.mounts).map(|(point, _)| point.clone()).collect();
        self.mounts = points;
        self.check_roots = true;
        for point in changed {
            self.look_at_mount(&point);
        }
    }

    /// Something was mounted here, or is not any more. No event tells of it, and the name may lead to something
    /// that is not recorded under it.
    fn look_at_mount(&mut self, point: &[u8]) {
        let Ok(path) = BytePath::new(point) else { return };
        let Some(slash) = point.iter().rposition(|b| *b == b'/') else { return };
        let (above, name) = (&point[..slash.max(1)], &point[slash + 1..]);
        let Some(dir) = BytePath::new(above).ok().and_then(|above| self.node_at(&above)) else { return };
        if let Some(node) = self.node_at(&path) {
            self.can_list(node);
        }
        self.mark_spot(Spot { dir, name: name.into() }, Why::NAME, When::Now);
    }
}

fn is_empty(path: &BytePath, files: &dyn crate::files::Files) -> bool {
    let mut names = Vec::new();
    files.open_root(path).and_then(|mut dir| dir.list(&mut names)).is_ok() && names.is_empty()
}
