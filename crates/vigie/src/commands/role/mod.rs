//! `vigie role`: groups of the hub (`show`, `step-down`, `pause`, `resume`, `set`, `history`), roles for plain clients
//! (`serve`, `join`), and the fence.

mod fence;
mod history;
mod join;
mod serve;
mod set;
mod show;
mod step_down;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::{Args, Subcommand};

/// Who is principal: the first that connects; when it goes, the next in line
#[derive(Args, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "\
EXAMPLES:
  vigie role show                               every group of the hub: who is principal, since when, why
  vigie role step-down db --to web02            the principal of db gives the role to web02
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
    Show(show::ShowArgs),
    StepDown(step_down::StepDownArgs),
    Pause(set::PauseArgs),
    Resume(set::ResumeArgs),
    Set(set::SetArgs),
    History(history::HistoryArgs),
    Serve(serve::ServeArgs),
    Join(join::JoinArgs),
    Fence(fence::FenceArgs),
}

impl RoleArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        match self.command {
            RoleCommand::Show(args) => args.run(context).await,
            RoleCommand::StepDown(args) => args.run(context).await,
            RoleCommand::Pause(args) => args.run(context).await,
            RoleCommand::Resume(args) => args.run(context).await,
            RoleCommand::Set(args) => args.run(context).await,
            RoleCommand::History(args) => args.run(context).await,
            RoleCommand::Serve(args) => args.run(context).await,
            RoleCommand::Join(args) => args.run(context).await,
            RoleCommand::Fence(args) => args.run(context),
        }
    }
}
