//! A `vigie role serve` on loopback, and what its clients read.

use super::bed::{PATIENCE, until};
use crate::bench::running::{Running, free_port};
use anyhow::{Context, Result};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

/// The server; it ends when this is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) process: Running,
}

impl Server {
    /// Starts it and waits until it answers.
    pub(super) fn start(vigie: &Path, dir: &Path) -> Result<Server> {
        let port = free_port()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(vigie);
        command.args(["role", "serve", "--listen", &address.to_string()]);
        let log = dir.join("role-serve.log");
        let mut process = Running::start(&mut command, &log)?;
        // Not by connecting: that would be the first client.
        until("roles are served", || {
            process.check()?;
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            Ok(said.contains("roles are served").then_some(()))
        })?;
        Ok(Server { address, process })
    }

    /// A client that has read its first line, with that line.
    pub(super) fn connect(&self) -> Result<(TcpStream, String)> {
        let mut client = TcpStream::connect(self.address).context("cannot connect a plain client")?;
        client.set_read_timeout(Some(PATIENCE)).context("cannot set a limit")?;
        let role = read_line(&mut client)?;
        Ok((client, role))
    }
}

/// The next line, without anything behind it: lines are short and rare.
pub(super) fn read_line(from: &mut impl Read) -> Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        from.read_exact(&mut byte).context("the line of a role does not come")?;
        match byte[0] {
            b'\n' => return String::from_utf8(line).context("a role is no text"),
            other => line.push(other),
        }
    }
}
