//! Directories that are not seen whole: those that cannot be listed, those with entries that cannot be looked at, and
//! those over which something is mounted that is recorded elsewhere, or not at all. What is recorded of them stays,
//! and it is recorded that it is only the last known; once they are seen again they are compared, and that is recorded.

use super::index::{Flags, Index, Key};
use super::{Engine, look::Here};
use crate::limits::{UNLOOKED_MAX, UNSEEN_NAMED_MAX, UNSEEN_RETRY, UNSEEN_RETRY_MAX};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;
use vigie_model::files::{Seen, Unseen, UnseenCause};
use vigie_model::{ErrorAct, FileEvent};

/// What is known not to be seen. That a directory cannot be listed is a flag of its node.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// Directories over which something is mounted.
    covered: BTreeSet<Key>,
    /// Directories that cannot be listed.
    unlisted: BTreeSet<Key>,
    /// Entries that could not be looked at.
    entries: BTreeMap<Key, Unlooked>,
    /// When to try again without being told, and from which directory on.
    retry_at: Duration,
    retry_from: Key,
}

/// Entries of one directory that could not be looked at.
#[derive(Debug, Default)]
struct Unlooked {
    /// Their names, and whether something is mounted there that is recorded elsewhere: a listing cannot tell.
    names: BTreeMap<Box<[u8]>, bool>,
    /// There are more: only a listing tells when all can be looked at.
    more: bool,
}

impl Unlooked {
    fn is_worth_retrying(&self) -> bool {
        self.more || self.names.values().any(|mounted| !mounted)
    }
}

impl Hidden {
    pub(super) fn forget(&mut self, node: Key) {
        self.covered.remove(&node);
        self.unlisted.remove(&node);
        self.entries.remove(&node);
    }

    /// Whether a directory that cannot be listed is at or below this one. Of very many it is not asked one by one.
    fn is_unlisted_below(&self, index: &Index, dir: Key) -> bool {
        self.unlisted.len() > UNLOOKED_MAX || self.unlisted.iter().any(|key| index.is_below(*key, dir))
    }
}

impl Engine {
    fn unseen_cause(&self, dir: Key) -> Option<UnseenCause> {
        if self.hidden.covered.contains(&dir) {
            Some(UnseenCause::Covered)
        } else if self.hidden.unlisted.contains(&dir) {
            Some(UnseenCause::Unlisted)
        } else {
            self.hidden.entries.contains_key(&dir).then_some(UnseenCause::Entries)
        }
    }

    /// Records whether a directory is seen whole, when that is news.
    pub(super) fn settle_seen(&mut self, dir: Key) {
        let Some(known) = self.index.get(dir).filter(|n| n.is_dir()) else { return };
        let (node, recorded) = (known.id, known.flags.has(Flags::PENDING));
        let event = match self.unseen_cause(dir) {
            Some(cause) if !recorded => FileEvent::Unseen(Unseen { node, cause }),
            None if recorded => FileEvent::Seen(Seen { node }),
            _ => return,
        };
        self.index_flag(dir, Flags::PENDING, !recorded);
        self.emit(event);
    }

    /// Records it anew of a directory that was just declared, which says that it is seen.
    pub(super) fn settle_declared(&mut self, dir: Key) {
        self.index_flag(dir, Flags::PENDING, false);
        self.settle_seen(dir);
    }

    // === what cannot be listed, or not be looked at ===

    pub(super) fn cannot_list(&mut self, dir: Key, error: &std::io::Error) {
        self.hidden.unlisted.insert(dir);
        let path = self.path_of(dir).unwrap_or_default();
        self.fail(path, ErrorAct::List, error.raw_os_error().unwrap_or(libc::EIO));
        self.settle_seen(dir);
    }

    /// An entry cannot be looked at, whatever it is; or it is what is mounted there, which is recorded elsewhere.
    /// Gives whether that is news.
    pub(super) fn cannot_look(&mut self, dir: Key, name: &[u8], mounted: bool) -> bool {
        // What is known of it stays.
        self.index.confirm(dir, name);
        let unlooked = self.hidden.entries.entry(dir).or_default();
        let news = if unlooked.names.len() < UNLOOKED_MAX {
            unlooked.names.insert(name.into(), mounted) != Some(mounted)
        } else {
            !std::mem::replace(&mut unlooked.more, true)
        };
        self.settle_seen(dir);
        news
    }

    /// An entry was looked at, or is gone.
    pub(super) fn was_looked_at(&mut self, dir: Key, name: &[u8]) {
        if let Some(unlooked) = self.hidden.entries.get_mut(&dir)
            && unlooked.names.remove(name).is_some()
            && unlooked.names.is_empty()
            && !unlooked.more
        {
            self.hidden.entries.remove(&dir);
            self.settle_seen(dir);
        }
    }

    /// All entries were listed, and were looked at but for those that failed.
    pub(super) fn was_listed(&mut self, dir: Key, failed: &HashSet<Box<[u8]>>) {
        if let Some(unlooked) = self.hidden.entries.get_mut(&dir) {
            unlooked.names.retain(|name, mounted| *mounted || failed.contains(name));
            unlooked.more &= failed.len() > UNLOOKED_MAX;
            if unlooked.names.is_empty() && !unlooked.more {
                self.hidden.entries.remove(&dir);
            }
        }
        self.settle_seen(dir);
    }

    /// A directory can be listed, or is to be tried again.
    pub(super) fn can_list(&mut self, dir: Key) {
        self.hidden.unlisted.remove(&dir);
    }

    pub(super) fn is_unlisted(&self, dir: Key) -> bool {
        self.hidden.unlisted.contains(&dir)
    }

