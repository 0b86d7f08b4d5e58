//! The program: command line, configuration and wiring. Everything else is a library below.
//!
//! In reading order:
//! [`cli`] the whole command line at a glance ·
//! [`commands`] one file for each command: its arguments, whose comments are the help, and `run` ·
//! [`context`] what every command is given ·
//! [`location`] `MACHINE:PATH` · [`addresses`] `HOST:PORT` · [`instant`] `T` · [`places`] default directories and sockets ·
//! [`output`] what is printed, for people and for scripts ·
//! [`connecting`] how to reach an HTTP service · [`reaching`] other machines over SSH · [`asking`] at the terminal ·
//! [`following`] the log across restarts of the hub ·
//! [`restoring`] between the hub's stream and the disk ·
//! [`service`] hub and agent as parts of a process that stays ·
//! [`failure`] errors at the edge: kind, exit code, hint ·
//! [`logging`], [`signals`] and [`open_files`].

mod addresses;
mod asking;
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
mod reaching;
mod restoring;
mod service;
mod signals;

use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
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

/// A command line that cannot be read, or that asked for help.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if !(error.use_stderr() && wants_json) {
        // Help for people; it ends the process with clap's own code, 0 or 2.
        error.exit();
    }
    let failure = Failure::from(error);
    failure.print(true);
    ExitCode::from(failure.exit_code())
}
