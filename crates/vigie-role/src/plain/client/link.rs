//! The connection of a client, made again and again.

use crate::limits::{CONNECT_TIMEOUT, KEEPALIVE_IDLE, LONG_FORM_WAIT, READ_BYTES, RETRY};
use crate::plain::line::{HELLO, LineReader, PONG, Read, Said};
use crate::plain::socket;
use crate::words::{Cause, Role};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use vigie_model::Epoch;

/// What the connection tells.
#[derive(Debug)]
pub(super) enum LinkEvent {
    Up(SocketAddr),
    Role { role: Role, epoch: Option<Epoch>, cause: Cause },
    Down { why: String, retry: Duration },
}

/// Which form this server's lines have.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Not known yet.
    Open,
    /// It does not know the long one.
    Bare,
    Long,
}

/// The task that has the connection.
#[derive(Debug)]
pub(super) struct Link {
    server: String,
    to: mpsc::Sender<LinkEvent>,
    /// Tries since the last role.
    tries: u32,
}

impl Link {
    pub(super) fn new(server: String, to: mpsc::Sender<LinkEvent>) -> Self {
        Link { server, to, tries: 0 }
    }

    pub(super) async fn run(mut self, hang_up: CancellationToken) {
        tokio::select! {
            () = hang_up.cancelled() => {}
            () = self.keep() => {}
        }
    }

    /// Returns when nobody listens to it any more.
    async fn keep(&mut self) {
        loop {
            let why = match self.once().await {
                Ok(()) => "the server closed the connection".to_owned(),
                Err(error) => error.to_string(),
            };
            let retry = self.next_wait();
            if self.to.send(LinkEvent::Down { why, retry }).await.is_err() {
                return;
            }
            sleep(retry).await;
        }
    }

    /// Waits that double, each shortened at random by up to half, so that a crowd does not come back in step.
    fn next_wait(&mut self) -> Duration {
        let (first, longest) = RETRY;
        let full = first.saturating_mul(1 << self.tries.min(16)).min(longest);
        self.tries = self.tries.saturating_add(1);
        // Without randomness from the system the waits are merely in step.
        let share = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
        full.mul_f64(1.0 - share / 2.0)
    }

    /// One connection, to its end.
    async fn once(&mut self) -> io::Result<()> {
        let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.server)).await;
        let mut tcp = connecting.map_err(|_| io::Error::other("nobody answers"))??;
        socket::prepare(&tcp, KEEPALIVE_IDLE)?;
        let _gone = self.to.send(LinkEvent::Up(tcp.peer_addr()?)).await;
        tcp.write_all(format!("{HELLO}\n").as_bytes()).await?;
        let mut reader = LineReader::new();
        // The bare word that came, until the long form of it has had its time to come.
        let mut bare: Option<(Role, Instant)> = None;
        let mut form = Form::Open;
        loop {
            let mut bytes = [0; READ_BYTES];
            let read = match bare {
                Some((_, until)) => timeout_at(until, tcp.read(&mut bytes)).await,
                _ => Ok(tcp.read(&mut bytes).await),
            };
            let Ok(got) = read else {
                form = Form::Bare;
                self.tell_bare(&mut bare).await;
                continue;
            };
            let got = got?;
            let mut said = Vec::new();
            reader.push(&bytes[..got], |read| match read {
                Read::Line(line) => said.extend(Said::parse(&line)),
                Read::Garbage => {}
            });
            for said in said {
                match said {
                    Said::Ping => tcp.write_all(format!("{PONG}\n").as_bytes()).await?,
                    Said::Role { role, more: None } => match form {
                        Form::Open => bare = Some((role, Instant::now() + LONG_FORM_WAIT)),
                        Form::Bare => self.tell(role, None, Cause::Unknown).await,
                        // Said before the server had heard that more is wanted.
                        Form::Long => {}
                    },
                    Said::Role { role, more: Some((epoch, cause)) } => {
                        (form, bare) = (Form::Long, None);
                        self.tell(role, Some(epoch), cause).await;
                    }
                }
            }
            if got == 0 {
                return Ok(());
            }
        }
    }

    async fn tell_bare(&mut self, bare: &mut Option<(Role, Instant)>) {
        if let Some((role, _)) = bare.take() {
            self.tell(role, None, Cause::Unknown).await;
        }
    }

    async fn tell(&mut self, role: Role, epoch: Option<Epoch>, cause: Cause) {
        self.tries = 0;
        // Nobody listens: the end comes by itself.
        let _gone = self.to.send(LinkEvent::Role { role, epoch, cause }).await;
    }
}
