//! One client over TCP.
//!
//! Ten thousand clients that say nothing hold no buffers: what is read and answered at once passes through buffers of
//! the thread, and only what a client does not take is kept for it.

use super::answer;
use super::server::Desk;
use crate::limits::{ECHO_MESSAGE_BYTES_MAX, ECHO_TURNS, ECHO_WRITE_TIMEOUT};
use std::cell::RefCell;
use std::io;
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How a connection ended when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client closed it.
    Closed,
    /// The client said nothing for too long.
    Idle,
    /// The client did not read its answer.
    NotReading,
    /// The server stops.
    Stopped,
}

impl Ended {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Ended::Closed => "it closed the connection",
            Ended::Idle => "it said nothing for too long",
            Ended::NotReading => "it did not read its answer",
            Ended::Stopped => "the server stops",
        }
    }
}

/// What came of a look at the socket.
enum Turn {
    /// There is nothing more to read now.
    Waiting,
    /// This client had its turns.
    Yield,
    /// This much of an answer could not be sent yet.
    Unsent(Vec<u8>),
    /// The client has closed its side.
    Closed,
}

/// Answers until the client goes, or `stop`; counts in `messages`.
pub(super) async fn serve(
    stream: &TcpStream,
    desk: &Desk,
    stop: &CancellationToken,
    messages: &mut u64,
) -> io::Result<Ended> {
    stream.set_nodelay(true)?;
    loop {
        let is_last = tokio::select! {
            readable = timeout(desk.idle, stream.readable()) => match readable {
                Ok(readable) => readable.map(|()| false)?,
                Err(_) => return Ok(Ended::Idle),
            },
            // What has come by now is still answered.
            () = stop.cancelled() => true,
        };
        loop {
            match turn(stream, desk, messages)? {
                Turn::Waiting => break,
                Turn::Closed => return Ok(Ended::Closed),
                Turn::Yield => tokio::task::yield_now().await,
                Turn::Unsent(rest) => {
                    if !send_rest(stream, &rest).await? {
                        return Ok(Ended::NotReading);
                    }
                }
            }
            if is_last {
                break;
            }
        }
        if is_last {
            return Ok(Ended::Stopped);
        }
    }
}

/// Sends what is left of an answer; false when the client does not read it in time.
async fn send_rest(stream: &TcpStream, mut rest: &[u8]) -> io::Result<bool> {
    let sending = async {
        while !rest.is_empty() {
            stream.writable().await?;
            match stream.try_write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    match timeout(ECHO_WRITE_TIMEOUT, sending).await {
        Ok(sent) => sent.map(|()| true),
        Err(_) => Ok(false),
    }
}

thread_local! {
    /// For what is read, and for what is answered.
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; ECHO_MESSAGE_BYTES_MAX], Vec::new()));
}

/// Reads and answers for as long as that goes on without waiting.
fn turn(stream: &TcpStream, desk: &Desk, messages: &mut u64) -> io::Result<Turn> {
    BUFFERS.with_borrow_mut(|(message, answer)| {
        for _ in 0..ECHO_TURNS {
            let length = match stream.try_read(message) {
                Ok(0) => return Ok(Turn::Closed),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Turn::Waiting),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            answer.clear();
            answer::write(answer, desk.language, desk.clock.now(), &message[..length]);
            *messages += 1;
            desk.answers.fetch_add(1, Ordering::Relaxed);
            let sent = match stream.try_write(answer) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            if sent < answer.len() {
                return Ok(Turn::Unsent(answer[sent..].to_vec()));
            }
        }
        Ok(Turn::Yield)
    })
}
