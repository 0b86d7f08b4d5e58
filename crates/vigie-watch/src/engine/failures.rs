//! What could not be looked at, so that each is reported once and not at every scan.

use crate::limits::FAILURES_MAX;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use vigie_model::ErrorAct;

/// Remembers failures by a digest of act and path. A collision, one in 2^64, hides one report.
#[derive(Debug, Default)]
pub(super) struct Failures {
    known: HashMap<u64, i32>,
    state: RandomState,
}

impl Failures {
    fn key(&self, path: &[u8], act: ErrorAct) -> u64 {
        self.state.hash_one((path, act))
    }

    /// Whether this one is news.
    pub(super) fn is_news(&mut self, path: &[u8], act: ErrorAct, errno: i32) -> bool {
        if self.known.len() >= FAILURES_MAX {
            self.known.clear();
        }
        self.known.insert(self.key(path, act), errno) != Some(errno)
    }

    /// Whether there is anything that [`Self::clear`] could clear: asking is cheaper than making a path.
    pub(super) fn any(&self) -> bool {
        !self.known.is_empty()
    }

    /// It went well this time: the next failure is news again.
    pub(super) fn clear(&mut self, path: &[u8], act: ErrorAct) {
        self.known.remove(&self.key(path, act));
    }
}
