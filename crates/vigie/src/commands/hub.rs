//! `vigie hub`

use crate::commands::invite::InviteArgs;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::service::hub::{HubService, check_api};
use crate::signals::EndSignals;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Run the hub: agents tell it what happens, commands ask it
///
/// Its API is on DATA/api.sock, for the user who runs it only.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
EXAMPLES:
  vigie hub                        data in the default directory, agents on port 7700
  vigie hub invite web01           a token with which web01 enrols
  vigie hub --api 127.0.0.1:7701   the API on TCP, too: every local user can then read all of it
  vigie hub --read-only            give what is whole of a damaged store, and change nothing of it"
)]
pub(crate) struct HubArgs {
    #[command(subcommand)]
    pub(crate) command: Option<HubCommand>,

    #[command(flatten)]
    serve: ServeArgs,
}

/// What else one can do with a hub.
#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    Invite(InviteArgs),
}

/// How the hub runs.
#[derive(Args, Debug)]
struct ServeArgs {
    /// Where everything is kept; other commands then need --hub-api DIR/api.sock [default: /var/lib/vigie for
    /// root, else ~/.local/share/vigie]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Address for agents
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port, default_value = "[::]:7700")]
    listen: SocketAddr,

    /// Offer the API on this loopback address, without authentication
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port)]
    api: Option<SocketAddr>,

    /// Give what is whole of a store that is damaged: nothing of it is changed, and nothing is taken from agents
    #[arg(long)]
    read_only: bool,
}

impl HubArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        match self.command {
            Some(HubCommand::Invite(args)) => args.run(context).await,
            None => self.serve.run(context).await,
        }
    }
}

impl ServeArgs {
    async fn run(self, context: Context) -> Result<Outcome, Failure> {
        check_api(self.api)?;
        let mut end = EndSignals::listen()?;
        let data = match self.data {
            Some(data) => data,
            None => crate::places::hub_data()?,
        };
        let service = if self.read_only {
            HubService::start_read_only(&data, self.api).await?
        } else {
            HubService::start(&data, Some(self.listen), self.api, None).await?
        };
        drop(context);
        end.next().await;
        tracing::info!("stopping");
        let stopped = service.stop();
        tokio::select! {
            in_order = stopped => in_order_or_failed(in_order),
            () = end.next() => Err(Failure::failed("stopped at once, as asked twice")),
        }
    }
}

/// How a service ended.
pub(crate) fn in_order_or_failed(in_order: bool) -> Result<Outcome, Failure> {
    if in_order {
        Ok(Outcome::Done)
    } else {
        Err(Failure::failed("not everything had ended when the time for it was over")
            .hint("nothing that was acknowledged is lost; the next start compares anew"))
    }
}
