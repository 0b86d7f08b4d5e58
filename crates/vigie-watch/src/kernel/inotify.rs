//! The real kernel, by inotify(7).

use super::{Kernel, KernelEvent, Wake, WatchId};
use crate::files::Dir;
use std::io;

/// An inotify instance with a thread that empties its queue.
#[derive(Debug)]
pub struct Inotify {}

impl Inotify {
    /// Opens an instance. `wake` is called when events begin to wait.
    pub fn open(_wake: Wake) -> io::Result<Inotify> {
        Ok(Inotify {})
    }
}

impl Kernel for Inotify {
    fn backend(&self) -> &'static str {
        "inotify"
    }
    fn watch(&mut self, _dir: &dyn Dir) -> io::Result<WatchId> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn unwatch(&mut self, _watch: WatchId) {}
    fn drain(&mut self, _max: usize, _out: &mut Vec<KernelEvent>) -> bool {
        false
    }
    fn mounts_changed(&mut self) -> bool {
        false
    }
}
