//! `vigie health`

mod check;
mod serve;
pub(crate) mod shown;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::{Args, Subcommand};

/// Look whether this machine is fit to serve, and tell load balancers
#[derive(Args, Debug)]
#[command(after_help = "\
CHECKS:
  tcp:HOST:PORT                  a connection can be made
  http://HOST:PORT/PATH          a GET is answered with status 200 to 399
  exec:COMMAND                   for the shell; exit code 0 ok, 1 warning, 2 critical, 3 unknown
  role:GROUP=principal           what this machine is in a group (or =secondaire)
Options stand in front: '[name=db,timeout=2s] tcp:127.0.0.1:5432'; for http also status=200-204 and,
as the last one, body=TEXT.

EXAMPLES:
  vigie health check tcp:127.0.0.1:5432 http://127.0.0.1:8080/health
  vigie health serve --listen 127.0.0.1:7780 --check tcp:127.0.0.1:5432")]
pub(crate) struct HealthArgs {
    #[command(subcommand)]
    command: HealthCommand,
}

#[derive(Debug, Subcommand)]
enum HealthCommand {
    Serve(serve::ServeArgs),
    Check(check::CheckArgs),
}

impl HealthArgs {
    /// Whether it stays and serves.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self.command, HealthCommand::Serve(_))
    }

    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        match self.command {
            HealthCommand::Serve(args) => args.run(context).await,
            HealthCommand::Check(args) => args.run(context).await,
        }
    }
}
