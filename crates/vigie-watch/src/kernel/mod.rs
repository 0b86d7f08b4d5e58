//! What the kernel tells: that something happened to a name in a watched directory. Never what is there now.
//!
//! [`inotify`] is the real one; `fakes` has another. Both speak in the terms of inotify(7); a backend with
//! better terms (fanotify) will translate into `Look here` just the same.

pub mod inotify;
mod mask;
pub mod records;

pub use inotify::Inotify;
pub use mask::Mask;

use crate::files::Dir;
use std::fmt;
use std::io;

/// A watch of the kernel on one directory. Numbers are not used again until the kernel has counted round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub i32);

/// One event of a watched directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelEvent {
    /// Which watch; -1 for [`Mask::Q_OVERFLOW`].
    pub watch: WatchId,
    /// What happened.
    pub mask: Mask,
    /// Ties the two halves of a rename together; otherwise 0.
    pub cookie: u32,
    /// The entry it happened to; `None` when it is the directory itself.
    pub name: Option<Box<[u8]>>,
}

/// Called from any thread when events begin to wait: must not block and must not call the engine.
pub type Wake = std::sync::Arc<dyn Fn() + Send + Sync>;

/// Watches directories.
pub trait Kernel: Send + fmt::Debug {
    /// The word for `status`, such as `inotify`.
    fn backend(&self) -> &'static str;

    /// Watches an open directory, or finds its watch again. By handle, so that no rename can come between.
    /// `ENOSPC` means that the kernel grants no more watches.
    fn watch(&mut self, dir: &dyn Dir) -> io::Result<WatchId>;

    /// Ends a watch. Events of it that already wait may still come.
    fn unwatch(&mut self, watch: WatchId);

    /// Moves up to `max` waiting events to `out`, in the kernel's order. What was lost shows as an event
    /// with [`Mask::Q_OVERFLOW`] in its place. Gives whether more are waiting.
    fn drain(&mut self, max: usize, out: &mut Vec<KernelEvent>) -> bool;

    /// Whether something was mounted or unmounted anywhere since the last call.
    fn mounts_changed(&mut self) -> bool;
}
