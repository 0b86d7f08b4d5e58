//! Whoever asks, and measures how long the answer takes.

use crate::limits::{CONNECT_TIMEOUT, REPLY_BYTES_MAX, REPLY_QUIET};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("{target} has no address: {source}")]
    Name {
        /// As it was given.
        target: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// None of its addresses can be reached.
    #[error("cannot connect to {target}: {source}")]
    Refused {
        /// As it was given.
        target: String,
        /// What the system said of the last address.
        source: io::Error,
    },
    /// Nobody answers the handshake.
    #[error("cannot connect to {target}: nobody answered within {CONNECT_TIMEOUT:?}")]
    Silent {
        /// As it was given.
        target: String,
    },
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Nothing came in time.
    #[error("no reply within {0:?}")]
    Silent(Duration),
    /// The other side closed the connection.
    #[error("the other side closed the connection")]
    Closed,
    /// The system says why not.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ExchangeError {
    /// Whether nothing more can come over this connection.
    pub fn is_final(&self, is_udp: bool) -> bool {
        match self {
            ExchangeError::Silent(_) => false,
            ExchangeError::Closed => true,
            // Over UDP it is a word about one datagram, such as that nobody listens there.
            ExchangeError::Io(_) => !is_udp,
        }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What the other side said.
    pub bytes: Vec<u8>,
    /// From before the message was sent until the last byte of this had come.
    pub round_trip: Duration,
}

/// Somebody to talk to.
#[derive(Debug)]
pub struct Peer {
    link: Link,
    address: SocketAddr,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Link {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Peer {
    /// Connects to `HOST:PORT` over TCP, trying each of its addresses.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn tcp(target: &str) -> Result<Peer, ConnectError> {
        let connecting = each_address(target, async |address| {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Link::Tcp(stream))
        });
        timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| ConnectError::Silent { target: target.to_owned() })?
    }

    /// A socket for datagrams to `HOST:PORT` and from it alone.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn udp(target: &str) -> Result<Peer, ConnectError> {
        each_address(target, async |address| {
            let unspecified = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(unspecified).await?;
            socket.connect(address).await?;
            Ok(Link::Udp(socket))
        })
        .await
    }

    /// Who it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a message and waits for the reply to it. What had come before that is thrown away: it was too late for
    /// the message that it was meant for.
    ///
    /// # Errors
    /// See [`ExchangeError`].
    pub async fn exchange(&mut self, message: &[u8], patience: Duration) -> Result<Reply, ExchangeError> {
        let start = Instant::now();
        let deadline = start + patience;
        let silent = |_| ExchangeError::Silent(patience);
        let buffer = &mut self.buffer;
        match &mut self.link {
            Link::Udp(socket) => {
                while socket.try_recv(buffer).is_ok() {}
                let start = Instant::now();
                socket.send(message).await?;
                let length = timeout_at(deadline, socket.recv(buffer)).await.map_err(silent)??;
                Ok(Reply { bytes: buffer[..length].to_vec(), round_trip: start.elapsed() })
            }
            Link::Tcp(stream) => {
                while stream.try_read(buffer).is_ok_and(|length| length > 0) {}
                let start = Instant::now();
                timeout_at(deadline, stream.write_all(message)).await.map_err(silent)??;
                let length = timeout_at(deadline, stream.read(buffer)).await.map_err(silent)??;
                if length == 0 {
                    return Err(ExchangeError::Closed);
                }
                let mut reply = Reply { bytes: buffer[..length].to_vec(), round_trip: start.elapsed() };
                let is_line = message.ends_with(b"\n");
                while !(is_line && reply.bytes.ends_with(b"\n")) && reply.bytes.len() < REPLY_BYTES_MAX {
                    match timeout(REPLY_QUIET, stream.read(buffer)).await {
                        Ok(Ok(length)) if length > 0 => {
                            reply.bytes.extend_from_slice(&buffer[..length]);
                            reply.round_trip = start.elapsed();
                        }
                        // Quiet, closed or broken: that is for the next message to notice.
                        _ => break,
                    }
                }
                Ok(reply)
            }
        }
    }
}

async fn each_address(
    target: &str,
    connect: impl AsyncFn(SocketAddr) -> io::Result<Link>,
) -> Result<Peer, ConnectError> {
    let name = |source| ConnectError::Name { target: target.to_owned(), source };
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in lookup_host(target).await.map_err(name)? {
        match connect(address).await {
            Ok(link) => return Ok(Peer { link, address, buffer: vec![0; 64 * 1024] }),
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Refused { target: target.to_owned(), source: last })
}

/// Round trips as `ping(8)` sums them up.
#[derive(Clone, Debug, Default)]
pub struct RoundTrips {
    received: u64,
    least: Duration,
    most: Duration,
    sum_ms: f64,
    sum_squares_ms: f64,
}

impl RoundTrips {
    /// Counts one.
    pub fn add(&mut self, round_trip: Duration) {
        self.least = if self.received == 0 { round_trip } else { self.least.min(round_trip) };
        self.most = self.most.max(round_trip);
        self.received += 1;
        let ms = round_trip.as_secs_f64() * 1e3;
        self.sum_ms += ms;
        self.sum_squares_ms += ms * ms;
    }

    /// How many there were.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Least, mean, most and standard deviation, in milliseconds; none without any.
    pub fn summary_ms(&self) -> Option<[f64; 4]> {
        if self.received == 0 {
            return None;
        }
        let count = self.received as f64;
        let mean = self.sum_ms / count;
        // Rounding may leave a little less than nothing.
        let variance = (self.sum_squares_ms / count - mean * mean).max(0.0);
        Some([self.least.as_secs_f64() * 1e3, mean, self.most.as_secs_f64() * 1e3, variance.sqrt()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_summed_up_as_ping_does() {
        let mut trips = RoundTrips::default();
        assert_eq!(trips.summary_ms(), None);
        [2, 4, 4, 4, 5, 5, 7, 9].into_iter().for_each(|ms| trips.add(Duration::from_millis(ms)));
        let [least, mean, most, deviation] = trips.summary_ms().unwrap();
        assert_eq!((trips.received(), least, most), (8, 2.0, 9.0));
        assert!((mean - 5.0).abs() < 1e-9 && (deviation - 2.0).abs() < 1e-9);
    }
}
