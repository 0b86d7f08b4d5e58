//! A connection that can be cut off and mended: a proxy on loopback between an agent and its hub.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The link; its threads live until the bench ends.
pub(super) struct Link {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    to: SocketAddr,
    is_cut: Mutex<bool>,
    mended: Condvar,
}

impl Link {
    /// Passes to `to` what connects to `address`.
    pub(super) fn start(to: SocketAddr) -> Result<Link> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("the link cannot listen")?;
        let address = listener.local_addr().context("the link cannot learn its port")?;
        let state = State { to, is_cut: Mutex::new(false), mended: Condvar::new() };
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
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
        }
        let (back_from, back_into, state) = (server.try_clone()?, client.try_clone()?, Arc::clone(&self));
        std::thread::spawn(move || state.copy(back_from, back_into));
        self.copy(client, server);
        Ok(())
    }

    /// One direction, until it ends; the other may go on.
    fn copy(&self, mut from: TcpStream, mut into: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            self.wait_until_mended();
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
    use std::time::Duration;

    #[test]
    fn nothing_passes_while_it_is_cut_and_all_of_it_later() {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let link = Link::start(server.local_addr().unwrap()).unwrap();
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
    }
}
