//! `vigie meter`

mod read;
mod shown;
mod simulate;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::{Args, Subcommand};

/// Read a Linky meter, or an older French one, from a serial line
///
/// Both modes of the customer's output (TIC) are understood and found out. A value is shown only when parity, checksum,
/// characters and plausibility are right; what was lost is told.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
EXAMPLES:
  vigie meter --device /dev/ttyUSB0 --once      one frame, with what its labels mean
  vigie meter --device /dev/serial0 --json      every frame as one line of JSON
  vigie meter simulate --link /tmp/linky        a meter to try it with: vigie meter --device /tmp/linky"
)]
pub(crate) struct MeterArgs {
    #[command(subcommand)]
    command: Option<MeterCommand>,

    #[command(flatten)]
    read: read::ReadArgs,
}

#[derive(Debug, Subcommand)]
enum MeterCommand {
    Simulate(simulate::SimulateArgs),
}

impl MeterArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        match self.command {
            Some(MeterCommand::Simulate(args)) => args.run(context).await,
            None => self.read.run(context).await,
        }
    }
}
