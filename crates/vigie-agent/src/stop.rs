//! A clean stop: everything seen is durable on the hub, and the next start is told so.

use crate::agent::Running;
use crate::capture::Capture;
use crate::link::Shared;
use crate::session::Sources;
use crate::state::CleanStop;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use vigie_model::{MachineId, Origin};
use vigie_wire::limits::CLOSE_TIME_MAX;

/// How long a stop waits for a hub that is not connected: it may come back this moment.
const AWAY_WAIT: Duration = Duration::from_secs(1);

/// What a clean stop found.
pub struct Stopped {
    /// The number to go on with.
    pub clean_stop: CleanStop,
    machine: MachineId,
    generation: u64,
    /// What the engine knew, if nothing of it is on its way.
    capture: Option<Capture>,
}

impl Stopped {
    /// Writes down what was known at the stop. Gives `false`, with nothing of use written, when the hub may
    /// lack some of it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_snapshot(&mut self, out: &mut dyn io::Write) -> io::Result<bool> {
        let CleanStop { incarnation, n } = self.clean_stop;
        let last = Origin { machine: self.machine, incarnation, n };
        match &mut self.capture {
            Some(capture) => capture.write_snapshot(self.generation, &last, out),
            None => Ok(false),
        }
    }
}

impl Running {
    /// Stops: first roles are given back, hooks included; then everything seen so far is sent, as far as `deadline`
    /// allows. If all of it is durable, the
    /// next start goes on where this one ends: that is what it gives, and leaves in the state directory.
    pub async fn shutdown(mut self, deadline: Duration) -> Option<Stopped> {
        // Roles first: others wait for them. A hook of demotion has a time limit of its own, and is not cut off by
        // ours: half a demotion may be worse than none.
        self.agent.shared.roles.leave().await;
        // What could be sent to a hub that is away is little, and whoever stops an agent waits for it.
        let deadline = if self.agent.is_connected() { deadline } else { deadline.min(AWAY_WAIT) };
        let until = Instant::now() + deadline;
        let drained = timeout_at(until, self.agent.flush()).await;
        let drained = matches!(drained, Ok(Ok(_)));
        self.capture_stop.cancel();
        let capture = match drained {
            true => timeout_at(until, self.settle()).await.ok().flatten(),
            false => None,
        };
        self.link_stop.cancel();
        // Where all was said, only the goodbye is left; where not, nothing else is waited for.
        let patience = if drained { deadline } else { CLOSE_TIME_MAX };
        let sources = tokio::time::timeout(patience, &mut self.link).await;
        let (Ok(Ok(sources)), true) = (sources, drained) else {
            tracing::warn!("stopped before everything was sent: the next start compares anew");
            return None;
        };
        let numbers = &sources.numbers;
        if numbers.unacknowledged() > 0 {
            tracing::warn!("stopped before everything was acknowledged: the next start compares anew");
            return None;
        }
        let clean_stop = CleanStop { incarnation: numbers.incarnation(), n: numbers.durable() };
        let capture = capture.filter(|_| said_all(&self.agent.shared, &sources));
        let mut stopped =
            Stopped { clean_stop, machine: self.machine, generation: sources.generation, capture };
        self.leave(&mut stopped);
        tracing::info!("everything seen is durable on the hub: stopped");
        Some(stopped)
    }

    /// Waits until all that the capture stated before it stopped is durable; gives the capture.
    async fn settle(&mut self) -> Option<Capture> {
        let capture = (&mut self.capture).await.ok()?;
        let shared = &self.agent.shared;
        shared.ledger.closed_up_to(shared.ledger.newest()).await;
        let mut written = shared.written.subscribe();
        let durable = written.wait_for(|w| w.facts >= capture.facts_passed() && w.unacknowledged == 0).await;
        durable.ok()?;
        Some(capture)
    }

    fn leave(&self, stopped: &mut Stopped) {
        let Some(state) = &self.state else { return };
        // Without the number nothing else counts, so it comes last.
        if let Err(why) = state.leave_snapshot(|file| stopped.write_snapshot(file)) {
            tracing::warn!("{why}: the next start has the hub tell what it has");
        }
        if let Err(why) = state.leave_clean_stop(stopped.clean_stop) {
            tracing::warn!("{why}: the next start begins a new incarnation");
        }
    }
}

/// Whether nothing that was stated is left on this side. A link that broke at the last moment may have brought
/// something back.
fn said_all(shared: &Shared, sources: &Sources) -> bool {
    sources.facts.is_empty()
        && sources.first.is_empty()
        && sources.held.is_empty()
        && shared.ledger.len() == 0
}
