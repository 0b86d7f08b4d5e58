//! An agent with its API.

use super::{API_STOP_WITHIN, STOP_WITHIN};
use crate::failure::Failure;
use crate::places;
use std::sync::Arc;
use vigie_agent::{Agent, AgentError, Config, Dial, Running, State};
use vigie_model::SystemClock;
use vigie_web::server::{Listen, serve_agent};

/// An agent that runs in this process.
pub(crate) struct AgentService {
    running: Running,
    api: vigie_web::server::Running,
}

impl AgentService {
    /// Starts an agent with the state directory that `state` holds, and its API there.
    pub(crate) async fn start(config: Config, state: State, dial: Arc<dyn Dial>) -> Result<Self, Failure> {
        let listen = Listen { socket: state.dir().join(places::AGENT_SOCKET), tcp: None };
        let (agent, running) =
            Agent::start(config, state, dial, Arc::new(SystemClock::default())).map_err(|e| failure(&e))?;
        let api = serve_agent(&listen, Arc::new(agent)).await.map_err(|e| Failure::of(&e))?;
        tracing::info!(socket = %listen.socket.display(), "API");
        Ok(AgentService { running, api })
    }

    /// Stops the agent once what it saw is on the hub, then its API. True when all of it was.
    pub(crate) async fn stop(self) -> bool {
        let drained = self.running.shutdown(STOP_WITHIN).await.is_some();
        self.api.shutdown(API_STOP_WITHIN).await;
        drained
    }
}

fn failure(error: &AgentError) -> Failure {
    match error {
        // All of these are found before anything is watched.
        AgentError::Watch(_) => Failure::of(error).into_usage(),
        _ => Failure::of(error),
    }
}
