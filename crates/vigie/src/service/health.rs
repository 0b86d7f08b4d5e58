//! Health answers as a part of a process: their options, and what they hang on.

use super::checks::{Shell, check_specs};
use crate::failure::Failure;
use crate::signals::EndSignals;
use clap::Args;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vigie_health::answers::OnSecondaire;
use vigie_health::limits::{INTERVAL_MIN, SILENCE};
use vigie_health::monitor::Pace;
use vigie_health::{CheckSpec, Config, HealthService, Outside, Roles, StartError};
use vigie_model::SystemClock;

/// What to look at and how to answer, wherever load balancers are answered.
#[derive(Args, Clone, Debug)]
pub(crate) struct HealthOptions {
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
}

/// Health answers of this process, with the time that they go on after the end was asked for.
#[derive(Debug)]
pub(crate) struct HealthPart {
    pub(crate) service: Arc<HealthService>,
    stop_delay: Duration,
}

impl HealthOptions {
    /// Refuses what can never be, before anything starts: `groups` are those of which the role will be known, `give` how
    /// another one would be.
    pub(crate) fn check<'a>(
        &self,
        groups: impl Iterator<Item = &'a str> + Clone,
        give: &str,
    ) -> Result<(), Failure> {
        check_specs(&self.checks, groups, give)?;
        if self.interval < INTERVAL_MIN {
            return Err(Failure::usage(format!("--interval must be at least {INTERVAL_MIN:?}")));
        }
        Ok(())
    }

    /// Begins to look, and to answer at `listen`; a drain is remembered in `state`.
    pub(crate) fn start(
        self,
        listen: SocketAddr,
        state: &Path,
        roles: watch::Receiver<Roles>,
    ) -> Result<HealthPart, Failure> {
        let pace =
            Pace { interval: self.interval, time_limit: self.timeout, rise: self.rise, fall: self.fall };
        let config = Config {
            listen,
            silence: self.silence.max(Duration::from_millis(1)).min(SILENCE * 100),
            checks: self.checks,
            pace,
            on_secondaire: self.on_secondaire_state,
            state: state.to_owned(),
        };
        let outside = Outside { commands: Arc::new(Shell), roles };
        let service = HealthService::start(config, &outside, Arc::new(SystemClock::default()));
        let service = Arc::new(service.map_err(|e| start_failure(&e))?);
        Ok(HealthPart { service, stop_delay: self.stop_delay })
    }
}

impl HealthPart {
    /// Says that this machine stops, for as long as load balancers were given to hear it, or until the next signal.
    pub(crate) async fn announce_stop(&self, end: &mut EndSignals) {
        self.service.announce_stop();
        if self.stop_delay.is_zero() {
            return;
        }
        tracing::info!(
            "stopping in {:?}: load balancers are told so; a second signal stops at once",
            self.stop_delay
        );
        tokio::select! {
            () = tokio::time::sleep(self.stop_delay) => {}
            () = end.next() => {}
        }
    }
}

fn start_failure(error: &StartError) -> Failure {
    let failure = Failure::of(error);
    match error {
        StartError::Listen { .. } => failure.hint("give another address"),
        StartError::Drain(_) => failure.hint("give another directory with --state"),
    }
}
