//! `vigie meter`

mod read;
mod shown;
mod simulate;
mod sinks;

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
  vigie meter --device /dev/ttyUSB0 --influx http://localhost:8086 --compat teleinfo.py
  vigie meter --device /dev/ttyUSB0 --mqtt mqtt://homeassistant.local --metrics 127.0.0.1:9101 --quiet
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
    /// Whether it stays and serves.
    pub(crate) fn is_service(&self) -> bool {
        self.command.is_none() && self.read.has_sinks()
    }

    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        match self.command {
            Some(MeterCommand::Simulate(args)) => args.run(context).await,
            None => self.read.run(context).await,
        }
    }
}
