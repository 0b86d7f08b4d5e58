//! Taking events from the kernel: each becomes a name to look at, and nothing more.

use super::dirty::{Marked, Spot, When, Why};
use super::index::Key;
use super::{CookieId, Engine, Heard};
use crate::kernel::{KernelEvent, Mask};
use crate::limits::{EVENTS_PER_STEP, MOVE_HOLD, MOVES_MAX, WRITE_QUIET};
use vigie_model::GapCause;

/// Begin of a cookie's name; its number follows.
const COOKIE: &[u8] = b".vigie-cookie-";

pub(super) fn cookie_name(id: CookieId) -> Vec<u8> {
    [COOKIE, id.0.to_string().as_bytes()].concat()
}

fn cookie_of(name: &[u8]) -> Option<CookieId> {
    let number = std::str::from_utf8(name.strip_prefix(COOKIE)?).ok()?;
    number.parse().ok().map(CookieId)
}

impl Engine {
    /// Takes some events. Gives whether more are waiting.
    pub(super) fn hear(&mut self) -> bool {
        if self.kernel.mounts_changed() {
            self.epoch = self.epochs.now();
            self.look_at_mounts();
        }
        if self.dirty.is_full() {
            // The table is emptied first; what comes meanwhile waits in the drain thread's buffer.
            return false;
        }
        let mut events = std::mem::take(&mut self.events);
        let more = self.kernel.drain(EVENTS_PER_STEP, &mut events);
        for event in events.drain(..) {
            self.epoch = self.epochs.now();
            self.hear_one(event);
        }
        self.events = events;
        if !more {
            self.all_heard_at = self.clock.wall();
        }
        more
    }

    fn hear_one(&mut self, event: KernelEvent) {
        let KernelEvent { watch, mask, cookie, name } = event;
        if mask.has(Mask::Q_OVERFLOW) {
            return self.overflow();
        }
        if Some(watch) == self.cookie_watch {
            if mask.has(Mask::CREATE)
                && let Some(id) = name.as_deref().and_then(cookie_of)
                && self.epochs.out_of_queue(id)
            {
                self.dirty.release_all(self.now);
                self.reads.release_all(self.now);
            }
            return;
        }
        let Some(dir) = self.index.watched(watch) else { return };
        if self.config.heard {
            let path = self.path_of_entry(dir, name.as_deref().unwrap_or_default());
            self.heard.push(Heard { observed: self.clock.wall(), path, mask });
        }
        if mask.has(Mask::IGNORED) {
            self.index.drop_watch(watch);
        }
        match name {
            Some(name) => self.hear_of_entry(Spot { dir, name }, mask, cookie),
            None => self.hear_of_itself(dir, mask),
        }
    }

    fn hear_of_itself(&mut self, dir: Key, mask: Mask) {
        if mask.has(Mask::ATTRIB) {
            self.mark_self(dir, Why::ATTRIB, When::Now);
        }
        if mask.has(Mask::DELETE_SELF | Mask::MOVE_SELF | Mask::UNMOUNT | Mask::IGNORED) {
            if self.is_root_node(dir) {
                self.check_roots = true;
                if mask.has(Mask::DELETE_SELF) {
                    self.mark_self(dir, Why::DELETED, When::Now);
                }
            } else {
                // Where it went, if it moved, its new name tells.
                self.mark_self(dir, Why::NAME, When::At(self.now + MOVE_HOLD));
            }
        }
    }

    fn hear_of_entry(&mut self, spot: Spot, mask: Mask, cookie: u32) {
        let dir = spot.dir;
        if mask.has(Mask::MOVED_FROM) {
            if self.moves.len() >= MOVES_MAX {
                self.moves.clear();
            }
            self.moves.insert(cookie, spot.clone());
            self.mark_spot(spot, Why::NAME, When::Hold(self.now + MOVE_HOLD));
        } else if mask.has(Mask::MOVED_TO) {
            self.mark_spot(spot, Why::NAME, When::Now);
            if let Some(from) = self.moves.remove(&cookie) {
                self.dirty.release(&from, self.now);
            }
        } else if mask.has(Mask::CREATE | Mask::DELETE) {
            self.mark_spot(spot, Why::NAME, When::Now);
        } else {
            return self.hear_of_content(spot, mask);
        }
        // Its own times changed too; the kernel does not say so.
        self.mark_self(dir, Why::ENTRIES, When::Quiet);
    }

    fn hear_of_content(&mut self, spot: Spot, mask: Mask) {
        if mask.has(Mask::ATTRIB) {
            self.mark_spot(spot.clone(), Why::ATTRIB, When::Now);
        }
        if mask.has(Mask::CLOSE_WRITE) {
            self.mark_spot(spot, Why::CLOSED, When::Now);
        } else if mask.has(Mask::MODIFY) {
            if let Some(node) = self.index.child(spot.dir, &spot.name)
                && !self.epochs.hurried()
            {
                self.reads.postpone(node, self.now + WRITE_QUIET, self.now);
            }
            self.mark_spot(spot, Why::WRITTEN, When::Quiet);
        }
    }

    /// Events were lost: for which directories, nobody can tell.
    fn overflow(&mut self) {
        let full = !self.outbox.has_room() || self.dirty.is_full();
        let cause = if full { GapCause::OutboxOverflow } else { GapCause::KernelOverflow };
        let since = self.all_heard_at;
        tracing::warn!(cause = cause.as_str(), "events were lost: comparing every root");
        for at in 0..self.roots.len() {
            if self.is_lost(at) {
                continue;
            }
            self.open_gap(at, cause, Some(since));
            if !self.roots[at].nested {
                self.schedule_root(at);
            }
        }
        self.epochs.queue_lost();
        self.dirty.release_all(self.now);
        self.reads.release_all(self.now);
    }

    // === marking names ===

    /// Remembers to look at a name.
    pub(super) fn mark_spot(&mut self, spot: Spot, why: Why, when: When) {
        let when = if self.epochs.hurried() && when == When::Quiet { When::Now } else { when };
        let marked = self.dirty.mark(spot, why, when, self.now, self.epoch);
        self.count(marked);
    }

    pub(super) fn mark_tries(&mut self, spot: Spot, why: Why, when: When, tries: u8) {
        let marked = self.dirty.mark_again(spot, why, when, self.now, self.epoch, tries);
        self.count(marked);
    }

    fn count(&mut self, marked: Marked) {
        match marked {
            Marked::New => self.epochs.begin(self.epoch),
            Marked::Known => {}
            Marked::Earlier(later) => {
                self.epochs.begin(self.epoch);
                self.epochs.end(later);
            }
        }
    }

    /// Remembers to look at a node under one of its names, or, for a root, at itself.
    pub(super) fn mark_self(&mut self, node: Key, why: Why, when: When) {
        let spot = match self.index.a_name(node) {
            Some((dir, name)) => Spot { dir, name: name.into() },
            None => Spot { dir: node, name: Box::default() },
        };
        self.mark_spot(spot, why, when);
    }
}
