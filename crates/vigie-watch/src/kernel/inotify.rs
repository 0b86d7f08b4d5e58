//! The real kernel, by inotify(7), and the thread that empties its queue. The thread only reads and keeps:
//! the kernel's queue of 16,384 events is short, the engine may be busy, and what does not fit is lost.

use super::{Kernel, KernelEvent, Mask, Wake, WatchId, records};
use crate::files::{Dir, Place};
use crate::limits::{DRAIN_BYTES_MAX, DRAIN_READ_BYTES};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Never `OPEN` or `ACCESS`: a scan of our own would drown us in its own events.
const WATCHED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::EXCL_UNLINK)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW);

/// An inotify instance with a thread that empties its queue. Dropping it ends the thread.
#[derive(Debug)]
pub struct Inotify {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// The records being parsed, and how far.
    current: Vec<u8>,
    at: usize,
}

/// What the drain thread and the engine have in common. The one lock is held for a push or a pop.
struct Shared {
    inotify: OwnedFd,
    stop: OwnedFd,
    queue: Mutex<Queue>,
    mounts_changed: AtomicBool,
    wake: Wake,
}

/// Raw records as they were read, in order.
#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
}

#[derive(Debug)]
enum Item {
    Records(Vec<u8>),
    /// Here some were thrown away.
    Lost,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Inotify {
    /// Opens an instance and starts its thread. `wake` is called when events begin to wait.
    pub fn open(wake: Wake) -> io::Result<Inotify> {
        let shared = Arc::new(Shared {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            stop: eventfd(0, EventfdFlags::CLOEXEC)?,
            queue: Mutex::default(),
            mounts_changed: AtomicBool::new(false),
            wake,
        });
        let drain = shared.clone();
        let thread = std::thread::Builder::new().name("watch-drain".into()).spawn(move || drain.run())?;
        Ok(Inotify { shared, thread: Some(thread), current: Vec::new(), at: 0 })
    }

    /// Loads the next records; `false` when none wait.
    fn refill(&mut self, out: &mut Vec<KernelEvent>) -> bool {
        let mut queue = self.shared.queue();
        match queue.items.pop_front() {
            Some(Item::Records(bytes)) => {
                queue.bytes -= bytes.len();
                (self.current, self.at) = (bytes, 0);
                true
            }
            Some(Item::Lost) => {
                out.push(overflow());
                true
            }
            None => {
                (self.current, self.at) = (Vec::new(), 0);
                false
            }
        }
    }
}

impl Kernel for Inotify {
    fn backend(&self) -> &'static str {
        "inotify"
    }

    fn watch(&mut self, dir: &dyn Dir) -> io::Result<WatchId> {
        let Place::Descriptor(fd) = dir.place() else { return Err(Errno::BADF.into()) };
        // The closing dot makes the link of /proc a part of the way, so that DONT_FOLLOW does not mean it.
        let path = format!("/proc/self/fd/{fd}/.");
        Ok(WatchId(inotify::add_watch(&self.shared.inotify, path, WATCHED)?))
    }

    fn unwatch(&mut self, watch: WatchId) {
        // Fails when the directory is gone, and the watch with it.
        let _ = inotify::remove_watch(&self.shared.inotify, watch.0);
    }

    fn drain(&mut self, max: usize, out: &mut Vec<KernelEvent>) -> bool {
        let full = out.len() + max;
        while out.len() < full {
            let rest = self.current.get(self.at..).unwrap_or_default();
            match records::parse(rest) {
                Some((event, len)) => {
                    self.at += len;
                    out.push(event);
                }
                None if rest.is_empty() => {
                    if !self.refill(out) {
                        return false;
                    }
                }
                None => {
                    tracing::error!(bytes = rest.len(), "the kernel gave a record that is none");
                    out.push(overflow());
                    self.at = self.current.len();
                }
            }
        }
        true
    }

    fn mounts_changed(&mut self) -> bool {
        self.shared.mounts_changed.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        let _ = rustix::io::write(&self.shared.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn overflow() -> KernelEvent {
    KernelEvent { watch: WatchId(-1), mask: Mask::Q_OVERFLOW, cookie: 0, name: None }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The drain thread.
    fn run(&self) {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mounts = rustix::fs::open("/proc/self/mountinfo", flags, Mode::empty()).ok();
        let mut buffer = vec![0; DRAIN_READ_BYTES];
        loop {
            let mut waits =
                vec![PollFd::new(&self.inotify, PollFlags::IN), PollFd::new(&self.stop, PollFlags::IN)];
            if let Some(mounts) = &mounts {
                waits.push(PollFd::new(mounts, PollFlags::PRI));
            }
            match poll(&mut waits, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return self.fail(errno),
            }
            let ready = |at: usize| waits.get(at).is_some_and(|w| !w.revents().is_empty());
            if ready(1) {
                return;
            }
            if ready(2) {
                self.mounts_changed.store(true, Ordering::Release);
                (self.wake)();
            }
            while ready(0) {
                match rustix::io::read(&self.inotify, &mut buffer) {
                    Ok(len) => self.keep(&buffer[..len]),
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR) => {}
                    Err(errno) => return self.fail(errno),
                }
            }
        }
    }

    /// Says that nothing more will come. There is no better answer than a gap.
    fn fail(&self, errno: Errno) {
        tracing::error!(%errno, "cannot read events any more");
        self.queue().items.push_back(Item::Lost);
        (self.wake)();
    }

    fn keep(&self, records: &[u8]) {
        let mut queue = self.queue();
        let was_empty = queue.items.is_empty();
        if queue.bytes + records.len() > DRAIN_BYTES_MAX {
            if !matches!(queue.items.back(), Some(Item::Lost)) {
                queue.items.push_back(Item::Lost);
            }
        } else {
            queue.bytes += records.len();
            match queue.items.back_mut() {
                Some(Item::Records(last)) if last.len() + records.len() <= DRAIN_READ_BYTES => {
                    last.extend_from_slice(records);
                }
                _ => queue.items.push_back(Item::Records(records.to_vec())),
            }
        }
        drop(queue);
        if was_empty {
            (self.wake)();
        }
    }
}
