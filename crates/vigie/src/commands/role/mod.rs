//! `vigie role`

mod fence;
mod hook;
mod join;
mod serve;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::{Args, Subcommand};

/// Who is principal: the first that connects; when it goes, the next in line
#[derive(Args, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "\
EXAMPLES:
  vigie role serve                              a server for any client, such as nc
  nc 127.0.0.1 9999                             prints principal, or secondaire
  vigie role join hub:9999 --on-principal 'systemctl start app' --on-secondaire 'systemctl stop app'
  vigie role fence --file /srv/app.fence --epoch \"$VIGIE_EPOCH\" && write-something"
)]
pub(crate) struct RoleArgs {
    #[command(subcommand)]
    pub(crate) command: RoleCommand,
}

/// What one can do about roles.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    Serve(serve::ServeArgs),
    Join(join::JoinArgs),
    Fence(fence::FenceArgs),
}

impl RoleArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        match self.command {
            RoleCommand::Serve(args) => args.run(context).await,
            RoleCommand::Join(args) => args.run(context).await,
            RoleCommand::Fence(args) => args.run(context),
        }
    }
}
