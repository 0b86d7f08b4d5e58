//! `vigie echo`

mod send;
mod serve;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::{Args, Subcommand};

/// Answer each message with the time and what it said, or ask somebody who does
#[derive(Args, Debug)]
#[command(
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
EXAMPLES:
  vigie echo serve                              on 127.0.0.1:9999; then, elsewhere: nc 127.0.0.1 9999
  vigie echo send 127.0.0.1:9999 'Hello !!'     the reply, and how long it took"
)]
pub(crate) struct EchoArgs {
    #[command(subcommand)]
    command: EchoCommand,
}

#[derive(Debug, Subcommand)]
enum EchoCommand {
    Serve(serve::ServeArgs),
    Send(send::SendArgs),
}

impl EchoArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        match self.command {
            EchoCommand::Serve(args) => args.run(context).await,
            EchoCommand::Send(args) => args.run(context).await,
        }
    }
}
