//! The echo: requests a second beside socat and ncat, and what idle connections cost.

use super::load::Load;
use super::{Bench, shown, tail};
use crate::bench::report::{Row, Target};
use crate::bench::running::{Running, free_port, raise_open_files};
use crate::bench::series::{Series, Unit};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// Descriptors for everything that is no client.
const SPARE: u64 = 200;

/// How long a peer may take to get rid of its children.
const SETTLE: Duration = Duration::from_secs(2);

/// What is memory of ten thousand idle connections, at the most.
const IDLE_BYTES_MAX: f64 = 60e6;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Vigie,
    Socat,
    Ncat,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Who::Vigie => "vigie echo serve",
            Who::Socat => "socat, fork, PIPE",
            Who::Ncat => "ncat -k -e cat",
        }
    }

    /// As their own manuals have it; each takes as many clients as it can.
    fn command(self, bench: &Bench, port: u16) -> Command {
        let listen = format!("127.0.0.1:{port}");
        match self {
            Who::Vigie => {
                let mut command = Command::new(&bench.vigie);
                command.args(["echo", "serve", "--tcp", &listen, "--per-address", "60000"]);
                command
            }
            Who::Socat => {
                let mut command = Command::new("socat");
                let address = format!("TCP4-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=4096");
                command.args([&address, "PIPE"]);
                command
            }
            Who::Ncat => {
                let mut command = Command::new("ncat");
                let port = port.to_string();
                command.args(["--listen", "--keep-open", "--max-conns", "60000", "--exec", "/bin/cat"]);
                command.args(["127.0.0.1", &port]);
                command
            }
        }
    }
}

/// Requests a second with 1, 100 and very many connections.
pub(super) fn throughput(bench: &mut Bench) -> Result<Vec<Row>> {
    raise_open_files(bench.connections as u64 + SPARE)?;
    let mut rows = Vec::new();
    for count in [1, 100, bench.connections] {
        for peer in [Who::Socat, Who::Ncat] {
            let (held, theirs) = most(bench, peer, count)?;
            let ours = measured(bench, Who::Vigie, held)?;
            let what = if held == count {
                format!("echo, {count} connections, requests a second")
            } else {
                format!("echo, {held} connections ({} holds no {count}), requests a second", peer.name())
            };
            rows.push(Row::beside(what, ours, peer.name(), theirs, Target::RatioAtLeast(1.0)));
            eprintln!("bench: {}", rows[rows.len() - 1].line());
        }
    }
    let ours = measured(bench, Who::Vigie, bench.connections)?;
    bench.remark(format!("vigie, {} connections: {} requests a second", bench.connections, ours.summary()));
    Ok(rows)
}

/// A peer's figure with so many connections, or with half as many, and so on.
fn most(bench: &mut Bench, who: Who, count: usize) -> Result<(usize, Series)> {
    let mut held = count;
    loop {
        match measured(bench, who, held) {
            Ok(series) => return Ok((held, series)),
            Err(error) if held > 1 => {
                bench.remark(format!("{} with {held} connections: {error:#}", who.name()));
                held /= 2;
            }
            Err(error) => return Err(error),
        }
    }
}

fn measured(bench: &Bench, who: Who, count: usize) -> Result<Series> {
    let mut series = Series::new(Unit::Count);
    for _ in 0..bench.rounds {
        let port = free_port()?;
        let log = bench.dir.join(format!("echo-{port}.log"));
        let mut command = who.command(bench, port);
        let mut server = Running::start(&mut command, &log)?;
        server.wait_for_port(port)?;
        let failed = || format!("`{}` ({})", shown(&command), tail(&log));
        let mut load = Load::connect(SocketAddr::from(([127, 0, 0, 1], port)), count).with_context(failed)?;
        let answered = load.requests_per_second(Duration::from_secs(bench.seconds)).with_context(failed)?;
        series.push(answered);
        drop(load);
        drop(server);
        if count > 1000 && who != Who::Vigie {
            // Thousands of processes end now, and the next one measured should not pay for it.
            std::thread::sleep(SETTLE);
        }
    }
    Ok(series)
}

/// What connections cost that say nothing.
pub(super) fn idle(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.connections;
    raise_open_files(count as u64 + SPARE)?;
    let port = free_port()?;
    let mut command = Who::Vigie.command(bench, port);
    let mut server = Running::start(&mut command, &bench.dir.join("idle.log"))?;
    server.wait_for_port(port)?;
    let mut load = Load::connect(SocketAddr::from(([127, 0, 0, 1], port)), count)?;
    // Each of them is accepted and was served once: that is more than an idle connection needs.
    load.requests_per_second(Duration::ZERO)?;
    let peak = Series::of(Unit::Bytes, server.peak_bytes()?);
    let what = format!("echo, {count} idle connections, peak resident");
    Ok(vec![Row::alone(what, peak, Target::AtMost(IDLE_BYTES_MAX))])
}
