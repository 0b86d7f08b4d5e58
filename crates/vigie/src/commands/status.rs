//! `vigie status`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use clap::Args;

/// Show how the hub and its machines do
///
/// Machines with their address and roots, what is watched and how, what waits, and where changes may have
/// been missed. Where no hub answers, how this machine's agent does.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie status
  vigie status --json | jq .")]
pub(crate) struct StatusArgs {}

impl StatusArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let status = match context.hub()?.status().await {
            Ok(status) => status,
            Err(error) if error.is_unreachable() && !context.hub_is_named() => match context.agent().await {
                Ok((_, status)) => status,
                Err(_) => return Err(hub_failure(error)),
            },
            Err(error) => return Err(hub_failure(error)),
        };
        context.out.json(&status)?;
        context.out.flush()?;
        Ok(Outcome::Done)
    }
}
