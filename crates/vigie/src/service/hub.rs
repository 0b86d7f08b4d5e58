//! A hub with its API.

use super::{API_STOP_WITHIN, STOP_WITHIN};
use crate::failure::Failure;
use crate::places;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use vigie_hub::{Config, Hub, Running, StartError};
use vigie_model::SystemClock;
use vigie_store::OpenError;
use vigie_web::server::{Listen, ListenError, TCP_WARNING, serve_hub};
use vigie_wire::AuthorityError;

/// A hub that runs in this process.
pub(crate) struct HubService {
    pub(crate) hub: Hub,
    running: Running,
    api: vigie_web::server::Running,
}

impl HubService {
    /// Starts a hub on its data directory, and its API. The machine `own` is enrolled before anyone can ask: a
    /// flush must know that there is somebody to wait for.
    pub(crate) async fn start(
        data: &Path,
        listen: Option<SocketAddr>,
        api: Option<SocketAddr>,
        own: Option<&str>,
    ) -> Result<Self, Failure> {
        Self::start_as(Config { data: data.to_owned(), listen, read_only: false }, api, own).await
    }

    /// Starts a hub that gives what is whole of a damaged store, and its API. No agent reaches it.
    pub(crate) async fn start_read_only(data: &Path, api: Option<SocketAddr>) -> Result<Self, Failure> {
        let service =
            Self::start_as(Config { data: data.to_owned(), listen: None, read_only: true }, api, None)
                .await?;
        tracing::warn!("for reading only: nothing is taken from agents, and the store is left as it is");
        Ok(service)
    }

    async fn start_as(config: Config, api: Option<SocketAddr>, own: Option<&str>) -> Result<Self, Failure> {
        let data = &config.data.clone();
        let (hub, running) = Hub::start(config, Arc::new(SystemClock::default()))
            .await
            .map_err(|error| start_failure(data, &error))?;
        if let Some(name) = own {
            hub.enrol_machine(name).await.map_err(|e| Failure::of(&e))?;
        }
        let listen = Listen { socket: data.join(places::HUB_SOCKET), tcp: api };
        let api = serve_hub(&listen, Arc::new(hub.clone())).await.map_err(|e| listen_failure(&e))?;
        tracing::info!(socket = %listen.socket.display(), "API");
        if let Some(address) = api.tcp() {
            tracing::warn!(%address, "{TCP_WARNING}");
        }
        if let Some(address) = hub.listening() {
            tracing::info!(%address, "listening for agents");
        }
        Ok(HubService { hub, running, api })
    }

    /// Stops the API, then the hub. True when everything ended in order.
    pub(crate) async fn stop(self) -> bool {
        let answered = self.api.shutdown(API_STOP_WITHIN).await;
        let stopped = self.running.shutdown(STOP_WITHIN).await;
        answered && stopped
    }
}

/// Why a hub did not start, with what to do about it.
pub(crate) fn start_failure(data: &Path, error: &StartError) -> Failure {
    let failure = Failure::failed(format!("cannot start a hub in {}", data.display())).because(error);
    match error {
        StartError::Store(OpenError::Locked(_)) => failure
            .hint("a hub runs there already; see `vigie status`, or give another directory with --data"),
        StartError::Store(error) => match damage_hint(data, error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        },
        StartError::Authority(AuthorityError::Damaged { path, .. }) => failure.hint(format!(
            "bring {} back from a copy; without one, move it away and enrol every machine again: what is stored stays",
            path.display()
        )),
        StartError::Listen { .. } => failure.hint("give another address with --listen"),
        _ => failure,
    }
}

/// What to do about a store that is not taken up because it is damaged.
fn damage_hint(data: &Path, error: &OpenError) -> Option<String> {
    let data = data.display();
    match error {
        OpenError::Damaged { .. } | OpenError::IndexAhead { .. } => Some(format!(
            "nothing was changed. `vigie verify --data {data}` names all that is damaged, and `vigie hub --read-only --data \
             {data}` gives what is whole. Put back what is damaged from a copy; or move {data}/store elsewhere, to read it \
             with --read-only, and begin a new one, in which every agent is to be enrolled again"
        )),
        OpenError::Index { .. } => {
            Some(format!("the index holds nothing of its own: remove {data}/store/index"))
        }
        _ => None,
    }
}

/// Why an API is not offered.
pub(crate) fn listen_failure(error: &ListenError) -> Failure {
    match error {
        ListenError::NotLoopback(_) => {
            Failure::of(error).hint("give a loopback address, such as 127.0.0.1:7701").into_usage()
        }
        _ => Failure::of(error),
    }
}

/// An address of `--api` that is refused before anything starts.
pub(crate) fn check_api(api: Option<SocketAddr>) -> Result<(), Failure> {
    match api {
        Some(address) if !address.ip().is_loopback() => {
            Err(listen_failure(&ListenError::NotLoopback(address)))
        }
        _ => Ok(()),
    }
}
