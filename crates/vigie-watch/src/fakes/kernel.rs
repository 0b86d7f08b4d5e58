//! The watcher's side: watches, and a queue with an end.

use super::FakeFs;
use super::state::errno;
use crate::files::{Dir, Place};
use crate::kernel::{Kernel, KernelEvent, Mask, Wake, WatchId};
use std::collections::{BTreeMap, VecDeque};
use std::io;

/// One inotify instance.
pub(super) struct Watcher {
    queue_max: usize,
    queue: VecDeque<KernelEvent>,
    by_ino: BTreeMap<u64, WatchId>,
    next: i32,
    wake: Wake,
}

impl Watcher {
    fn push(&mut self, event: KernelEvent) {
        // Only the last one is compared, as the kernel does.
        if self.queue.back() == Some(&event) {
            return;
        }
        if self.queue.len() >= self.queue_max {
            let overflow = KernelEvent { watch: WatchId(-1), mask: Mask::Q_OVERFLOW, cookie: 0, name: None };
            if self.queue.back() != Some(&overflow) {
                self.queue.push_back(overflow);
            }
        } else {
            self.queue.push_back(event);
        }
        (self.wake)();
    }

    pub(super) fn hear(&mut self, ino: u64, mask: Mask, cookie: u32, name: Option<&[u8]>) {
        if let Some(watch) = self.by_ino.get(&ino).copied() {
            self.push(KernelEvent { watch, mask, cookie, name: name.map(Into::into) });
        }
    }

    /// Ends the watch of an object that is gone, or that nobody wants watched.
    pub(super) fn forget(&mut self, ino: u64) {
        if let Some(watch) = self.by_ino.remove(&ino) {
            self.push(KernelEvent { watch, mask: Mask::IGNORED, cookie: 0, name: None });
        }
    }
}

/// See [`FakeFs::kernel`].
#[derive(Debug)]
pub struct FakeKernel {
    fs: FakeFs,
    id: u64,
}

impl FakeKernel {
    pub(super) fn new(fs: FakeFs, queue_max: usize, wake: Wake) -> FakeKernel {
        let mut state = fs.lock();
        let id = state.watchers.last_key_value().map_or(0, |(last, _)| last + 1);
        let watcher = Watcher { queue_max, queue: VecDeque::new(), by_ino: BTreeMap::new(), next: 1, wake };
        state.watchers.insert(id, watcher);
        drop(state);
        FakeKernel { fs, id }
    }
}

impl Drop for FakeKernel {
    fn drop(&mut self) {
        self.fs.lock().watchers.remove(&self.id);
    }
}

impl Kernel for FakeKernel {
    fn backend(&self) -> &'static str {
        "fake"
    }

    fn watch(&mut self, dir: &dyn Dir) -> io::Result<WatchId> {
        let Place::Memory(ino) = dir.place() else { return Err(errno(libc::EBADF)) };
        let mut state = self.fs.lock();
        state.inode(ino)?;
        let max = state.watches_max;
        let watcher = state.watchers.get_mut(&self.id).ok_or_else(|| errno(libc::EBADF))?;
        if let Some(watch) = watcher.by_ino.get(&ino) {
            return Ok(*watch);
        }
        if watcher.by_ino.len() >= max {
            return Err(errno(libc::ENOSPC));
        }
        let watch = WatchId(watcher.next);
        watcher.next += 1;
        watcher.by_ino.insert(ino, watch);
        Ok(watch)
    }

    fn unwatch(&mut self, watch: WatchId) {
        if let Some(watcher) = self.fs.lock().watchers.get_mut(&self.id) {
            let ino = watcher.by_ino.iter().find(|(_, known)| **known == watch).map(|(ino, _)| *ino);
            if let Some(ino) = ino {
                watcher.forget(ino);
            }
        }
    }

    fn drain(&mut self, max: usize, out: &mut Vec<KernelEvent>) -> bool {
        let mut state = self.fs.lock();
        let Some(watcher) = state.watchers.get_mut(&self.id) else { return false };
        out.extend(watcher.queue.drain(..max.min(watcher.queue.len())));
        !watcher.queue.is_empty()
    }

    fn mounts_changed(&mut self) -> bool {
        false
    }
}
