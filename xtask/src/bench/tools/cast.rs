//! Datagrams: counts against the truth of a relay, and a rate that has to arrive whole.

use super::Bench;
use super::relay::{Relay, Truth};
use crate::bench::report::{Row, Target};
use crate::bench::running::{Running, free_port};
use crate::bench::series::{Series, Unit};
use crate::shell;
use anyhow::{Context, Result, bail};
use rustix::net::sockopt;
use serde_json::Value;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Datagrams of one measurement through the relay.
const RELAYED: u64 = 100_000;

/// Their rate: one that the relay keeps up with, or its own kernel would lose some that it does not know of.
const RELAYED_RATE: &str = "10000";

/// The relay's receive buffer: seconds of that rate.
const RELAY_BUFFER: usize = 32 * 1024 * 1024;

/// What has to arrive whole, a second.
const RATE: u64 = 200_000;

/// For how long.
const RATE_SECONDS: u64 = 10;

/// How much of the rate has to be reached for the absence of drops to mean something.
const RATE_REACHED: f64 = 0.99;

const PATIENCE: Duration = Duration::from_secs(120);

/// A `vigie cast listen` that hears one stream.
struct Listening {
    process: Running,
    port: u16,
}

impl Listening {
    fn start(bench: &Bench) -> Result<Listening> {
        let port = free_port()?;
        let mut command = Command::new(&bench.vigie);
        command.args(["cast", "listen", &format!("127.0.0.1:{port}"), "--once", "--json", "--report", "0s"]);
        let process = Running::with_streams(command.stdout(Stdio::piped()).stderr(Stdio::inherit()))?;
        Ok(Listening { process, port })
    }

    /// What it prints to its end: the line of the stream, and the total. `started` is called when it listens.
    fn hear(mut self, started: impl FnOnce(u16) -> Result<()>) -> Result<(Value, Value)> {
        use std::io::{BufRead, BufReader};
        let out = self.process.stdout().context("the listener's output is gone")?;
        let mut lines = BufReader::new(out).lines();
        lines.next().context("the listener said nothing")?.context("cannot read the listener")?;
        started(self.port)?;
        let start = Instant::now();
        let (mut stream, mut total) = (None, None);
        for line in lines {
            let line = line.context("cannot read the listener")?;
            let value: Value = serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))?;
            match value["event"].as_str() {
                Some("stream") => stream = Some(value),
                Some("total") => total = Some(value),
                _ => {}
            }
            if start.elapsed() > PATIENCE {
                bail!("the listener did not end within {PATIENCE:?}");
            }
        }
        stream.zip(total).context("the listener counted no stream")
    }
}

fn send(bench: &Bench, port: u16, count: u64, rate: &str) -> Result<()> {
    let count = count.to_string();
    let mut command = Command::new(&bench.vigie);
    command.args([
        "cast",
        "send",
        &format!("127.0.0.1:{port}"),
        "--count",
        &count,
        "--rate",
        rate,
        "--size",
        "64",
    ]);
    shell::output(&mut command).map(drop)
}

/// Counts through a relay that loses 0, 1, 5 and 20 %, doubles 2 % and reorders 10 %.
pub(super) fn truth(bench: &mut Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for loss in [0, 1, 5, 20] {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).context("cannot open the relay")?;
        // What this kernel dropped in front of the relay, the relay would not know.
        if sockopt::set_socket_recv_buffer_size_force(&socket, RELAY_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, RELAY_BUFFER)
                .context("cannot set the relay's buffer")?;
        }
        let via = socket.local_addr().context("cannot learn the relay's port")?.port();
        let mut relaying = None;
        let (stream, total) = Listening::start(bench)?.hear(|port| {
            let to = ([127, 0, 0, 1], port).into();
            let relay = Relay { socket, to, loss, duplicates: 2, reordered: 10, seed: 1 + loss };
            relaying = Some(std::thread::spawn(move || relay.run()));
            send(bench, via, RELAYED, RELAYED_RATE)
        })?;
        let relaying = relaying.context("the relay did not run")?;
        let truth = relaying.join().map_err(|_| anyhow::anyhow!("the relay panicked"))??;
        if truth.sent != RELAYED {
            bail!("the relay saw {} of {RELAYED} datagrams: it was too slow to know the truth", truth.sent);
        }
        let number = |name: &str| stream[name].as_u64().unwrap_or(u64::MAX);
        let counted = Truth {
            sent: number("sent"),
            lost: number("lost"),
            duplicated: number("duplicated"),
            reordered: number("reordered"),
        };
        let off = [
            counted.sent.abs_diff(truth.sent),
            counted.lost.abs_diff(truth.lost),
            counted.duplicated.abs_diff(truth.duplicated),
            counted.reordered.abs_diff(truth.reordered),
            number("late"),
            total["kernel_dropped"].as_u64().unwrap_or(u64::MAX),
        ];
        bench.remark(format!(
            "relay that loses {loss} %: lost {}, duplicated {}, reordered {} of {RELAYED}",
            truth.lost, truth.duplicated, truth.reordered
        ));
        let what = format!("cast, counts that differ from the truth, {loss} % lost, {RELAYED} datagrams");
        let off = off.iter().fold(0_u64, |sum, off| sum.saturating_add(*off));
        rows.push(Row::alone(what, Series::of(Unit::Count, off), Target::AtMost(0.0)));
    }
    Ok(rows)
}

/// From one sender directly, as fast as it has to be.
pub(super) fn rate(bench: &Bench) -> Result<Vec<Row>> {
    let rate = RATE.to_string();
    let listening = Listening::start(bench)?;
    let (stream, total) = listening.hear(|port| send(bench, port, RATE * RATE_SECONDS, &rate))?;
    let number =
        |value: &Value, name: &str| value[name].as_u64().with_context(|| format!("no {name} in {value}"));
    let received = number(&stream, "received")?;
    let seconds = stream["seconds"].as_f64().context("no seconds")?;
    let reached = (received as f64 / seconds) as u64;
    let what = |what: &str| format!("cast, {RATE_SECONDS} s of {RATE} a second, 64 bytes: {what}");
    Ok(vec![
        Row::alone(
            what("received a second"),
            Series::of(Unit::Count, reached),
            Target::AtLeast(RATE as f64 * RATE_REACHED),
        ),
        Row::alone(
            what("dropped by the kernel"),
            Series::of(Unit::Count, number(&total, "kernel_dropped")?),
            Target::AtMost(0.0),
        ),
        Row::alone(what("lost"), Series::of(Unit::Count, number(&stream, "lost")?), Target::AtMost(0.0)),
    ])
}
