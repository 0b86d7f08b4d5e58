//! How many handshakes go on at once. `sshd` begins to hang up on strangers at random once ten of them are knocking
//! (`MaxStartups 10:30:100`), and behind one bastion or address there may be many of us.
//!
//! Additive increase, multiplicative decrease, as for any shared line without a sign: every handshake that succeeds
//! widens the window a little, every one that is hung up on halves it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// At first, below what `sshd` lets in unconditionally.
const WINDOW_FIRST: f64 = 8.0;
/// Two processors of ours have enough to do with this many.
const WINDOW_MAX: f64 = 64.0;
/// To one server, always: others may be knocking there too.
const PER_SERVER: usize = 8;

/// The window of all handshakes of this process.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    window: f64,
    inside: usize,
    per_server: HashMap<String, usize>,
    /// Handshakes that began before the window was last halved say nothing new when they fail.
    halved: u64,
    begun: u64,
}

/// The right to one handshake; given back when dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    server: String,
    number: u64,
}

// === impl Gate ===

impl Gate {
    /// A gate with its first window.
    #[must_use]
    pub fn new() -> Arc<Gate> {
        let state =
            State { window: WINDOW_FIRST, inside: 0, per_server: HashMap::new(), halved: 0, begun: 0 };
        Arc::new(Gate { state: Mutex::new(state), changed: Notify::new() })
    }

    /// Waits for the right to shake hands with a server, named by its address.
    pub async fn enter(self: &Arc<Self>, server: &str) -> Pass {
        loop {
            let changed = self.changed.notified();
            if let Some(pass) = self.try_enter(server) {
                return pass;
            }
            changed.await;
        }
    }

    fn try_enter(self: &Arc<Self>, server: &str) -> Option<Pass> {
        let mut state = self.lock();
        let here = state.per_server.get(server).copied().unwrap_or_default();
        if state.inside as f64 + 1.0 > state.window || here >= PER_SERVER {
            return None;
        }
        state.inside += 1;
        state.begun += 1;
        *state.per_server.entry(server.to_owned()).or_default() += 1;
        Some(Pass { gate: Arc::clone(self), server: server.to_owned(), number: state.begun })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Numbers are right even if whoever held them has panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Pass ===

impl Pass {
    /// It went well: the window grows by one per window.
    pub fn succeeded(self) {
        let mut state = self.gate.lock();
        state.window = (state.window + 1.0 / state.window).min(WINDOW_MAX);
    }

    /// It was hung up on: the window is halved, once for all that were inside.
    pub fn throttled(self) {
        let mut state = self.gate.lock();
        if self.number > state.halved {
            state.window = (state.window / 2.0).max(1.0);
            state.halved = state.begun;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.inside -= 1;
        if let Some(here) = state.per_server.get_mut(&self.server) {
            *here -= 1;
            if *here == 0 {
                state.per_server.remove(&self.server);
            }
        }
        drop(state);
        // Whoever is first may wait for another server than this one: all look.
        self.gate.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_server_never_fills_the_window() {
        let gate = Gate::new();
        let mut passes = Vec::new();
        for n in 0..WINDOW_FIRST as usize {
            passes.push(gate.try_enter(&format!("server{}", n % 2)).unwrap());
        }
        assert!(gate.try_enter("third").is_none());
        passes.pop();
        assert!(gate.try_enter("third").is_some());
    }

    #[tokio::test]
    async fn many_hang_ups_of_one_burst_halve_it_once_and_success_widens_it() {
        let gate = Gate::new();
        let passes: Vec<Pass> = (0..8).map(|n| gate.try_enter(&n.to_string()).unwrap()).collect();
        passes.into_iter().for_each(Pass::throttled);
        assert!((gate.lock().window - 4.0).abs() < 0.01);
        for _ in 0..5 {
            gate.enter("a").await.succeeded();
        }
        assert!(gate.lock().window > 5.0);
        for _ in 0..20 {
            gate.enter("a").await.throttled();
        }
        assert!((gate.lock().window - 1.0).abs() < 0.01, "never closed");
    }

    #[tokio::test]
    async fn whoever_waits_gets_in_when_another_leaves() {
        let gate = Gate::new();
        let passes: Vec<Pass> = (0..8).map(|n| gate.try_enter(&n.to_string()).unwrap()).collect();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter("x").await }
        });
        tokio::task::yield_now().await;
        drop(passes);
        waiting.await.unwrap();
    }
}
