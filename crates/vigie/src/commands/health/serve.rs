//! `vigie health serve`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::places;
use crate::service::checks::{Shell, check_specs};
use crate::service::role_files::{RoleFile, RoleFiles};
use crate::service::{API_STOP_WITHIN, hub::listen_failure};
use crate::signals::EndSignals;
use clap::Args;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use vigie_health::answers::OnSecondaire;
use vigie_health::limits::{INTERVAL_MIN, SILENCE};
use vigie_health::monitor::Pace;
use vigie_health::{CheckSpec, Config, HealthService, Outside, StartError};
use vigie_model::SystemClock;
use vigie_web::server::{HealthSide, Listen, serve_health};

/// Check again and again, and answer load balancers
///
/// On one port: HAProxy's agent-check, and HTTP at /ready, /health, /live, /principal and /secondaire, with 200 or
/// 503 and the reason as JSON. Unhealthy is whoever has one check that failed often enough.
#[derive(Args, Debug)]
#[command(after_help = "\
Everybody who can reach the address reads the names and findings of the checks.

EXAMPLES:
  vigie health serve --check tcp:127.0.0.1:5432
  vigie health serve --listen 10.0.0.5:7780 --check '[name=app,timeout=1s] http://127.0.0.1:8080/health'
  vigie health serve --role web=/run/web.role --on-secondaire-state maint
  curl -i http://127.0.0.1:7780/ready")]
pub(crate) struct ServeArgs {
    /// Address for load balancers
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7780")]
    listen: SocketAddr,

    /// What to check; see `vigie health --help`. Without any, this machine counts as healthy
    #[arg(long = "check", value_name = "SPEC")]
    checks: Vec<CheckSpec>,

    /// From one look to the next
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = crate::instant::span)]
    interval: Duration,

    /// How long a look may take
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = crate::instant::span)]
    timeout: Duration,

    /// Good looks in a row until what was down is up
    #[arg(long, value_name = "N", default_value = "2")]
    rise: NonZeroU32,

    /// Bad looks in a row until what was up is down
    #[arg(long, value_name = "N", default_value = "3")]
    fall: NonZeroU32,

    /// This machine's role in a group, read from a file again and again: its last line is `principal` or
    /// `secondaire`, with `epoch=N` behind it if there is one
    #[arg(long = "role", value_name = "GROUP=FILE")]
    roles: Vec<RoleFile>,

    /// What HAProxy's agent-check is told of a machine that is not the principal: down, maint, drain, up, or a
    /// weight such as 10%
    #[arg(long, value_name = "STATE", default_value = "down")]
    on_secondaire_state: OnSecondaire,

    /// How long to say that it is stopping before it stops, such as twice HAProxy's agent-inter
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = crate::instant::span)]
    stop_delay: Duration,

    /// How long a client may be silent before it counts as an agent-check without agent-send
    #[arg(long, value_name = "SPAN", default_value = "30ms", value_parser = crate::instant::span)]
    silence: Duration,

    /// Where a drain is remembered, and health.sock is [default: /var/lib/vigie-agent for root, else
    /// ~/.local/state/vigie]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl ServeArgs {
    pub(crate) async fn run(self, _context: Context) -> Result<Outcome, Failure> {
        let roles = RoleFiles::new(self.roles)?;
        check_specs(&self.checks, roles.groups())?;
        if self.interval < INTERVAL_MIN {
            return Err(Failure::usage(format!("--interval must be at least {INTERVAL_MIN:?}")));
        }
        let silence = self.silence.max(Duration::from_millis(1)).min(SILENCE * 100);
        let mut end = EndSignals::listen()?;
        let state = match self.state {
            Some(dir) => dir,
            None => places::agent_state()?,
        };
        let pace =
            Pace { interval: self.interval, time_limit: self.timeout, rise: self.rise, fall: self.fall };
        let config = Config {
            listen: self.listen,
            silence,
            checks: self.checks,
            pace,
            on_secondaire: self.on_secondaire_state,
            state: state.clone(),
        };
        let following = roles.follow();
        let outside = Outside { commands: Arc::new(Shell), roles: following.roles() };
        let service = HealthService::start(config, &outside, Arc::new(SystemClock::default()));
        let service = Arc::new(service.map_err(|e| start_failure(&e))?);
        let listen = Listen { socket: state.join(places::HEALTH_SOCKET), tcp: None };
        let side: Arc<dyn HealthSide> = service.clone();
        let api = serve_health(&listen, side).await.map_err(|e| {
            listen_failure(&e).hint("each `vigie health serve` needs a directory of its own: --state DIR")
        })?;
        tracing::info!(address = %service.listening(), socket = %listen.socket.display(), "answering load balancers");
        end.next().await;
        service.announce_stop();
        if !self.stop_delay.is_zero() {
            tracing::info!(
                "stopping in {:?}: load balancers are told so; a second signal stops at once",
                self.stop_delay
            );
            tokio::select! {
                () = tokio::time::sleep(self.stop_delay) => {}
                () = end.next() => {}
            }
        }
        service.stop_checks().await;
        api.shutdown(API_STOP_WITHIN).await;
        Ok(Outcome::Done)
    }
}

fn start_failure(error: &StartError) -> Failure {
    let failure = Failure::of(error);
    match error {
        StartError::Listen { .. } => failure.hint("give another address with --listen"),
        StartError::Drain(_) => failure.hint("give another directory with --state"),
    }
}
