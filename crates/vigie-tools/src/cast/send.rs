//! Whoever sends.

use super::batch;
use super::datagram::{HEADER_BYTES, Header, Kind};
use super::endpoint::{Endpoint, EndpointError, Reach};
use crate::limits::{CAST_BATCH, CAST_REPEAT_PAUSE, CAST_REPEATS, CAST_TURN};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What to send.
#[derive(Clone, Debug)]
pub enum Load {
    /// These texts, each in a datagram.
    Texts(Vec<Vec<u8>>),
    /// So many datagrams of a size, header included; without a count until it is stopped.
    Filler {
        /// How many.
        count: Option<u64>,
        /// How long each is, at least [`HEADER_BYTES`].
        size: usize,
    },
    /// These texts, without numbers and times: for whoever knows nothing of them.
    Plain(Vec<Vec<u8>>),
}

/// Where to, what, and how fast.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to.
    pub to: Endpoint,
    /// How far.
    pub reach: Reach,
    /// What.
    pub load: Load,
    /// Datagrams a second; 0 for as many as can be sent.
    pub rate: u32,
    /// Tells this stream from others; at random.
    pub stream: u32,
}

/// Why it was not all sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is nothing to send from.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The system refused a datagram.
    #[error("cannot send {bytes} bytes to {to}: {source}")]
    Send {
        /// How long the datagram was.
        bytes: usize,
        /// Whom to.
        to: SocketAddr,
        /// What it said.
        source: io::Error,
    },
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Where to.
    pub to: SocketAddr,
    /// How many datagrams, without the start and the end.
    pub datagrams: u64,
    /// How long that took.
    pub took: Duration,
    /// How often the system said that nobody listens there.
    pub refused: u64,
}

/// Sends until all is sent, or `stop`. It takes the thread for as long.
///
/// # Errors
/// See [`SendError`].
pub fn send(config: &Config, stop: &AtomicBool) -> Result<Sent, SendError> {
    let to = config.to.resolve()?;
    let mut sender =
        Sender { socket: to.sender(config.reach)?, to: to.address, stream: config.stream, refused: 0 };
    let is_numbered = !matches!(config.load, Load::Plain(_));
    if is_numbered {
        sender.repeat(Kind::Start, 0)?;
    }
    let start = Instant::now();
    let datagrams = sender.all(config, stop)?;
    let took = start.elapsed();
    // A listener that has all it waited for may be gone before the last word.
    let refused = sender.refused;
    if is_numbered {
        sender.repeat(Kind::End, datagrams)?;
    }
    Ok(Sent { to: to.address, datagrams, took, refused })
}

struct Sender {
    socket: UdpSocket,
    to: SocketAddr,
    stream: u32,
    refused: u64,
}

impl Sender {
    fn all(&mut self, config: &Config, stop: &AtomicBool) -> Result<u64, SendError> {
        let total = config.load.count();
        let mut batch: Vec<Vec<u8>> = Vec::with_capacity(CAST_BATCH);
        let (start, mut sent) = (Instant::now(), 0);
        while total.is_none_or(|total| sent < total) && !stop.load(Ordering::Relaxed) {
            let due = due(config.rate, start.elapsed()).min(total.unwrap_or(u64::MAX)).saturating_sub(sent);
            if due == 0 {
                wait_for(start, sent, config.rate);
                continue;
            }
            let count = usize::try_from(due).unwrap_or(CAST_BATCH).min(CAST_BATCH);
            batch.resize_with(count, Vec::new);
            for (number, datagram) in (sent..).zip(&mut batch) {
                config.load.write(datagram, self.stream, number);
            }
            self.send(&batch)?;
            sent += count as u64;
        }
        Ok(sent)
    }

    /// Start and end are said several times, for they may be lost as everything may.
    fn repeat(&mut self, kind: Kind, number: u64) -> Result<(), SendError> {
        for _ in 0..CAST_REPEATS {
            let header = Header { kind, stream: self.stream, number, sent_ns: now_ns() };
            self.send(&[header.encode().to_vec()])?;
            std::thread::sleep(CAST_REPEAT_PAUSE);
        }
        Ok(())
    }

    fn send(&mut self, mut datagrams: &[Vec<u8>]) -> Result<(), SendError> {
        while let Some(first) = datagrams.first() {
            match batch::send(&self.socket, datagrams) {
                Ok(sent) => datagrams = &datagrams[sent..],
                // Said of an earlier one; the next call sends again.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.refused += 1,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The queue of the interface is full: datagrams that are not there cannot be lost.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(source) => return Err(SendError::Send { bytes: first.len(), to: self.to, source }),
            }
        }
        Ok(())
    }
}

impl Load {
    fn count(&self) -> Option<u64> {
        match self {
            Load::Texts(texts) | Load::Plain(texts) => Some(texts.len() as u64),
            Load::Filler { count, .. } => *count,
        }
    }

    /// Writes the datagram of this number.
    fn write(&self, datagram: &mut Vec<u8>, stream: u32, number: u64) {
        datagram.clear();
        let header = |kind| Header { kind, stream, number, sent_ns: now_ns() }.encode();
        let text = |texts: &[Vec<u8>]| texts.get(number as usize).cloned().unwrap_or_default();
        match self {
            Load::Texts(texts) => {
                datagram.extend_from_slice(&header(Kind::Text));
                datagram.extend_from_slice(&text(texts));
            }
            Load::Plain(texts) => datagram.extend_from_slice(&text(texts)),
            Load::Filler { size, .. } => {
                datagram.extend_from_slice(&header(Kind::Filler));
                datagram.resize((*size).max(HEADER_BYTES), b'.');
            }
        }
    }
}

/// How many should have been sent by now.
fn due(rate: u32, elapsed: Duration) -> u64 {
    match rate {
        0 => u64::MAX,
        // The first one at once.
        _ => 1 + (elapsed.as_nanos() * u128::from(rate) / 1_000_000_000) as u64,
    }
}

/// Waits until the next one is due, or for a while.
fn wait_for(start: Instant, sent: u64, rate: u32) {
    let at = Duration::from_nanos((u128::from(sent) * 1_000_000_000 / u128::from(rate.max(1))) as u64);
    let left = at.saturating_sub(start.elapsed());
    std::thread::sleep(left.clamp(Duration::from_micros(1), CAST_TURN));
}

/// Nanoseconds since 1970.
pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_due_as_the_rate_says() {
        let ms = Duration::from_millis;
        assert_eq!((due(1000, ms(0)), due(1000, ms(1)), due(1000, ms(2500))), (1, 2, 2501));
        assert_eq!(due(1, ms(999)), 1);
        assert_eq!(due(0, ms(0)), u64::MAX);
    }

    #[test]
    fn datagrams_are_as_long_as_asked() {
        let mut datagram = vec![0; 9];
        Load::Filler { count: None, size: 64 }.write(&mut datagram, 7, 3);
        let (header, content) = Header::decode(&datagram).unwrap();
        assert_eq!((datagram.len(), header.number, content), (64, 3, &[b'.'; 16][..]));
        Load::Plain(vec![b"a".to_vec()]).write(&mut datagram, 7, 0);
        assert_eq!(datagram, b"a");
    }
}
