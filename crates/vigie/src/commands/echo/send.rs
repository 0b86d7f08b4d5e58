//! `vigie echo send`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, escaped};
use crate::signals::EndSignals;
use clap::Args;
use serde::Serialize;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use vigie_tools::echo::client::{ConnectError, ExchangeError, Peer, Reply, RoundTrips};
use vigie_tools::limits::DATAGRAM_BYTES_MAX;
use vigie_web::text::Shown;

/// Send a message to an echo, and show the reply with its round trip
///
/// Any program that answers will do: `vigie echo serve`, `ncat --exec /bin/cat`, or a few lines of Python.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 1 when no message was answered, 3 when some were, 4 when nobody could be connected to.

EXAMPLES:
  vigie echo send 127.0.0.1:9999 'Hello !!'
  vigie echo send server:9999 ping --count 10 --interval 200ms
  vigie echo send server:9999 ping --udp --count 0        until Ctrl-C")]
pub(crate) struct SendArgs {
    /// Whom to ask
    #[arg(value_name = "HOST:PORT", value_parser = crate::addresses::host_and_port)]
    target: String,

    /// What to say
    #[arg(value_name = "TEXT")]
    text: OsString,

    /// Send datagrams
    #[arg(long)]
    udp: bool,

    /// How many times; 0 for ever
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    count: u64,

    /// From one message to the next; a reply that takes longer is waited for
    #[arg(short, long, value_name = "SPAN", default_value = "1s", value_parser = crate::instant::span)]
    interval: Duration,

    /// How long to wait for a reply
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = crate::instant::span)]
    timeout: Duration,

    /// Send TEXT alone, without a newline behind it
    #[arg(short, long)]
    no_newline: bool,
}

/// One line for scripts.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line {
    Reply {
        n: u64,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        text_b64: Option<String>,
        round_trip_ms: f64,
    },
    Lost {
        n: u64,
        why: String,
    },
    Summary {
        sent: u64,
        received: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        round_trip_ms: Option<RoundTripMs>,
    },
}

#[derive(Serialize)]
struct RoundTripMs {
    min: f64,
    avg: f64,
    max: f64,
    mdev: f64,
}

impl SendArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let mut message = self.text.as_bytes().to_vec();
        if !self.no_newline {
            message.push(b'\n');
        }
        if self.udp && message.len() > DATAGRAM_BYTES_MAX {
            let length = message.len();
            return Err(Failure::usage(format!(
                "a datagram holds {DATAGRAM_BYTES_MAX} bytes, and this message has {length}"
            )));
        }
        let mut end = EndSignals::listen()?;
        let mut trips = RoundTrips::default();
        let mut sent = 0;
        let mut peer = tokio::select! {
            peer = self.connect() => peer?,
            () = end.next() => return Err(Failure::failed("interrupted while it was connecting")),
        };
        let mut next = Instant::now();
        while self.count == 0 || sent < self.count {
            tokio::select! {
                () = sleep_until(next) => {}
                () = end.next() => break,
            }
            next = Instant::now() + self.interval;
            let reply = tokio::select! {
                reply = peer.exchange(&message, self.timeout) => reply,
                () = end.next() => break,
            };
            sent += 1;
            let is_over = reply.as_ref().is_err_and(|error| error.is_final(self.udp));
            if let Ok(reply) = &reply {
                trips.add(reply.round_trip);
            }
            print(&mut context.out, &peer, &Line::of(sent, reply))?;
            if is_over {
                break;
            }
        }
        let [min, avg, max, mdev] = trips.summary_ms().unwrap_or_default();
        let round_trip_ms = trips.summary_ms().map(|_| RoundTripMs { min, avg, max, mdev });
        let received = trips.received();
        print(&mut context.out, &peer, &Line::Summary { sent, received, round_trip_ms })?;
        Ok(match received {
            0 if sent > 0 => Outcome::Negative,
            _ => Outcome::partial_if(received < sent || (self.count > sent && sent != received)),
        })
    }

    async fn connect(&self) -> Result<Peer, Failure> {
        let peer = if self.udp { Peer::udp(&self.target).await } else { Peer::tcp(&self.target).await };
        peer.map_err(|error| {
            let failure = Failure::of(&error);
            match &error {
                ConnectError::Refused { source, .. }
                    if source.kind() == std::io::ErrorKind::ConnectionRefused =>
                {
                    failure.hint("nobody listens there; does the server run, and on this port?")
                }
                _ => failure,
            }
        })
    }
}

impl Line {
    fn of(n: u64, reply: Result<Reply, ExchangeError>) -> Line {
        match reply {
            Ok(reply) => {
                let Shown { text, b64 } = Shown::new(&reply.bytes);
                let round_trip_ms = reply.round_trip.as_secs_f64() * 1e3;
                Line::Reply { n, text, text_b64: b64, round_trip_ms }
            }
            Err(error) => Line::Lost { n, why: error.to_string() },
        }
    }
}

fn print(out: &mut Output, peer: &Peer, line: &Line) -> std::io::Result<()> {
    if out.is_json() {
        out.json(line)?;
        return out.flush();
    }
    match line {
        Line::Reply { n, text, text_b64, round_trip_ms } => {
            let bytes = vigie_web::text::exact(text, text_b64.as_deref());
            let text = escaped(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
            let trip = out.paint(Paint::Dim, &format!("({round_trip_ms:.3} ms)"));
            out.line(&format!("{n}: {text} {trip}"))?;
        }
        Line::Lost { n, why } => {
            out.line(&format!("{n}: {}", out.paint(Paint::Bad, why)))?;
        }
        Line::Summary { sent, received, round_trip_ms } => {
            let lost = (sent - received) as f64 * 100.0 / (*sent).max(1) as f64;
            out.line(&format!("--- {} ---", peer.address()))?;
            out.line(&format!("sent: {sent}, received: {received}, lost: {lost:.0} %"))?;
            if let Some(RoundTripMs { min, avg, max, mdev }) = round_trip_ms {
                out.line(&format!("round trip min/avg/max/mdev = {min:.3}/{avg:.3}/{max:.3}/{mdev:.3} ms"))?;
            }
        }
    }
    out.flush()
}
