//! `vigie cast send`

use super::{Via, failure};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{count, span};
use crate::signals::EndSignals;
use clap::Args;
use serde::Serialize;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vigie_tools::cast::datagram::HEADER_BYTES;
use vigie_tools::cast::endpoint::{Endpoint, Reach};
use vigie_tools::cast::send::{Config, Load, SendError, send};
use vigie_tools::limits::{CAST_RATE_MAX, DATAGRAM_BYTES_MAX};

/// Send texts, or as many datagrams as asked at a steady rate, numbered and timed
///
/// `vigie cast listen` counts them. Each begins with a header of 48 letters, so that any other program shows it, too;
/// with --plain it is the text alone.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 4 when the system refused to send. That all was sent says nothing of who heard it.

EXAMPLES:
  vigie cast send 239.255.0.1:5000 bonjour 'à tous'
  vigie cast send 239.255.0.1:5000 bonjour --plain --ttl 4      to socat, up to three routers away
  vigie cast send '[ff15::1]:5000' --interface eth0 --count 10000 --rate 1000 --size 1200")]
pub(crate) struct SendArgs {
    /// A machine or a group: 239.255.0.1:5000, `[ff15::1]:5000`, web01:5000
    #[arg(value_name = "GROUP:PORT", value_parser = crate::addresses::host_and_port)]
    target: String,

    /// What to say, each text in a datagram of its own
    #[arg(value_name = "TEXT", required_unless_present = "count", conflicts_with = "count")]
    texts: Vec<OsString>,

    /// Send so many datagrams that say nothing; 0 until Ctrl-C
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,

    /// Datagrams a second; 0 for as many as can be sent
    #[arg(short, long, value_name = "R", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..=i64::from(CAST_RATE_MAX)))]
    rate: u32,

    /// Bytes of each datagram, header included
    #[arg(short, long, value_name = "B", default_value_t = 64, requires = "count", value_parser = size)]
    size: usize,

    /// Send texts without numbers and times
    #[arg(long, conflicts_with = "count")]
    plain: bool,

    #[command(flatten)]
    via: Via,

    /// How many routers they may pass, plus one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    ttl: u8,

    /// Let this machine not hear what it sends to a group
    #[arg(long)]
    no_loop: bool,
}

fn size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (HEADER_BYTES..=DATAGRAM_BYTES_MAX).contains(size));
    size.ok_or_else(|| format!("a datagram here has from {HEADER_BYTES} to {DATAGRAM_BYTES_MAX} bytes"))
}

/// What was sent, for scripts.
#[derive(Serialize)]
#[serde(tag = "event", rename = "sent", rename_all = "kebab-case")]
struct Line {
    to: String,
    stream: String,
    datagrams: u64,
    seconds: f64,
    refused: u64,
}

impl SendArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let config = self.config()?;
        let mut end = EndSignals::listen()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stream = config.stream;
        let mut sending = tokio::task::spawn_blocking({
            let stop = stop.clone();
            move || send(&config, &stop)
        });
        let sent = loop {
            tokio::select! {
                sent = &mut sending => break sent.map_err(|e| Failure::of(&e))?,
                () = end.next() => stop.store(true, Ordering::Relaxed),
            }
        };
        let sent = sent.map_err(|error| match &error {
            SendError::Endpoint(endpoint) => failure(endpoint),
            SendError::Send { .. } => Failure::of(&error),
        })?;
        let out = &mut context.out;
        if out.is_json() {
            out.json(&Line {
                to: sent.to.to_string(),
                stream: format!("{stream:08x}"),
                datagrams: sent.datagrams,
                seconds: sent.took.as_secs_f64(),
                refused: sent.refused,
            })?;
        } else {
            out.line(&format!("sent to {}: {} in {}", sent.to, count(sent.datagrams), span(sent.took)))?;
        }
        out.flush()?;
        if sent.refused > 0 {
            out.warn(&format!("{} says that nobody listens there", sent.to));
        }
        Ok(Outcome::Done)
    }

    fn config(self) -> Result<Config, Failure> {
        let texts: Vec<Vec<u8>> = self.texts.into_iter().map(OsStringExt::into_vec).collect();
        let room = if self.plain { DATAGRAM_BYTES_MAX } else { DATAGRAM_BYTES_MAX - HEADER_BYTES };
        if let Some(long) = texts.iter().find(|text| text.len() > room) {
            let length = long.len();
            return Err(Failure::usage(format!(
                "a datagram has room for {room} bytes, and a text has {length}"
            )));
        }
        let load = match self.count {
            Some(count) => Load::Filler { count: (count > 0).then_some(count), size: self.size },
            None if self.plain => Load::Plain(texts),
            None => Load::Texts(texts),
        };
        let mut stream = [0; 4];
        getrandom::fill(&mut stream)
            .map_err(|e| Failure::failed(format!("cannot draw a random number: {e}")))?;
        let to = Endpoint { target: self.target, interface: self.via.interface };
        let reach = Reach { ttl: self.ttl, is_looped: !self.no_loop };
        Ok(Config { to, reach, load, rate: self.rate, stream: u32::from_ne_bytes(stream) })
    }
}
