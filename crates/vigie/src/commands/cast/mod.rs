//! `vigie cast`

mod listen;
mod send;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::{Args, Subcommand};
use vigie_tools::cast::endpoint::EndpointError;

/// Send datagrams to a machine or to a group, and count what became of them
#[derive(Args, Debug)]
#[command(
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
EXAMPLES:
  vigie cast listen 239.255.0.1:5000                     on each machine that is to hear it
  vigie cast send 239.255.0.1:5000 'to all of you'       on one that has something to say
  vigie cast send web01:5000 --count 10000 --rate 1000   how good is the way to web01?"
)]
pub(crate) struct CastArgs {
    #[command(subcommand)]
    command: CastCommand,
}

#[derive(Debug, Subcommand)]
enum CastCommand {
    Send(send::SendArgs),
    Listen(listen::ListenArgs),
}

impl CastArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        match self.command {
            CastCommand::Send(args) => args.run(context).await,
            CastCommand::Listen(args) => args.run(context).await,
        }
    }
}

/// Over which interface.
#[derive(Args, Debug)]
struct Via {
    /// The interface to use, such as eth0 or lo [default: as the routes say]
    #[arg(short, long, value_name = "NAME")]
    interface: Option<String>,
}

/// A failure of a socket, with the advice that fits.
fn failure(error: &EndpointError) -> Failure {
    use std::io::ErrorKind;
    let failure = Failure::of(error);
    match error {
        EndpointError::Interface { .. } => failure.hint("`ip link` shows those that there are"),
        EndpointError::Socket { source, .. } => match source.kind() {
            ErrorKind::AddrInUse => failure.hint("another program listens there; choose another port"),
            ErrorKind::AddrNotAvailable => {
                failure.hint("no interface of this machine has this address; `ip address` shows those that it has")
            }
            // ENODEV, which has no name in the library: no route says over which interface.
            _ if source.raw_os_error() == Some(19) || source.kind() == ErrorKind::NetworkUnreachable => {
                failure.hint("no route leads there: name an interface with --interface, such as eth0, or lo for this machine")
            }
            ErrorKind::PermissionDenied => failure.hint("ports below 1024 are for root; choose a higher one"),
            _ => failure,
        },
        EndpointError::Name { .. } => failure,
    }
}
