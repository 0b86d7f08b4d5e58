//! The whole command line at a glance.

use crate::commands;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::{ArgAction, Args, Parser, Subcommand};
use std::path::PathBuf;
use vigie_web::client::Place;

/// Vigie keeps every change of your directories on one hub, and brings any of it back.
///
/// Agents on your machines tell one hub, in real time, what happens to files. The hub journals it durably;
/// `log`, `ls`, `cat` and `restore` go back to any instant.
#[derive(Debug, Parser)]
#[command(
    name = "vigie",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
EXAMPLES:
  vigie up ~/projects                          watch a directory, nothing to set up
  vigie log -f                                 see changes as they are stored
  vigie restore web01:/etc ./etc --at '1h ago' bring a directory back as it was

Exit codes: 0 done, 1 a negative finding, 2 wrong usage, 3 inconclusive or partial, 4 failed."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
pub(crate) struct GlobalArgs {
    /// Print JSON, one object a line
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,

    /// The hub's API: path of its socket, or an address such as 127.0.0.1:7701 or `http://127.0.0.1:7701`
    /// [default: api.sock in the hub's default directory]
    #[arg(long, global = true, value_name = "SOCKET|ADDR", env = "VIGIE_API", help_heading = "Everywhere")]
    pub(crate) hub_api: Option<Place>,

    /// The local agent's socket [default: agent.sock in the agent's default directory, or that of `vigie up`]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Everywhere")]
    pub(crate) agent_api: Option<PathBuf>,

    /// Say more of what is going on, on standard error; twice for even more. The variable VIGIE_LOG takes
    /// directives such as vigie_wire=trace
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
}

/// Every command, in the order of the help.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(commands::up::UpArgs),
    Hub(commands::hub::HubArgs),
    Agent(commands::agent::AgentArgs),
    Status(commands::status::StatusArgs),
    Log(commands::log::LogArgs),
    Ls(commands::ls::LsArgs),
    Cat(commands::cat::CatArgs),
    Restore(commands::restore::RestoreArgs),
    Flush(commands::flush::FlushArgs),
    Verify(commands::verify::VerifyArgs),
    Watch(commands::watch::WatchArgs),
    Ports(Box<commands::ports::PortsArgs>),
    Health(commands::health::HealthArgs),
    Drain(commands::drain::DrainArgs),
    Undrain(commands::drain::UndrainArgs),
    Role(commands::role::RoleArgs),
    Run(commands::run::RunArgs),
    Copy(commands::copy::CopyArgs),
    Meter(commands::meter::MeterArgs),
    Inspect(commands::inspect::InspectArgs),
    Echo(commands::echo::EchoArgs),
    Cast(commands::cast::CastArgs),
    Ip(commands::ip::IpArgs),
    Http(commands::http::HttpArgs),
    Repeat(commands::repeat::RepeatArgs),
}

impl Command {
    /// Whether it stays and serves, and so tells of its life in a log.
    pub(crate) fn is_service(&self) -> bool {
        match self {
            Command::Hub(args) => args.command.is_none(),
            Command::Agent(_) => true,
            Command::Health(args) => args.is_service(),
            Command::Meter(args) => args.is_service(),
            _ => false,
        }
    }
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let context = Context::new(self.global);
        let runtime = tokio::runtime::Runtime::new()
            .map_err(|e| Failure::failed("cannot start the threads of this program").because(&e))?;
        let outcome = runtime.block_on(async {
            match self.command {
                Command::Up(args) => args.run(context).await,
                Command::Hub(args) => args.run(context).await,
                Command::Agent(args) => args.run(context).await,
                Command::Status(args) => args.run(context).await,
                Command::Log(args) => args.run(context).await,
                Command::Ls(args) => args.run(context).await,
                Command::Cat(args) => args.run(context).await,
                Command::Restore(args) => args.run(context).await,
                Command::Flush(args) => args.run(context).await,
                Command::Verify(args) => args.run(context).await,
                Command::Watch(args) => args.run(context).await,
                Command::Ports(args) => args.run(context).await,
                Command::Health(args) => args.run(context).await,
                Command::Drain(args) => args.run(context).await,
                Command::Undrain(args) => args.run(context).await,
                Command::Role(args) => args.run(context).await,
                Command::Run(args) => args.run(context).await,
                Command::Copy(args) => args.run(context).await,
                Command::Meter(args) => args.run(context).await,
                Command::Inspect(args) => args.run(context).await,
                Command::Echo(args) => args.run(context).await,
                Command::Cast(args) => args.run(context).await,
                Command::Ip(args) => args.run(context).await,
                Command::Http(args) => args.run(context).await,
                Command::Repeat(args) => args.run(context).await,
            }
        });
        // A thread that still works for an interrupted command must not hold up the end.
        runtime.shutdown_background();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
