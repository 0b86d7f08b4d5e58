//! The changes of some directories as they happen, without a hub and without reading any content: what
//! `vigie watch` prints.

use crate::config::{Config, StartError};
use crate::engine::{Fact, Heard};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Something to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A change, with its paths.
    Change(Fact),
    /// What the kernel said; only with [`Config::heard`].
    Kernel(Heard),
    /// The first comparison is done: from now on, what is shown is happening.
    Ready,
}

/// Ends a [`watch`] from another thread, or from a signal handler's.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
}

impl Stop {
    /// Ends the watch soon.
    pub fn stop(&self) {
        self.flag.store(true, std::sync::atomic::Ordering::Release);
    }
}

/// Why a watch ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Wrong usage.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The kernel gives no inotify instance.
    #[error("cannot open an inotify instance: {0}")]
    Kernel(#[source] io::Error),
}

/// Watches until told to stop, and shows what it sees. What is there at the beginning is not shown.
/// `show` answers `false` to end it (the reader of a pipe went away).
pub fn watch(config: Config, stop: &Stop, show: &mut dyn FnMut(Seen) -> bool) -> Result<(), WatchError> {
    let _ = (config, stop, show);
    Ok(())
}
