//! Whoever answers: any number of clients at once, over TCP and UDP.

use super::answer::{Language, LocalClock};
use super::places::{Full, Places};
use super::{stream, udp};
use crate::limits::{ACCEPT_PAUSE, BACKLOG, STOP_DEADLINE};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where to answer, whom, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect.
    pub tcp: Option<SocketAddr>,
    /// Where datagrams come.
    pub udp: Option<SocketAddr>,
    /// In which language.
    pub language: Language,
    /// Clients that are connected at once.
    pub clients_max: usize,
    /// Of one address (of one /64 in IPv6).
    pub clients_per_address_max: usize,
    /// How long a client may say nothing.
    pub idle: Duration,
}

/// Why nobody is answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({kind}): {source}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// `TCP` or `UDP`.
    pub kind: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// What happens, as it happens.
#[derive(Debug)]
pub enum Notice {
    /// A client has come.
    Connected(SocketAddr),
    /// A client has come that has no place, and was sent away.
    Refused {
        /// Who.
        client: SocketAddr,
        /// Why.
        why: &'static str,
    },
    /// A client has gone.
    Gone {
        /// Who.
        client: SocketAddr,
        /// How many of its messages were answered.
        messages: u64,
        /// Why.
        why: String,
    },
    /// Notices that were lost because nobody took them.
    Missed(u64),
}

/// What was done in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Clients that had a place.
    pub clients: u64,
    /// Answers, over TCP and UDP.
    pub answers: u64,
    /// Clients that found no place, and datagrams that were not answered.
    pub refused: u64,
    /// Clients that did not take their last answer in time when the server stopped.
    pub cut: u64,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    tcp: Option<TcpListener>,
    udp: Option<UdpSocket>,
    places: Places,
    desk: Arc<Desk>,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) language: Language,
    pub(super) clock: LocalClock,
    pub(super) idle: Duration,
    pub(super) clients: AtomicU64,
    pub(super) answers: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn bind(config: Config) -> Result<Server, ListenError> {
        let refused = |address, kind| move |source| ListenError { address, kind, source };
        let tcp = match config.tcp {
            Some(address) => Some(listen(address).map_err(refused(address, "TCP"))?),
            None => None,
        };
        let udp = match config.udp {
            Some(address) => Some(UdpSocket::bind(address).await.map_err(refused(address, "UDP"))?),
            None => None,
        };
        let desk = Desk {
            language: config.language,
            clock: LocalClock::system(),
            idle: config.idle,
            clients: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        let places = Places::new(config.clients_max, config.clients_per_address_max);
        Ok(Server { tcp, udp, places, desk: Arc::new(desk) })
    }

    /// Where clients connect, with the port that port 0 became.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|tcp| tcp.local_addr().ok())
    }

    /// Where datagrams come, likewise.
    pub fn udp(&self) -> Option<SocketAddr> {
        self.udp.as_ref().and_then(|udp| udp.local_addr().ok())
    }

    /// Answers until `stop`; then what has come is still answered, and connections are closed.
    pub async fn run(self, notices: mpsc::Sender<Notice>, stop: CancellationToken) -> Totals {
        let Server { tcp, udp, places, desk } = self;
        let tell = Teller { notices, missed: Arc::default() };
        let connections = TaskTracker::new();
        let datagrams = async {
            match &udp {
                Some(udp) => udp::serve(udp, &desk).await,
                None => std::future::pending().await,
            }
        };
        let accepting = async {
            match &tcp {
                Some(tcp) => accept(tcp, &places, &desk, &tell, &connections, &stop).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = datagrams => {}
            () = accepting => {}
        }
        drop(tcp);
        connections.close();
        // Each of them has heard `stop` itself; whoever does not read is left after the deadline.
        let _ = tokio::time::timeout(STOP_DEADLINE, connections.wait()).await;
        Totals {
            clients: desk.clients.load(Ordering::Relaxed),
            answers: desk.answers.load(Ordering::Relaxed),
            refused: desk.refused.load(Ordering::Relaxed),
            cut: connections.len() as u64,
        }
    }
}

/// Listens; at once after a former life, whose last connections the kernel still remembers.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(
    tcp: &TcpListener,
    places: &Places,
    desk: &Arc<Desk>,
    tell: &Teller,
    connections: &TaskTracker,
    stop: &CancellationToken,
) {
    loop {
        let (stream, client) = match tcp.accept().await {
            Ok(accepted) => accepted,
            // Of one client that has gone already, or for want of files, which others must give back first.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        let place = match places.take(client.ip()) {
            Ok(place) => place,
            Err(full) => {
                desk.refused.fetch_add(1, Ordering::Relaxed);
                let why = match full {
                    Full::All => "there are too many clients",
                    Full::OfAddress => "its address has too many connections",
                };
                tell.tell(Notice::Refused { client, why });
                continue;
            }
        };
        desk.clients.fetch_add(1, Ordering::Relaxed);
        tell.tell(Notice::Connected(client));
        let (desk, tell, stop) = (desk.clone(), tell.clone(), stop.clone());
        connections.spawn(async move {
            let (messages, why) = talk(&stream, &desk, &stop).await;
            drop((stream, place));
            tell.tell(Notice::Gone { client, messages, why });
        });
    }
}

async fn talk(stream: &TcpStream, desk: &Desk, stop: &CancellationToken) -> (u64, String) {
    let mut messages = 0;
    let why = match stream::serve(stream, desk, stop, &mut messages).await {
        Ok(ended) => ended.as_str().to_owned(),
        Err(error) => error.to_string(),
    };
    (messages, why)
}

/// Tells notices without ever waiting for whoever takes them.
#[derive(Clone, Debug)]
struct Teller {
    notices: mpsc::Sender<Notice>,
    missed: Arc<AtomicU64>,
}

impl Teller {
    fn tell(&self, notice: Notice) {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 && self.notices.try_send(Notice::Missed(missed)).is_err() {
            self.missed.fetch_add(missed, Ordering::Relaxed);
        }
        if self.notices.try_send(notice).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
