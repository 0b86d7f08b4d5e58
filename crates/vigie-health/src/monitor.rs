//! Looks again and again.

use crate::checks::{Finding, check_once};
use crate::hysteresis::Hysteresis;
use crate::limits::JITTER_PERCENT;
use crate::outside::Outside;
use crate::spec::{CheckSpec, Target};
use crate::verdict::{State, Verdict};
use serde::Serialize;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use vigie_model::{Clock, UnixNanos};

/// How often to look, and how often something must be found.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From the beginning of a look to that of the next; a look that takes longer is followed at once.
    pub interval: Duration,
    /// How long a look may take.
    pub time_limit: Duration,
    /// Good findings in a row that make up of down.
    pub rise: NonZeroU32,
    /// Bad findings in a row that make down of up.
    pub fall: NonZeroU32,
}

/// All checks and what follows from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Each of them, in the order in which they were given.
    pub checks: Vec<CheckState>,
}

impl Health {
    /// The worst of all checks.
    pub fn state(&self) -> State {
        State::worst(self.checks.iter().map(|check| check.state))
    }

    /// The check that decides the state, unless all is well.
    pub fn deciding(&self) -> Option<&CheckState> {
        let state = self.state();
        self.checks.iter().find(|check| check.state == state && state != State::Up)
    }
}

/// What is known of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckState {
    /// Its name.
    pub name: String,
    /// What is held to be true.
    pub state: State,
    /// Since when.
    pub since_unix_ns: i64,
    /// What the last look found; none before the first.
    pub last: Option<Verdict>,
    /// Why.
    pub detail: String,
    /// When that was.
    pub looked_unix_ns: i64,
    /// How long it took.
    pub took_ms: u64,
    /// Findings in a row that contradict the state.
    pub against: u32,
}

/// Checks that are looked at until this is dropped.
#[derive(Debug)]
pub struct Monitor {
    health: watch::Receiver<Health>,
    looking: Mutex<JoinSet<()>>,
}

impl Monitor {
    /// Begins to look at all of them, each in a task of its own.
    pub fn start(checks: Vec<CheckSpec>, pace: Pace, outside: &Outside, clock: &Arc<dyn Clock>) -> Self {
        let now = clock.wall();
        let health = Health { checks: checks.iter().map(|spec| unknown(spec, now)).collect() };
        let (sender, receiver) = watch::channel(health);
        let sender = Arc::new(sender);
        let mut looking = JoinSet::new();
        for (index, spec) in checks.into_iter().enumerate() {
            let watched = Watched { index, spec, pace, sender: sender.clone(), clock: clock.clone() };
            looking.spawn(watched.look_on(outside.clone()));
        }
        Monitor { health: receiver, looking: Mutex::new(looking) }
    }

    /// Stops to look, and returns once every look has ended. Dropping it does not wait.
    pub async fn stop(&self) {
        self.looking.lock().await.shutdown().await;
    }

    /// What is known, and what becomes known.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}

fn unknown(spec: &CheckSpec, now: UnixNanos) -> CheckState {
    CheckState {
        name: spec.name.clone(),
        state: State::Unknown,
        since_unix_ns: now.0,
        last: None,
        detail: "not looked at yet".to_owned(),
        looked_unix_ns: now.0,
        took_ms: 0,
        against: 0,
    }
}

struct Watched {
    index: usize,
    spec: CheckSpec,
    pace: Pace,
    sender: Arc<watch::Sender<Health>>,
    clock: Arc<dyn Clock>,
}

impl Watched {
    async fn look_on(self, outside: Outside) {
        let is_role = matches!(self.spec.target, Target::Role { .. });
        // A role does not flap by itself: whoever gives it has its own rules for that.
        let mut hysteresis =
            if is_role { Hysteresis::none() } else { Hysteresis::new(self.pace.rise, self.pace.fall) };
        let mut roles = outside.roles.clone();
        loop {
            roles.mark_unchanged();
            let next = tokio::time::Instant::now() + jittered(self.pace.interval, random());
            let finding = check_once(&self.spec, &outside, self.pace.time_limit).await;
            self.tell(&mut hysteresis, finding);
            if is_role {
                tokio::select! {
                    Ok(()) = roles.changed() => {}
                    () = tokio::time::sleep_until(next) => {}
                }
            } else {
                tokio::time::sleep_until(next).await;
            }
        }
    }

    fn tell(&self, hysteresis: &mut Hysteresis, finding: Finding) {
        let change = hysteresis.take(finding.verdict);
        let now = self.clock.wall();
        let name = &self.spec.name;
        if let Some(change) = change {
            let (from, to) = (change.from.as_str(), change.to.as_str());
            tracing::info!(check = name, from, to, "{}", finding.detail);
        }
        self.sender.send_modify(|health| {
            let Some(check) = health.checks.get_mut(self.index) else { return };
            if finding.verdict == Verdict::Unknown && check.last != Some(Verdict::Unknown) {
                tracing::warn!(check = name, state = check.state.as_str(), "cannot look: {}", finding.detail);
            }
            if change.is_some() {
                check.since_unix_ns = now.0;
            }
            check.state = hysteresis.state();
            check.against = hysteresis.against();
            check.last = Some(finding.verdict);
            check.detail = finding.detail;
            check.looked_unix_ns = now.0;
            check.took_ms = u64::try_from(finding.took.as_millis()).unwrap_or(u64::MAX);
        });
    }
}

/// Any number; where the system has none to give, no jitter is no harm.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// The interval, off by up to [`JITTER_PERCENT`] either way.
fn jittered(interval: Duration, random: u32) -> Duration {
    let part = f64::from(random) / f64::from(u32::MAX) * 2.0 - 1.0;
    interval.mul_f64(1.0 + part * f64::from(JITTER_PERCENT) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_bounds() {
        let second = Duration::from_secs(1);
        assert_eq!(jittered(second, 0), Duration::from_millis(900));
        assert_eq!(jittered(second, u32::MAX), Duration::from_millis(1100));
        let middle = jittered(second, u32::MAX / 2).as_millis();
        assert!((999..=1000).contains(&middle), "{middle}");
    }
}
