//! An agent with its API, and with health answers if it is to give any.

use super::health::HealthPart;
use super::own_roles::OwnRoles;
use super::{API_STOP_WITHIN, STOP_WITHIN};
use crate::failure::Failure;
use crate::places;
use crate::signals::EndSignals;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;
use vigie_agent::{Agent, AgentError, Config, Dial, Running, State};
use vigie_model::SystemClock;
use vigie_watch::StartError;
use vigie_web::server::{HealthSide, Listen, serve_agent};

/// An agent that runs in this process.
pub(crate) struct AgentService {
    running: Running,
    health: Option<Answering>,
    api: vigie_web::server::Running,
}

/// Health answers that know the agent's roles.
struct Answering {
    part: HealthPart,
    _roles: AbortOnDropHandle<()>,
}

impl AgentService {
    /// Starts an agent with the state directory that `state` holds, and its API there.
    pub(crate) async fn start(
        config: Config,
        state: State,
        dial: Arc<dyn Dial>,
        health: Option<(HealthPart, OwnRoles)>,
    ) -> Result<Self, Failure> {
        let listen = Listen { socket: state.dir().join(places::AGENT_SOCKET), tcp: None };
        let (agent, running) =
            Agent::start(config, state, dial, Arc::new(SystemClock::default())).map_err(|e| failure(&e))?;
        let health = health.map(|(part, roles)| Answering { part, _roles: roles.follow(&agent) });
        let side = health.as_ref().map(|health| health.part.service.clone() as Arc<dyn HealthSide>);
        let api = serve_agent(&listen, Arc::new(agent), side).await.map_err(|e| Failure::of(&e))?;
        tracing::info!(socket = %listen.socket.display(), "API");
        Ok(AgentService { running, health, api })
    }

    /// Tells load balancers that this machine stops, if it tells them anything.
    pub(crate) async fn announce_stop(&self, end: &mut EndSignals) {
        if let Some(health) = &self.health {
            health.part.announce_stop(end).await;
        }
    }

    /// Stops the agent once it has given back its roles and what it saw is on the hub, then the rest. True when all that
    /// it saw was.
    pub(crate) async fn stop(self) -> bool {
        let drained = self.running.shutdown(STOP_WITHIN).await.is_some();
        if let Some(health) = &self.health {
            health.part.service.stop_checks().await;
        }
        self.api.shutdown(API_STOP_WITHIN).await;
        drained
    }
}

/// What to do where `/proc` cannot be used.
pub(crate) const MOUNT_PROC: &str =
    "mount it (`mount -t proc proc /proc`), or start the container or chroot with it";

fn failure(error: &AgentError) -> Failure {
    match error {
        AgentError::Watch(StartError::Proc(_)) => Failure::of(error).hint(MOUNT_PROC),
        AgentError::Watch(StartError::Kernel(_)) => Failure::of(error),
        // All others of these are found before anything is watched.
        AgentError::Watch(_) => Failure::of(error).into_usage(),
        _ => Failure::of(error),
    }
}
