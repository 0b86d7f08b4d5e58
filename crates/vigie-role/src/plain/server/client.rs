//! One client of the server: what it says, what it is told, and how it goes.

use crate::limits::{GARBAGE_PAUSE, READ_BYTES, WRITE_TIMEOUT};
use crate::plain::line::{HELLO, LineReader, PONG, Read, Said};
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// What a client's task tells the engine's.
#[derive(Debug)]
pub(super) enum FromClient {
    /// It said `vigie/1`.
    WantsMore(u64),
    /// It is gone.
    Gone(u64, Gone),
}

/// How a client went.
#[derive(Debug)]
pub(super) enum Gone {
    Closed,
    Broken(io::Error),
    Silent,
    DoesNotRead,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gone::Closed => f.write_str("it closed the connection"),
            Gone::Broken(error) => write!(f, "the connection broke: {error}"),
            Gone::Silent => f.write_str("it did not answer a heartbeat"),
            Gone::DoesNotRead => f.write_str("it does not read"),
        }
    }
}

/// A client's task.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) stream: TcpStream,
    pub(super) queue: mpsc::Receiver<Said>,
    pub(super) inbox: mpsc::Sender<FromClient>,
    pub(super) heartbeat: Option<Duration>,
}

/// What was understood of what a client said.
#[derive(Debug, Default)]
struct Heard {
    wants_more: bool,
    alive: bool,
    garbage: bool,
}

impl Client {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let gone = tokio::select! {
            () = stop.cancelled() => return,
            gone = self.serve() => gone,
        };
        // The connection is closed before anyone else is told to be principal.
        let Client { id, inbox, stream, .. } = self;
        drop(stream);
        let _stopped = inbox.send(FromClient::Gone(id, gone)).await;
    }

    async fn serve(&mut self) -> Gone {
        let mut reader = LineReader::new();
        let mut deaf_until = None;
        // Only who said `vigie/1` knows how to answer.
        let mut beat: Option<Instant> = None;
        let (mut greeted, mut answered) = (false, true);
        loop {
            tokio::select! {
                said = self.queue.recv() => {
                    // It let its queue fill up. (Or the server ends.)
                    let Some(said) = said else { return Gone::DoesNotRead };
                    if let Err(gone) = self.write(said).await {
                        return gone;
                    }
                }
                () = until(deaf_until), if deaf_until.is_some() => deaf_until = None,
                heard = read(&self.stream, &mut reader), if deaf_until.is_none() => {
                    let heard = match heard {
                        Ok(Some(heard)) => heard,
                        Ok(None) => return Gone::Closed,
                        Err(error) => return Gone::Broken(error),
                    };
                    // What nobody asked for is no better than what nobody understands.
                    let unasked = (heard.alive && answered) || (heard.wants_more && greeted);
                    if heard.garbage || unasked {
                        deaf_until = Some(Instant::now() + GARBAGE_PAUSE);
                    }
                    answered |= heard.alive;
                    if heard.wants_more && !greeted {
                        greeted = true;
                        beat = self.heartbeat.map(|every| Instant::now() + every);
                        let _stopped = self.inbox.send(FromClient::WantsMore(self.id)).await;
                    }
                }
                () = until(beat), if beat.is_some() => {
                    if !std::mem::take(&mut answered) {
                        return Gone::Silent;
                    }
                    beat = self.heartbeat.map(|every| Instant::now() + every);
                    if let Err(gone) = self.write(Said::Ping).await {
                        return gone;
                    }
                }
            }
        }
    }

    async fn write(&mut self, said: Said) -> Result<(), Gone> {
        let line = format!("{said}\n");
        match timeout(WRITE_TIMEOUT, self.stream.write_all(line.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Gone::Broken(error)),
            Err(_) => Err(Gone::DoesNotRead),
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Waits for the client to say something, and understands it; `None` when the connection is over, even if more was
/// said that nobody has read.
async fn read(stream: &TcpStream, reader: &mut LineReader) -> io::Result<Option<Heard>> {
    loop {
        if stream.ready(Interest::READABLE).await?.is_read_closed() {
            return Ok(None);
        }
        let mut bytes = [0; READ_BYTES];
        let got = match stream.try_read(&mut bytes) {
            Ok(0) => return Ok(None),
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(e),
        };
        let (mut heard, mut lines) = (Heard::default(), 0);
        reader.push(&bytes[..got], |read| {
            lines += 1;
            match read {
                Read::Line(line) => match line.trim_end() {
                    HELLO => heard.wants_more = true,
                    PONG => heard.alive = true,
                    _ => heard.garbage = true,
                },
                Read::Garbage => heard.garbage = true,
            }
        });
        // A long line without an end, and many lines at once, are a flood whatever they say.
        heard.garbage |= lines != 1;
        return Ok(Some(heard));
    }
}
