//! Very many plain clients of one server: what they cost it, and whether the line stays a line.

use super::bed::Bed;
use super::plain::{Server, read_line};
use crate::bench::report::{Row, Target};
use crate::bench::running::raise_open_files;
use crate::bench::series::{Series, Unit};
use anyhow::{Context, Result, bail};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Instant;

/// Descriptors for everything that is no client.
const SPARE: u64 = 200;

pub(super) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let (clients, leaves) = (bed.settings.clients as usize, bed.settings.leaves as usize);
    // The server inherits it; the clients of this process need as many.
    raise_open_files(clients as u64 + SPARE)?;
    let server = Server::start(&bed.settings.vigie, &bed.fresh("many")?)?;
    let mut line = VecDeque::with_capacity(clients);
    for number in 0..clients {
        let (client, role) = server.connect().with_context(|| format!("client {number}"))?;
        let right = if number == 0 { "principal" } else { "secondaire" };
        if role != right {
            bail!("client {number} was told `{role}`");
        }
        line.push_back(client);
    }
    let mut took = Series::new(Unit::Millis);
    let mut wrong = 0;
    for _ in 0..leaves {
        let start = Instant::now();
        drop(line.pop_front());
        let next = line.front_mut().context("nobody is left")?;
        if read_line(next)? != "principal" {
            wrong += 1;
        }
        took.push_time(start.elapsed());
    }
    let peak = server.process.peak_bytes()?;
    for client in line.iter().skip(1) {
        wrong += u64::from(has_line(client)?);
    }
    bed.remark(format!(
        "{clients} plain clients: from a disconnection to the next one's line {}, p99 {}",
        took.summary(),
        took.percentile(99).summary()
    ));
    let memory = format!("role serve, peak resident, {clients} plain clients");
    let order = format!("promotions out of the order of joining, {leaves} disconnections");
    Ok(vec![
        Row::alone(memory, Series::of(Unit::Bytes, peak), Target::AtMost(100e6)),
        Row::alone(order, Series::of(Unit::Count, wrong), Target::AtMost(0.0)),
    ])
}

/// Whether it was told something that nobody has read.
fn has_line(client: &TcpStream) -> Result<bool> {
    client.set_nonblocking(true).context("cannot look at a client")?;
    let mut client = client;
    match client.read(&mut [0]) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error).context("a client lost its connection"),
    }
}
