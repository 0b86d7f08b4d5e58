//! The program: command line, configuration and wiring. Everything else is a library below.
//!
//! In reading order:
//! [`cli`] the whole command line at a glance ·
//! [`commands`] one file for each command: its arguments, whose comments are the help, and `run` ·
//! [`context`] what every command is given ·
//! [`location`] `MACHINE:PATH` · [`addresses`] `HOST:PORT` · [`instant`] `T` · [`places`] default directories and sockets ·
//! [`output`] what is printed, for people and for scripts ·
//! [`connecting`] how to reach an HTTP service ·
//! [`following`] the log across restarts of the hub ·
//! [`restoring`] between the hub's stream and the disk ·
//! [`service`] hub and agent as parts of a process that stays ·
//! [`failure`] errors at the edge: kind, exit code, hint ·
//! [`logging`], [`signals`] and [`open_files`].

mod addresses;
mod cli;
mod commands;
mod connecting;
mod context;
mod failure;
mod following;
mod instant;
mod location;
mod logging;
mod open_files;
mod output;
mod places;
mod restoring;
mod service;
mod signals;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    logging::start(cli.global.verbose, cli.command.is_service());
    let json = cli.global.json;
    match cli.run() {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(failure) => {
            failure.print(json);
            ExitCode::from(failure.exit_code())
        }
    }
}
