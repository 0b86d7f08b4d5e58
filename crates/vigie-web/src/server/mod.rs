//! The answering end: addresses, listeners and their tasks.
//!
//! A hub and an agent serve the same shape; an agent knows `status` and `flush`, health answers `status`,
//! `drain` and `undrain`, and an agent with health all of it. Every connection is a
//! task of its listener's, so that dropping [`Running`] ends them all, and [`Running::shutdown`] lets the
//! answers that are under way finish first.

mod accept;
mod at;
mod away;
mod cat;
mod control;
mod guard;
mod health;
mod log;
mod ls;
mod reply;
mod roles;
mod room;
mod seat;
mod sides;
mod socket;
mod stall;
mod tree;
mod verify;
mod walk;

pub use sides::{AgentSide, HealthSide, HubSide, InviteRefused, RoleRefused};
pub use socket::{ListenError, ShortPath};
pub use verify::verify_store;

use crate::messages::{ApiError, ErrorKind, PREFIX};
use accept::Listener;
use axum::routing::{get, post};
use axum::{Extension, Router};
use reply::Refused;
use room::Room;
use socket::{OwnSocket, SocketFile, bind_loopback};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Where the API is offered.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The Unix socket, mode 0600.
    pub socket: PathBuf,
    /// A loopback address besides, for whoever cannot speak to a socket. Not authenticated.
    pub tcp: Option<SocketAddr>,
}

/// What a start-up must say when [`Listen::tcp`] is given.
pub const TCP_WARNING: &str =
    "the API on TCP has no authentication: every user of this machine can read all that is stored";

/// What handlers work with.
#[derive(Clone)]
struct HubState {
    hub: Arc<dyn HubSide>,
    /// Streams that would never end by themselves end with this.
    stop: CancellationToken,
    /// One verification at a time: it reads the whole disk.
    verifying: Arc<Semaphore>,
}

#[derive(Clone)]
struct AgentState {
    agent: Arc<dyn AgentSide>,
    health: Option<Arc<dyn HealthSide>>,
}

/// An API that is being served.
#[derive(Debug)]
pub struct Running {
    stop: CancellationToken,
    listeners: JoinSet<()>,
    tcp: Option<SocketAddr>,
    _file: SocketFile,
}

impl Running {
    /// The TCP address that is really listened on.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Takes no more connections, ends followers, and lets other answers finish within `deadline`. False
    /// when some had to be cut off.
    pub async fn shutdown(mut self, deadline: Duration) -> bool {
        self.stop.cancel();
        let drained = async { while self.listeners.join_next().await.is_some() {} };
        tokio::time::timeout(deadline, drained).await.is_ok()
    }
}

/// Serves a hub's API.
pub async fn serve_hub(listen: &Listen, hub: Arc<dyn HubSide>) -> Result<Running, ListenError> {
    let stop = CancellationToken::new();
    let state = HubState { hub, stop: stop.clone(), verifying: Arc::new(Semaphore::new(1)) };
    let router = Router::new()
        .route("/status", get(control::hub_status))
        .route("/log", get(log::log))
        .route("/ls", get(ls::ls))
        .route("/cat", get(cat::cat))
        .route("/tree", get(tree::tree))
        .route("/flush", post(control::hub_flush))
        .route("/verify", post(verify::verify))
        .route("/invite", post(control::invite))
        .route("/roles", get(roles::roles))
        .route("/step-down", post(roles::step_down))
        .route("/set-group", post(roles::set_group))
        .with_state(state);
    serve(listen, router, ErrorKind::NotFound, stop).await
}

/// Serves an agent's API, with that of its health answers if it gives any.
pub async fn serve_agent(
    listen: &Listen,
    agent: Arc<dyn AgentSide>,
    health: Option<Arc<dyn HealthSide>>,
) -> Result<Running, ListenError> {
    let of_health = health.clone().map(health::routes).unwrap_or_default();
    let router = Router::new()
        .route("/status", get(control::agent_status))
        .route("/flush", post(control::agent_flush))
        .with_state(AgentState { agent, health })
        .merge(of_health);
    serve(listen, router, ErrorKind::Unsupported, CancellationToken::new()).await
}

/// Serves the API of a process that answers load balancers and is no agent.
pub async fn serve_health(listen: &Listen, health: Arc<dyn HealthSide>) -> Result<Running, ListenError> {
    let router = health::routes(health.clone()).route("/status", get(health::status).with_state(health));
    serve(listen, router, ErrorKind::Unsupported, CancellationToken::new()).await
}

async fn serve(
    listen: &Listen,
    routes: Router,
    unknown: ErrorKind,
    stop: CancellationToken,
) -> Result<Running, ListenError> {
    let router = Router::new()
        .nest(PREFIX, routes)
        .fallback(async move || Refused(ApiError::new(unknown, "there is nothing at this address")))
        .method_not_allowed_fallback(async || {
            Refused(ApiError::new(ErrorKind::Usage, "this address wants another HTTP method"))
        })
        .layer(axum::middleware::from_fn(guard::refuse_pages));
    let tcp = match listen.tcp {
        Some(address) => Some(bind_loopback(address).await?),
        None => None,
    };
    let OwnSocket { listener, file } = OwnSocket::bind(&listen.socket).await?;
    let mut listeners = JoinSet::new();
    let tcp_address = tcp.as_ref().and_then(|l| l.local_addr().ok());
    if let Some(tcp) = tcp {
        let guarded = router
            .clone()
            .layer(axum::middleware::from_fn(guard::refuse_foreign_hosts))
            .layer(Extension(Room::new()));
        listeners.spawn(accept::accept_loop(Listener::Tcp(tcp), guarded, stop.clone()));
    }
    let router = router.layer(Extension(Room::new()));
    listeners.spawn(accept::accept_loop(Listener::Socket(listener), router, stop.clone()));
    Ok(Running { stop, listeners, tcp: tcp_address, _file: file })
}
