//! `vigie health serve`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::places;
use crate::service::health::HealthOptions;
use crate::service::role_files::{RoleFile, RoleFiles};
use crate::service::{API_STOP_WITHIN, hub::listen_failure};
use crate::signals::EndSignals;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use vigie_web::server::{HealthSide, Listen, serve_health};

/// Check again and again, and answer load balancers
///
/// On one port: HAProxy's agent-check, and HTTP at /ready, /health, /live, /principal and /secondaire, with 200 or
/// 503 and the reason as JSON. Unhealthy is whoever has one check that failed often enough.
#[derive(Args, Debug)]
#[command(after_help = "\
Everybody who can reach the address reads the names and findings of the checks. An agent of this machine can answer
itself, with its own roles: `vigie agent --health ADDR`.

EXAMPLES:
  vigie health serve --check tcp:127.0.0.1:5432
  vigie health serve --listen 10.0.0.5:7780 --check '[name=app,timeout=1s] http://127.0.0.1:8080/health'
  vigie health serve --role web=/run/web.role --on-secondaire-state maint
  curl -i http://127.0.0.1:7780/ready")]
pub(crate) struct ServeArgs {
    /// Address for load balancers
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port, default_value = "127.0.0.1:7780")]
    listen: SocketAddr,

    /// This machine's role in a group, read from a file again and again: its last line is `principal` or
    /// `secondaire`, with `epoch=N` behind it if there is one
    #[arg(long = "role", value_name = "GROUP=FILE")]
    roles: Vec<RoleFile>,

    #[command(flatten)]
    options: HealthOptions,

    /// Where a drain is remembered, and health.sock is [default: /var/lib/vigie-agent for root, else
    /// ~/.local/state/vigie]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl ServeArgs {
    pub(crate) async fn run(self, _context: Context) -> Result<Outcome, Failure> {
        let roles = RoleFiles::new(self.roles)?;
        self.options.check(roles.groups(), "a file that does: --role GROUP=FILE")?;
        let mut end = EndSignals::listen()?;
        let state = match self.state {
            Some(dir) => dir,
            None => places::agent_state()?,
        };
        let following = roles.follow();
        let health = self.options.start(self.listen, &state, following.roles())?;
        let listen = Listen { socket: state.join(places::HEALTH_SOCKET), tcp: None };
        let side: Arc<dyn HealthSide> = health.service.clone();
        let api = serve_health(&listen, side).await.map_err(|e| {
            listen_failure(&e).hint("each `vigie health serve` needs a directory of its own: --state DIR")
        })?;
        let address = health.service.listening();
        tracing::info!(%address, socket = %listen.socket.display(), "answering load balancers");
        end.next().await;
        health.announce_stop(&mut end).await;
        health.service.stop_checks().await;
        api.shutdown(API_STOP_WITHIN).await;
        Ok(Outcome::Done)
    }
}
