//! Checks, drain, roles and answers together.

use crate::answers::{OnSecondaire, Seen, Serving, serve};
use crate::drain::{Drain, DrainError, Drained};
use crate::monitor::{CheckState, Health, Monitor, Pace};
use crate::outside::{Outside, RoleSeen, Roles};
use crate::spec::CheckSpec;
use crate::verdict::State;
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use vigie_model::Clock;

/// What to look at, where to answer, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where load balancers ask.
    pub listen: SocketAddr,
    /// How long a client may be silent before it gets the agent's line.
    pub silence: Duration,
    /// What to look at.
    pub checks: Vec<CheckSpec>,
    /// How often.
    pub pace: Pace,
    /// What the agent's line says of a machine that is not the principal.
    pub on_secondaire: OnSecondaire,
    /// Where a drain is remembered.
    pub state: PathBuf,
}

/// Why nothing is answered.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be known whether this machine is drained.
    #[error(transparent)]
    Drain(#[from] DrainError),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// All there is to say, as `vigie status` and scripts want it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Where load balancers ask.
    pub listen: SocketAddr,
    /// The worst of all checks.
    pub health: State,
    /// Whether it is healthy and neither drained nor stopping.
    pub ready: bool,
    /// The program is about to end.
    pub stopping: bool,
    /// Taken out of service by hand.
    pub drained: Option<Drained>,
    /// The role in each group.
    pub roles: Vec<RoleSeen>,
    /// Each check.
    pub checks: Vec<CheckState>,
}

/// What answers are made of, shared by all connections.
#[derive(Debug)]
pub(crate) struct Desk {
    health: watch::Receiver<Health>,
    roles: watch::Receiver<Roles>,
    drain: Drain,
    on_secondaire: OnSecondaire,
    stopping: AtomicBool,
}

/// Checks that run and answers that are given, until this is dropped.
#[derive(Debug)]
pub struct HealthService {
    desk: Arc<Desk>,
    serving: Serving,
    clock: Arc<dyn Clock>,
    monitor: Monitor,
}

impl HealthService {
    /// Begins to look and to answer. Until the first clear findings the agent's line changes nothing, and HTTP says
    /// 503.
    ///
    /// # Errors
    /// See [`StartError`]; nothing runs then.
    pub fn start(config: Config, outside: &Outside, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let drain = Drain::open(&config.state)?;
        if let Some(drained) = drain.now() {
            let reason = drained.reason.unwrap_or_default();
            tracing::warn!(reason, "this machine is drained since its last life: `vigie undrain` ends that");
        }
        let monitor = Monitor::start(config.checks, config.pace, outside, &clock);
        let desk = Arc::new(Desk {
            health: monitor.health(),
            roles: outside.roles.clone(),
            drain,
            on_secondaire: config.on_secondaire,
            stopping: AtomicBool::new(false),
        });
        let address = config.listen;
        let serving = serve(address, config.silence, desk.clone())
            .map_err(|source| StartError::Listen { address, source })?;
        Ok(HealthService { desk, serving, clock, monitor })
    }

    /// Where load balancers ask, with the port that port 0 became.
    pub fn listening(&self) -> SocketAddr {
        self.serving.address()
    }

    /// The findings, and every new one.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.desk.health.clone()
    }

    /// All there is to say.
    pub fn status(&self) -> Status {
        let health = self.desk.health.borrow().clone();
        let (drained, stopping) = (self.desk.drain.now(), self.desk.is_stopping());
        Status {
            listen: self.serving.address(),
            health: health.state(),
            ready: health.state() == State::Up && drained.is_none() && !stopping,
            stopping,
            drained,
            roles: self.desk.roles.borrow().values().map(RoleSeen::now).collect(),
            checks: health.checks,
        }
    }

    /// Takes this machine out of service, durably. Waits for the disk.
    ///
    /// # Errors
    /// What could not be written; nothing has changed then.
    pub fn drain(&self, reason: Option<&str>) -> Result<Drained, DrainError> {
        let drained = self.desk.drain.drain(reason, self.clock.wall())?;
        tracing::info!(reason = drained.reason, "drained");
        Ok(drained)
    }

    /// Takes it back into service, durably; true when it was drained. Waits for the disk.
    ///
    /// # Errors
    /// What could not be removed; it stays drained then.
    pub fn undrain(&self) -> Result<bool, DrainError> {
        let was_drained = self.desk.drain.undrain()?;
        if was_drained {
            tracing::info!("no longer drained");
        }
        Ok(was_drained)
    }

    /// Says from now on that this machine is about to stop serving. The answers go on until this is dropped.
    pub fn announce_stop(&self) {
        self.desk.stopping.store(true, Ordering::Relaxed);
    }

    /// Stops to look; returns once no command of a check is left. Dropping this stops, too, but does not wait: a
    /// process that ends right behind it could leave one.
    pub async fn stop_checks(&self) {
        self.monitor.stop().await;
    }
}

impl Desk {
    pub(crate) fn on_secondaire(&self) -> OnSecondaire {
        self.on_secondaire
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// What is seen for HTTP. Without a name it is about the only group, if there is but one.
    pub(crate) fn seen_of_group(&self, group: Option<&str>) -> Result<Seen, String> {
        let role = {
            let roles = self.roles.borrow();
            match group {
                Some(name) => Some(
                    roles.get(name).cloned().ok_or_else(|| format!("this machine is in no group {name}"))?,
                ),
                None if roles.len() > 1 => {
                    let names: Vec<_> = roles.keys().map(String::as_str).collect();
                    return Err(format!("which group? ?group= one of {}", names.join(", ")));
                }
                None => roles.values().next().cloned(),
            }
        };
        Ok(self.seen(role))
    }

    /// What is seen for the agent's line: the group of the backend's name, else the only one there is. In several
    /// groups of other names this machine has no role for that backend, rather than any.
    pub(crate) fn seen_of_backend(&self, backend: &str) -> Seen {
        let role = {
            let roles = self.roles.borrow();
            match (roles.get(backend), roles.len()) {
                (Some(named), _) => Some(named.clone()),
                (None, 0 | 1) => roles.values().next().cloned(),
                (None, _) => Some(RoleSeen::none(backend)),
            }
        };
        self.seen(role)
    }

    fn seen(&self, role: Option<RoleSeen>) -> Seen {
        let health = self.health.borrow();
        Seen {
            state: health.state(),
            why: health.deciding().map(|check| format!("{}: {}", check.name, check.detail)),
            role: role.map(|role| role.now()),
            drained: self.drain.now(),
            stopping: self.is_stopping(),
            checks: health.checks.clone(),
        }
    }
}