    /// Whether there is reason to list a directory anew now that its mode, owner or lists of access changed.
    pub(super) fn is_worth_listing(&self, dir: Key) -> bool {
        self.hidden.entries.contains_key(&dir) || self.hidden.is_unlisted_below(&self.index, dir)
    }

    /// Tries again from time to time what no event tells of: a disk that failed for a while, rights that came from
    /// elsewhere.
    pub(super) fn retry_unseen(&mut self) {
        if self.now < self.hidden.retry_at {
            return;
        }
        self.hidden.retry_at = self.now + UNSEEN_RETRY;
        // Of what is mounted, an event tells.
        let entries = self.hidden.entries.iter().filter(|(_, unlooked)| unlooked.is_worth_retrying());
        let all: BTreeSet<Key> =
            self.hidden.unlisted.iter().chain(entries.map(|(dir, _)| dir)).copied().collect();
        let from = self.hidden.retry_from;
        let dirs: Vec<Key> = all.range(from..).chain(all.range(..from)).copied().collect();
        self.hidden.retry_from = dirs.get(UNSEEN_RETRY_MAX).copied().unwrap_or_default();
        for dir in dirs.into_iter().take(UNSEEN_RETRY_MAX) {
            if !self.is_hidden(dir) {
                self.push_live(dir, self.is_unlisted(dir));
            }
        }
    }

    // === what is mounted over ===

    /// What is found under a name is recorded at another place, or left out: the directory below, known or not, is
    /// hidden. Gives whether that is news.
    pub(super) fn cover(&mut self, dir: Key, name: &[u8]) -> bool {
        let below = self.index.child(dir, name);
        let Some(below) = below.filter(|key| self.index.get(*key).is_some_and(|n| n.is_dir())) else {
            return self.cannot_look(dir, name, true);
        };
        self.index.confirm(dir, name);
        let news = self.hidden.covered.insert(below);
        if news {
            self.stop_watching(below);
            self.settle_seen(below);
        }
        news
    }

    /// A directory is found under its name. Gives whether something was mounted over it before.
    pub(super) fn uncover(&mut self, node: Key) -> bool {
        self.hidden.covered.remove(&node)
    }

    /// Whether something is mounted over a directory or over one above it.
    pub(super) fn is_hidden(&self, dir: Key) -> bool {
        if self.hidden.covered.is_empty() {
            return false;
        }
        let mut at = dir;
        loop {
            if self.hidden.covered.contains(&at) {
                return true;
            }
            match self.index.a_name(at) {
                Some((parent, _)) => at = parent,
                None => return false,
            }
        }
    }

    /// Whether the last part of a path, or one above it that is not above `root`, is a mount point.
    pub(super) fn is_mounted_below(&self, root: &[u8], path: &[u8]) -> bool {
        let mut at = path;
        while at.len() > root.len() {
            if self.mounts.iter().any(|(point, _)| point == at) {
                return true;
            }
            let Some(slash) = at.iter().rposition(|b| *b == b'/') else { return false };
            at = &at[..slash];
        }
        false
    }

    /// Whether a directory that is found under a second name is really there, and was found first where something
    /// of the tree is mounted.
    pub(super) fn is_real_place(&self, here: &Here<'_>, node: Key) -> bool {
        let Some(at) = self.root_of(here.dir) else { return false };
        let root = self.roots[at].path.as_bytes();
        let (first, second) = (self.index_path(node), self.path_of_entry(here.dir, here.name));
        !self.is_root_node(node)
            && self.is_mounted_below(root, &first)
            && !self.is_mounted_below(root, &second)
    }

    /// Whether no name of a file is in a directory that is seen.
    pub(super) fn is_out_of_sight(&self, node: Key) -> bool {
        self.index.names(node).iter().all(|(dir, _)| self.is_unlisted(*dir) || self.is_hidden(*dir))
    }

    // === for `status` ===

    /// Which directories are unseen, and why, in words; the first of them.
    pub(super) fn unseen_notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        let Hidden { covered, unlisted, entries, .. } = &self.hidden;
        if covered.is_empty() && unlisted.is_empty() && entries.is_empty() {
            return notices;
        }
        let mut stack: Vec<Key> = self.roots.iter().filter(|r| !r.nested).filter_map(|r| r.node).collect();
        while let Some(dir) = stack.pop() {
            if notices.len() >= UNSEEN_NAMED_MAX {
                notices.push("more directories were not seen whole: see the log for `unseen`".into());
                break;
            }
            if let Some(cause) = self.unseen_cause(dir) {
                notices.push(self.unseen_notice(dir, cause));
            }
            let dirs = self.index.children(dir).map(|(_, key)| key);
            stack.extend(dirs.filter(|key| self.index.get(*key).is_some_and(|n| n.is_dir())));
        }
        notices
    }

    fn unseen_notice(&self, dir: Key, cause: UnseenCause) -> String {
        let path = self.index_path(dir);
        let path = String::from_utf8_lossy(&path);
        match cause {
            UnseenCause::Covered => format!(
                "{path} is hidden by what is mounted over it, and that is recorded elsewhere or left out: what is \
                 recorded of it is the last known"
            ),
            UnseenCause::Unlisted => {
                format!("{path} cannot be listed: what is recorded of it is the last known")
            }
            UnseenCause::Entries => {
                let names = self.hidden.entries.get(&dir).map(|unlooked| &unlooked.names);
                let first =
                    names.and_then(|names| names.keys().next()).map(|name| String::from_utf8_lossy(name));
                let (first, all) = (first.unwrap_or_default(), names.map_or(0, BTreeMap::len));
                let more = if all > 1 { format!(" and {} more", all - 1) } else { String::new() };
                format!("{path}: what is at {first}{more} cannot be looked at")
            }
        }
    }
}
