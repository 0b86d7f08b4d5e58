//! A connection that can be cut off and mended, or is slow: a proxy on loopback between an agent and its hub.

use anyhow::{Context, Result};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a slow link sends at a time: the payload of a packet of Ethernet.
const PACKET: usize = 1448;

/// What may wait before a slow link, as in a router: half a second of 1 Mbit/s. A proxy of its own would take
/// megabytes, and a renewal would stand behind them for a minute.
const QUEUE: usize = 64 * 1024;

/// The link; its threads live until the bench ends.
pub(super) struct Link {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    to: SocketAddr,
    /// Bytes a second, in each direction; as fast as can be if none.
    rate: Option<u32>,
    is_cut: Mutex<bool>,
    mended: Condvar,
    /// What passed from the agent to the hub.
    sent: AtomicU64,
}

impl Link {
    /// Passes to `to` what connects to `address`.
    pub(super) fn start(to: SocketAddr, rate: Option<u32>) -> Result<Link> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("the link cannot listen")?;
        let address = listener.local_addr().context("the link cannot learn its port")?;
        if rate.is_some() {
            // What it accepts inherits this.
            set_socket_recv_buffer_size(&listener, QUEUE).context("the link cannot set its queue")?;
        }
        let state =
            State { to, rate, is_cut: Mutex::new(false), mended: Condvar::new(), sent: AtomicU64::new(0) };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A connection that fails is the business of its ends, which see it closed.
                std::thread::spawn(move || state.connect(client));
            }
        });
        Ok(Link { address, state })
    }

    /// From now on nothing passes, and nobody is told; what is on its way waits, as TCP would send it again.
    pub(super) fn cut(&self) {
        *self.state.lock() = true;
    }

    /// All passes again.
    pub(super) fn mend(&self) {
        *self.state.lock() = false;
        self.state.mended.notify_all();
    }

    /// Bytes that passed from the agent to the hub.
    pub(super) fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_mended(&self) {
        let _mended = self.mended.wait_while(self.lock(), |is_cut| *is_cut);
    }

    fn connect(self: Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        self.wait_until_mended();
        let server = TcpStream::connect(self.to)?;
        if self.rate.is_some() {
            set_socket_recv_buffer_size(&server, QUEUE)?;
        }
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
        }
        let (back_from, back_into, state) = (server.try_clone()?, client.try_clone()?, Arc::clone(&self));
        std::thread::spawn(move || state.copy(back_from, back_into, |_| ()));
        self.copy(client, server, |bytes| {
            self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        });
        Ok(())
    }

    /// One direction, until it ends; the other may go on.
    fn copy(&self, mut from: TcpStream, mut into: TcpStream, count: impl Fn(usize)) {
        let mut buffer = vec![0; if self.rate.is_some() { PACKET } else { 64 * 1024 }];
        let mut free_at = Instant::now();
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if let Some(rate) = self.rate {
                free_at =
                    free_at.max(Instant::now()) + Duration::from_secs_f64(read as f64 / f64::from(rate));
                std::thread::sleep(free_at.saturating_duration_since(Instant::now()));
            }
            self.wait_until_mended();
            count(read);
            if into.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        self.wait_until_mended();
        // Who reads here, and who writes there, is told that it is over.
        let _ = into.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn nothing_passes_while_it_is_cut_and_all_of_it_later() {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let link = Link::start(server.local_addr().unwrap(), None).unwrap();
        let mut client = TcpStream::connect(link.address).unwrap();
        let (mut far, _) = server.accept().unwrap();
        client.write_all(b"a").unwrap();
        far.read_exact(&mut [0]).unwrap();
        link.cut();
        client.write_all(b"b").unwrap();
        far.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert_eq!(far.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        link.mend();
        far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        far.read_exact(&mut [0]).unwrap();
        assert_eq!(link.sent(), 2);
    }

    #[test]
    fn a_slow_link_takes_its_time() {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let link = Link::start(server.local_addr().unwrap(), Some(100_000)).unwrap();
        let mut client = TcpStream::connect(link.address).unwrap();
        let start = Instant::now();
        client.write_all(&[7; 20_000]).unwrap();
        let (mut far, _) = server.accept().unwrap();
        far.read_exact(&mut [0; 20_000]).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(190), "{:?}", start.elapsed());
    }
}
