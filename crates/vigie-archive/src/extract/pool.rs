//! Writer threads for small objects, with a queue that cannot grow.

use super::object::{Leaf, put};
use super::shared::Shared;
use crate::limits::BATCHES_WAITING;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope};

/// Batches on their way to the writer threads. The order between them is free: no two objects of a stream have
/// the same name, and directories are made before.
#[derive(Debug, Default)]
pub(super) struct Pool {
    state: Mutex<State>,
    /// Work came, or the pool closed.
    work: Condvar,
    /// A batch was taken or done.
    room: Condvar,
    threads: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Vec<Leaf>>,
    busy: usize,
    closed: bool,
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, on: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        on.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a batch over; waits while too many wait already. Without threads it is written here and now.
    pub(super) fn push(&self, shared: &Shared, batch: Vec<Leaf>) {
        if self.threads.load(Ordering::Relaxed) == 0 {
            return write(shared, &batch);
        }
        let mut state = self.state();
        while state.waiting.len() >= BATCHES_WAITING {
            state = self.wait(&self.room, state);
        }
        state.waiting.push_back(batch);
        drop(state);
        self.work.notify_one();
    }

    /// Waits until everything handed over is on disk.
    pub(super) fn drain(&self) {
        let mut state = self.state();
        while !state.waiting.is_empty() || state.busy > 0 {
            state = self.wait(&self.room, state);
        }
    }

    /// Starts writer threads, as many of these as the system gives.
    pub(super) fn start<'s>(&'s self, scope: &'s Scope<'s, '_>, shared: &'s Shared, threads: usize) {
        for _ in 0..threads {
            let thread = Builder::new().name("vigie-restore".to_owned());
            if thread.spawn_scoped(scope, || self.work(shared)).is_ok() {
                self.threads.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What a writer thread does until the pool closes.
    fn work(&self, shared: &Shared) {
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() && !state.closed {
                state = self.wait(&self.work, state);
            }
            let Some(batch) = state.waiting.pop_front() else { return };
            state.busy += 1;
            drop(state);
            let done = Done(self);
            self.room.notify_all();
            write(shared, &batch);
            drop(done);
        }
    }

    /// Lets the writer threads end once nothing waits any more, as soon as what it gives is dropped.
    pub(super) fn closer(&self) -> Closer<'_> {
        Closer(self)
    }
}

/// See [`Pool::closer`]: also a panic of the reading thread must let the others end.
pub(super) struct Closer<'a>(&'a Pool);

impl Drop for Closer<'_> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.work.notify_all();
    }
}

/// Counts a batch as done, even when its thread panics: the reading thread would wait for ever otherwise.
struct Done<'a>(&'a Pool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
        self.0.room.notify_all();
    }
}

fn write(shared: &Shared, batch: &[Leaf]) {
    for leaf in batch {
        if shared.is_stopped() {
            return;
        }
        put(shared, leaf);
    }
}
