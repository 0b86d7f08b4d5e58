//! Who is connected: at most one session a machine.

use crate::session::Handle;
use bytes::Bytes;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vigie_model::{MachineId, UnixNanos};
use vigie_wire::STATUS;
use vigie_wire::frame::{FailureCode, InstanceId};

/// How long a session that may be dead has to answer before another instance takes its place.
const ALIVE_WITHIN: Duration = Duration::from_secs(3);

/// The live sessions. One small state behind one lock: it is held for look-ups, never across a wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    state: Arc<Mutex<State>>,
    stopping: CancellationToken,
    /// Somebody was welcomed.
    opened: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    live: HashMap<MachineId, Entry>,
    /// What is left of sessions that have ended: one entry for each machine that ever enrolled, at most.
    past: HashMap<MachineId, Past>,
}

/// The last session of a machine.
#[derive(Clone, Copy, Debug)]
struct Past {
    heard: UnixNanos,
    /// The process that told something last.
    instance: InstanceId,
}

#[derive(Clone, Debug)]
struct Entry {
    instance: InstanceId,
    stop: CancellationToken,
    gone: CancellationToken,
    open: Option<Open>,
}

/// A session that has been welcomed.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) handle: Handle,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) software: String,
    pub(crate) since: UnixNanos,
    /// It is the process of the session before, as far as is known: then it has nothing to catch up with.
    pub(crate) goes_on: bool,
}

/// The answer to a machine that wants a session.
pub(crate) enum Claim {
    /// It has the machine's only place, until it is dropped.
    Granted(Place),
    /// Another instance holds it and is alive.
    Conflict { address: Option<SocketAddr> },
}

/// The only place of a machine. Dropping it makes room for the next session.
#[derive(Debug)]
pub(crate) struct Place {
    sessions: Sessions,
    machine: MachineId,
    stop: CancellationToken,
    gone: CancellationToken,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the machine's place. The same instance replaces its older session at once; another one only
    /// when the older no longer answers. Returns when the older session has finished: nothing of it can
    /// become durable afterwards.
    pub(crate) async fn claim(&self, machine: MachineId, instance: InstanceId) -> Claim {
        loop {
            let older = {
                let mut state = self.lock();
                match state.live.get(&machine) {
                    Some(entry) => entry.clone(),
                    None => return Claim::Granted(self.grant(&mut state, machine, instance)),
                }
            };
            if older.instance != instance && older.is_alive().await {
                let address = older.open.and_then(|open| open.address);
                return Claim::Conflict { address };
            }
            older.stop.cancel();
            older.gone.cancelled().await;
        }
    }

    fn grant(&self, state: &mut State, machine: MachineId, instance: InstanceId) -> Place {
        let stop = self.stopping.child_token();
        let gone = CancellationToken::new();
        state.live.insert(machine, Entry { instance, stop: stop.clone(), gone: gone.clone(), open: None });
        Place { sessions: self.clone(), machine, stop, gone }
    }

    /// The welcomed session of a machine.
    pub(crate) fn of(&self, machine: MachineId) -> Option<Open> {
        self.lock().live.get(&machine).and_then(|entry| entry.open.clone())
    }

    /// The welcomed session of a machine, waiting for it.
    pub(crate) async fn coming(&self, machine: MachineId) -> Open {
        loop {
            let opened = self.opened.notified();
            if let Some(open) = self.of(machine) {
                return open;
            }
            opened.await;
        }
    }

    /// When the last session of a machine heard it last; none when it had none since this hub started.
    pub(crate) fn heard(&self, machine: MachineId) -> Option<UnixNanos> {
        self.lock().past.get(&machine).map(|past| past.heard)
    }

    /// Ends all sessions; new ones end at once.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }
}

impl Entry {
    /// Whether the peer of this session answers.
    async fn is_alive(&self) -> bool {
        let Some(open) = &self.open else { return true };
        let answer = open.handle.caller.call(STATUS, Bytes::new(), ALIVE_WITHIN, usize::MAX).await;
        // Any word of its own, a refusal too, is a sign of life.
        match answer {
            Ok(_) => true,
            Err(failure) => !matches!(failure.code, FailureCode::Deadline | FailureCode::LinkLost),
        }
    }
}

impl Place {
    /// Cancelled when this session must end.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Makes the session known to others.
    pub(crate) fn open(&self, open: Open) {
        let State { live, past } = &mut *self.sessions.lock();
        if let Some(entry) = live.get_mut(&self.machine) {
            let goes_on = past.get(&self.machine).is_none_or(|past| past.instance == entry.instance);
            entry.open = Some(Open { goes_on, ..open });
            self.sessions.opened.notify_waiters();
        }
    }

    /// Notes when the machine was heard last, before the place is given back.
    pub(crate) fn heard(&self, at: UnixNanos) {
        let State { live, past } = &mut *self.sessions.lock();
        let Some(Entry { instance, open: Some(open), .. }) = live.get(&self.machine) else { return };
        let past = past.entry(self.machine).or_insert(Past { heard: at, instance: *instance });
        past.heard = at;
        if open.handle.has_told() {
            past.instance = *instance;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.lock().live.remove(&self.machine);
        self.gone.cancel();
    }
}
