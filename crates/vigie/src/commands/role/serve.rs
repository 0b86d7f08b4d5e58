//! `vigie role serve`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::open_files;
use crate::output::{Aside, Output, Paint, counted, span};
use crate::signals::EndSignals;
use clap::Args;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vigie_model::{Clock, SystemClock};
use vigie_role::limits::{CLIENTS_MAX, FILES_SPARE, HEARTBEAT_MAX, HEARTBEAT_MIN};
use vigie_role::plain::server::{Config, Notice, ServeError, Server};
use vigie_role::{BootClock, Role};
use vigie_web::text::rfc3339;

/// Notices that wait to be printed; roles do not wait for them.
const NOTICES: usize = 4096;

/// Serve roles to any client over plain TCP: principal for the first that connects, secondaire for the others
///
/// A client gets one line on connecting, and the line `principal` when it is promoted, because all before it have
/// disconnected. It needs to send nothing; after a line `vigie/1` it is told the epoch and the reason, too.
#[derive(Args, Debug)]
#[command(after_help = "\
Plain clients are served in the mode `fast`: their connection is their lease. When it breaks, the next one is
promoted at once. A principal that is cut off or frozen does not know yet that it is none any more, so for that
long there may be two. What must not be written by two belongs behind `vigie role fence`.

EXAMPLES:
  vigie role serve                                   on 127.0.0.1:9999; then, elsewhere: nc 127.0.0.1 9999
  vigie role serve --listen '[::]:9999' --state /var/lib/vigie-roles --heartbeat 5s")]
pub(crate) struct ServeArgs {
    /// Address to listen on. Anyone who reaches it can become principal
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port, default_value = "127.0.0.1:9999")]
    listen: SocketAddr,

    /// Keep the epoch in this directory, durable before each grant; without it epochs begin at 1 with every start
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Ask clients that said vigie/1 for a sign of life this often, and cut off those that give none; machines of
    /// silent plain clients are asked by TCP after this time [default: by TCP alone, after 10s]
    #[arg(long, value_name = "SPAN", value_parser = heartbeat)]
    heartbeat: Option<Duration>,
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    let span = crate::instant::span(text)?;
    if (HEARTBEAT_MIN..=HEARTBEAT_MAX).contains(&span) {
        Ok(span)
    } else {
        Err("a heartbeat is from 1s to 1h".to_owned())
    }
}

impl ServeArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let mut end = EndSignals::listen()?;
        let clients_max = open_files::raise(FILES_SPARE).min(CLIENTS_MAX);
        let config =
            Config { listen: self.listen, state: self.state, heartbeat: self.heartbeat, clients_max };
        let server = Server::bind(config).map_err(|error| failure(&error))?;
        let (notices, told) = mpsc::channel(NOTICES);
        let stop = CancellationToken::new();
        let listening = Line::Listening { address: server.address().to_string() };
        let mut serving = tokio::spawn({
            let stop = stop.clone();
            async move { server.run(&BootClock::default(), notices, stop).await }
        });
        print(&mut context.out, &listening)?;
        let mut printing = Aside::start(context.out, told, |out, notice| print(out, &Line::from(notice)))?;
        let ended = loop {
            tokio::select! {
                () = end.next() => stop.cancel(),
                ended = &mut serving => break ended,
                () = printing.failed(), if !stop.is_cancelled() => stop.cancel(),
            }
        };
        // What it printed until it failed is told before the failure.
        let printed = printing.finish().await;
        ended.map_err(|e| Failure::of(&e))?.map_err(|error| failure(&error))?;
        printed?;
        Ok(Outcome::Done)
    }
}

fn failure(error: &ServeError) -> Failure {
    let failure = Failure::of(error);
    match error {
        ServeError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
            failure.hint("another program listens there; choose another address with --listen")
        }
        _ => failure,
    }
}

/// One line of what happens, for scripts.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line {
    Listening {
        address: String,
    },
    Role {
        client: String,
        role: &'static str,
        epoch: u64,
        reason: &'static str,
        /// How long nobody was principal, if this is the end of that.
        #[serde(skip_serializing_if = "Option::is_none")]
        vacant_us: Option<u64>,
    },
    Gone {
        client: String,
        was_principal: bool,
        why: String,
    },
    Missed {
        lines: u64,
    },
}

impl From<Notice> for Line {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Role { client, role, epoch, cause, vacant } => Line::Role {
                client: client.to_string(),
                role: role.as_str(),
                epoch: epoch.0,
                reason: cause.as_str(),
                vacant_us: vacant.map(|v| u64::try_from(v.as_micros()).unwrap_or(u64::MAX)),
            },
            Notice::Gone { client, was_principal, why } => {
                Line::Gone { client: client.to_string(), was_principal, why }
            }
            Notice::Missed(lines) => Line::Missed { lines },
        }
    }
}

/// A line, with the time.
#[derive(Serialize)]
struct Timed<'a> {
    time: String,
    #[serde(flatten)]
    line: &'a Line,
}

fn print(out: &mut Output, line: &Line) -> std::io::Result<()> {
    if out.is_json() {
        let time = rfc3339(SystemClock::default().wall());
        out.json(&Timed { time, line })?;
        return out.flush();
    }
    match line {
        Line::Listening { address } => {
            out.remark(&format!("roles are served on {address}; end with Ctrl-C"));
        }
        Line::Role { client, role, epoch, reason, vacant_us } => {
            let is_principal = *role == Role::Principal.as_str();
            let role = out.paint(if is_principal { Paint::Good } else { Paint::Dim }, &format!("{role:<10}"));
            let epoch = if is_principal { format!("  epoch {epoch}") } else { String::new() };
            let vacant = vacant_us.map(|us| format!(", vacant for {}", span(Duration::from_micros(us))));
            out.line(&format!("{client:<21}  {role}{epoch}  {reason}{}", vacant.unwrap_or_default()))?;
        }
        Line::Gone { client, was_principal, why } => {
            let gone = out.paint(if *was_principal { Paint::Bad } else { Paint::Dim }, "gone      ");
            let was = if *was_principal { ", it was principal" } else { "" };
            out.line(&format!("{client:<21}  {gone}  {why}{was}"))?;
        }
        Line::Missed { lines } => {
            out.warn(&format!("not printed, the output being too slow: {}", counted(*lines, "line")))
        }
    }
    out.flush()
}
