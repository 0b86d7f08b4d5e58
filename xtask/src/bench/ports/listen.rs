//! `xtask ports-listen`: what is to be found.

use anyhow::{Context, Result};
use std::io::Write;
use std::net::TcpListener;

/// Listens on ports for `cargo xtask bench ports`: accepts everybody and says nothing.
#[derive(clap::Args)]
pub(crate) struct ListenArgs {
    ports: Vec<u16>,
}

pub(crate) fn run(args: &ListenArgs) -> Result<()> {
    let listeners: Vec<TcpListener> = args
        .ports
        .iter()
        .map(|port| TcpListener::bind(("::", *port)).with_context(|| format!("cannot listen on {port}")))
        .collect::<Result<_>>()?;
    std::thread::scope(|scope| {
        for listener in &listeners {
            scope.spawn(move || listener.incoming().for_each(drop));
        }
        std::io::stdout().write_all(b"\n").context("cannot say that it is ready")
    })
}
