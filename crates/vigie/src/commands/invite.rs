//! `vigie hub invite`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use crate::service::STOP_WITHIN;
use crate::service::hub::start_failure;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vigie_hub::{Config, Hub};
use vigie_model::SystemClock;
use vigie_web::messages::{InviteRequest, Invited};

/// Print a one-time token with which a machine enrols
///
/// Through the hub's socket when one runs, else on the data directory itself.
#[derive(Args, Debug)]
#[command(after_help = "\
Whoever has the token can become that machine, once, while it is valid. Hand it over as a secret:
in a file that only its owner may read (umask 077), or through standard input, never on a command
line.

EXAMPLES:
  vigie hub invite web01 > web01.token
  vigie hub invite web01 | ssh web01 vigie agent --hub hub:7700 --token-file - --watch /srv")]
pub(crate) struct InviteArgs {
    /// Name of the machine: letters, digits, dots, hyphens and underscores
    name: String,

    /// How long the token is good for, such as 30m or 24h; at most 720h
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = crate::instant::span)]
    valid: Duration,

    /// The hub's data directory, when no hub runs; what is not there is made
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl InviteArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        vigie_model::machines::check_machine_name(&self.name).map_err(|e| Failure::usage(e.to_string()))?;
        let request = InviteRequest { name: self.name, valid_secs: self.valid.as_secs() };
        let invited = match (context.hub_at(self.data.as_deref())?.invite(&request).await, &self.data) {
            (Err(error), Some(data)) if error.is_unreachable() => on_data(data, &request).await?,
            (Err(error), None) if error.is_unreachable() => {
                return Err(Failure::from(error).hint("where no hub runs, give its directory: --data DIR"));
            }
            (other, _) => other.map_err(hub_failure)?,
        };
        if context.out.is_json() {
            context.out.json(&invited)?;
        } else {
            context.out.line(&invited.token)?;
        }
        context.out.flush()?;
        Ok(Outcome::Done)
    }
}

/// Makes the token without a hub that runs: this process is the hub for a moment, and listens nowhere. So
/// its lock is held, and a directory that has no hub yet gets its authority.
async fn on_data(data: &Path, request: &InviteRequest) -> Result<Invited, Failure> {
    let config = Config { data: data.to_owned(), listen: None, read_only: false };
    let (hub, running) = Hub::start(config, Arc::new(SystemClock::default()))
        .await
        .map_err(|error| start_failure(data, &error))?;
    let token = hub.invite(&request.name, Duration::from_secs(request.valid_secs));
    running.shutdown(STOP_WITHIN).await;
    let token = token.map_err(|error| Failure::of(&error))?;
    Ok(Invited { token })
}
