//! How many bytes of file contents may be in memory at once, between their reading and their sending.

use crate::cpu::Cpu;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A limit that is asked before a read begins, and between the lists of a large file. What a reader has begun to
/// gather it may finish, so the limit can be passed by that; without it, readers that each hold half of what they need
/// would wait for each other for ever.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limit: usize,
    /// Use at which readers that wait go on: well below the limit, or every file that is sent would wake a reader for
    /// one file.
    again: usize,
    /// A simulation has no thread that could wait; its files are small.
    waits: bool,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    closed: bool,
}

/// Bytes that are in memory; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Hold {
    bytes: usize,
    inner: Arc<Inner>,
}

impl Budget {
    pub(crate) fn new(limit: usize, cpu: Cpu) -> Self {
        let waits = cpu == Cpu::Threads;
        let inner =
            Inner { limit, again: limit / 4 * 3, waits, state: Mutex::default(), freed: Condvar::new() };
        Budget { inner: Arc::new(inner) }
    }

    /// Blocks, when the limit is reached, until there is room again; `false` when nothing more should be read.
    pub(crate) fn room(&self) -> bool {
        let mut state = self.inner.lock();
        if self.inner.waits && state.used >= self.inner.limit {
            let full = |state: &mut State| !state.closed && state.used > self.inner.again;
            state = self.inner.freed.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        }
        !state.closed
    }

    /// Counts bytes as being in memory.
    pub(crate) fn hold(&self, bytes: usize) -> Hold {
        self.inner.lock().used += bytes;
        Hold { bytes, inner: Arc::clone(&self.inner) }
    }

    /// Lets every reader go that waits, or will.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.inner.freed.notify_all();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Counts some more bytes.
    pub(crate) fn grow(&mut self, bytes: usize) {
        self.inner.lock().used += bytes;
        self.bytes += bytes;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        let was_full = state.used > self.inner.again;
        state.used -= self.bytes;
        if was_full && state.used <= self.inner.again {
            self.inner.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_reader_waits_until_enough_was_sent() {
        let budget = Budget::new(100, Cpu::Threads);
        assert!(budget.room());
        let (first, mut second) = (budget.hold(80), budget.hold(50));
        second.grow(30);
        let (tell, told) = mpsc::channel();
        let waiting = std::thread::spawn({
            let budget = budget.clone();
            move || {
                let open = budget.room();
                tell.send(open).unwrap();
            }
        });
        drop(first);
        assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty), "80 of 100 bytes are in use");
        drop(second);
        assert_eq!(told.recv(), Ok(true));
        waiting.join().unwrap();
    }

    #[test]
    fn a_closed_budget_lets_everyone_go() {
        let budget = Budget::new(1, Cpu::Threads);
        let _hold = budget.hold(5);
        budget.close();
        assert!(!budget.room());
    }
}
