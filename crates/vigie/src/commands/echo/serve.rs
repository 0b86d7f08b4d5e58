//! `vigie echo serve`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::open_files;
use crate::output::{Output, Paint, count};
use crate::signals::EndSignals;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vigie_model::{Clock, SystemClock};
use vigie_tools::echo::answer::Language;
use vigie_tools::echo::server::{Config, ListenError, Notice, Server, Totals};
use vigie_tools::limits::{ECHO_CLIENTS_MAX, ECHO_CLIENTS_PER_ADDRESS, ECHO_IDLE, FILES_SPARE};
use vigie_web::text::rfc3339;

/// Notices that wait to be printed; clients do not wait for them.
const NOTICES: usize = 4096;

/// Answer each message with the time of its arrival and what it said, over TCP, UDP or both
///
/// A message is what one read gives. The answer is `Données reçues à TIME : MESSAGE`, on one line, with a newline at the
/// end only if the message had one; what is no text is written \x00. Clients come and go as they like.
#[derive(Args, Debug)]
#[command(after_help = "\
Whoever reaches the address is answered. Over UDP an answer is longer than its question and goes to whatever
address the question bears: serve it to a network that you know.

EXAMPLES:
  vigie echo serve                                  TCP on 127.0.0.1:9999; then, elsewhere: nc 127.0.0.1 9999
  vigie echo serve --tcp '[::]:9999' --udp '[::]:9999' --lang en
  vigie echo serve --udp 127.0.0.1:9999             UDP alone: echo hello | nc -u -w1 127.0.0.1 9999")]
pub(crate) struct ServeArgs {
    /// Listen here over TCP [default: 127.0.0.1:9999, unless --udp is given]
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port)]
    tcp: Option<SocketAddr>,

    /// Listen here over UDP
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port)]
    udp: Option<SocketAddr>,

    /// The language of the answers
    #[arg(long, value_name = "LANG", default_value = "fr")]
    lang: Lang,

    /// Connections of one address (of one /64 in IPv6); more are closed at once
    #[arg(long, value_name = "N", default_value_t = ECHO_CLIENTS_PER_ADDRESS)]
    per_address: usize,

    /// Close a connection that says nothing for this long [default: 1h]
    #[arg(long, value_name = "SPAN", value_parser = crate::instant::span)]
    idle: Option<Duration>,
}

/// As `--lang` takes it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lang {
    Fr,
    En,
}

impl ServeArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let mut end = EndSignals::listen()?;
        let server = Server::bind(self.config()).await.map_err(|error| failure(&error))?;
        let (notices, mut told) = mpsc::channel(NOTICES);
        let stop = CancellationToken::new();
        let listening = Line::Listening { tcp: server.tcp(), udp: server.udp() };
        let mut serving = tokio::spawn(server.run(notices, stop.clone()));
        let mut printed = print(&mut context.out, &listening);
        let totals = loop {
            tokio::select! {
                () = end.next() => stop.cancel(),
                totals = &mut serving => break totals.map_err(|e| Failure::of(&e))?,
                Some(notice) = told.recv() => {
                    printed = printed.and_then(|()| print(&mut context.out, &Line::from(notice)));
                    if printed.is_err() {
                        stop.cancel();
                    }
                }
            }
        };
        while let Ok(notice) = told.try_recv() {
            printed = printed.and_then(|()| print(&mut context.out, &Line::from(notice)));
        }
        printed.and_then(|()| print(&mut context.out, &Line::from(totals)))?;
        Ok(Outcome::Done)
    }

    fn config(&self) -> Config {
        let default = || self.udp.is_none().then(|| SocketAddr::from(([127, 0, 0, 1], 9999)));
        let language = match self.lang {
            Lang::Fr => Language::French,
            Lang::En => Language::English,
        };
        Config {
            tcp: self.tcp.or_else(default),
            udp: self.udp,
            language,
            clients_max: open_files::raise(FILES_SPARE as u64).min(ECHO_CLIENTS_MAX),
            clients_per_address_max: self.per_address,
            idle: self.idle.unwrap_or(ECHO_IDLE),
        }
    }
}

fn failure(error: &ListenError) -> Failure {
    let failure = Failure::of(error);
    match error.source.kind() {
        std::io::ErrorKind::AddrInUse => {
            failure.hint("another program listens there; choose another port with --tcp or --udp")
        }
        std::io::ErrorKind::AddrNotAvailable => failure
            .hint("no interface of this machine has this address; `ip address` shows those that it has"),
        std::io::ErrorKind::PermissionDenied => {
            failure.hint("ports below 1024 are for root; choose a higher one")
        }
        _ => failure,
    }
}

/// One line of what happens, for scripts.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line {
    Listening {
        #[serde(skip_serializing_if = "Option::is_none")]
        tcp: Option<SocketAddr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        udp: Option<SocketAddr>,
    },
    Connected {
        client: SocketAddr,
    },
    Refused {
        client: SocketAddr,
        why: &'static str,
    },
    Gone {
        client: SocketAddr,
        messages: u64,
        why: String,
    },
    Missed {
        lines: u64,
    },
    Stopped {
        clients: u64,
        answers: u64,
        refused: u64,
        cut: u64,
    },
}

impl From<Notice> for Line {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Connected(client) => Line::Connected { client },
            Notice::Refused { client, why } => Line::Refused { client, why },
            Notice::Gone { client, messages, why } => Line::Gone { client, messages, why },
            Notice::Missed(lines) => Line::Missed { lines },
        }
    }
}

impl From<Totals> for Line {
    fn from(Totals { clients, answers, refused, cut }: Totals) -> Self {
        Line::Stopped { clients, answers, refused, cut }
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
        Line::Listening { tcp, udp } => {
            let over = |kind: &str, at: &Option<SocketAddr>| at.map(|address| format!("{address} ({kind})"));
            let places: Vec<String> = [over("TCP", tcp), over("UDP", udp)].into_iter().flatten().collect();
            out.remark(&format!("messages are answered on {}; end with Ctrl-C", places.join(" and ")));
        }
        Line::Connected { client } => {
            out.line(&format!("{client:<21}  {}", out.paint(Paint::Good, "connected")))?;
        }
        Line::Refused { client, why } => {
            out.line(&format!("{client:<21}  {}    {why}", out.paint(Paint::Bad, "refused")))?;
        }
        Line::Gone { client, messages, why } => {
            let gone = out.paint(Paint::Dim, "gone");
            out.line(&format!("{client:<21}  {gone}       {why}; messages: {}", count(*messages)))?;
        }
        Line::Missed { lines } => {
            out.warn(&format!("{lines} lines were not printed: the output is too slow"));
        }
        Line::Stopped { clients, answers, refused, cut } => {
            let mut text = format!("clients: {}; answers: {}", count(*clients), count(*answers));
            for (what, number) in [("not answered", refused), ("did not take their last answer", cut)] {
                if *number > 0 {
                    text.push_str(&format!("; {what}: {}", count(*number)));
                }
            }
            out.remark(&text);
        }
    }
    out.flush()
}
