//! Everything around the product that is more than three lines of shell. `cargo xtask --help` lists it;
//! there is one file per command, and the doc comments of its arguments are the help.
//!
//! In reading order: `shell` (running other programs) · `setup` · `test` · `ci` · `floors` · `sim` · `fuzz` ·
//! `bench`.

mod bench;
mod ci;
mod floors;
mod fuzz;
mod setup;
mod shell;
mod sim;
mod test;

use clap::Parser;
use std::process::ExitCode;

/// Tasks of the Vigie workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
enum Task {
    Setup(setup::SetupArgs),
    Test(test::TestArgs),
    Ci(ci::CiArgs),
    Floors(floors::FloorsArgs),
    Sim(sim::SimArgs),
    Fuzz(fuzz::FuzzArgs),
    Bench(bench::BenchArgs),
    #[command(hide = true)]
    RoleProbe(bench::roles::probe::ProbeArgs),
    #[command(hide = true)]
    RoleWeb(bench::roles::web::WebArgs),
    #[command(hide = true)]
    PortsListen(bench::ports::listen::ListenArgs),
    #[command(hide = true)]
    PortsBare(bench::ports::bare::BareArgs),
    #[command(hide = true)]
    PortsRouter(bench::ports::router::RouterArgs),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Setup(args) => setup::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Ci(args) => ci::run(&args),
        Task::Floors(args) => floors::run(&args),
        Task::Sim(args) => sim::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::RoleProbe(args) => bench::roles::probe::run(&args),
        Task::RoleWeb(args) => bench::roles::web::run(&args),
        Task::PortsListen(args) => bench::ports::listen::run(&args),
        Task::PortsBare(args) => bench::ports::bare::run(&args),
        Task::PortsRouter(args) => bench::ports::router::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a backtrace, even when one is asked for: these errors are about other programs.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
