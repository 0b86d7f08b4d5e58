//! Plain clients on loopback: from the kill of the principal's process to the next one's line.

use super::bed::Bed;
use super::plain::{Server, read_line};
use crate::bench::report::{Row, Target};
use crate::bench::running::Running;
use crate::bench::series::{Series, Unit};
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Before every kill: all have been told what they are, and nothing else goes on.
const CALM: Duration = Duration::from_millis(20);

/// A client as a person starts it.
struct Netcat {
    process: Running,
    lines: ChildStdout,
}

impl Netcat {
    fn start(server: SocketAddr, role: &str) -> Result<Netcat> {
        let mut command = Command::new("nc");
        command.arg("-d").arg(server.ip().to_string()).arg(server.port().to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Running::with_streams(&mut command)?;
        let lines = process.stdout().context("nc has no output")?;
        let mut client = Netcat { process, lines };
        client.expect(role)?;
        Ok(client)
    }

    fn expect(&mut self, role: &str) -> Result<()> {
        match read_line(&mut self.lines)? {
            line if line == role => Ok(()),
            line => bail!("a client was told `{line}` instead of `{role}`"),
        }
    }
}

pub(super) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let server = Server::start(&bed.settings.vigie, &bed.fresh("serve")?)?;
    let mut took = Series::new(Unit::Millis);
    let mut principal = Netcat::start(server.address, "principal")?;
    let mut next = Netcat::start(server.address, "secondaire")?;
    for _ in 0..bed.settings.kills {
        let third = Netcat::start(server.address, "secondaire")?;
        std::thread::sleep(CALM);
        let start = Instant::now();
        principal.process.signal(Signal::KILL)?;
        next.expect("principal")?;
        took.push_time(start.elapsed());
        principal = std::mem::replace(&mut next, third);
    }
    let row = |p, most| {
        let what = format!("plain clients, from kill to the next one's line, p{p} of {}", took.len());
        Row::alone(what, took.percentile(p), Target::AtMost(most))
    };
    Ok(vec![row(50, 10.0), row(99, 50.0)])
}
