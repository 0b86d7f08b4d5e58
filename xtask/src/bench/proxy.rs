//! A TCP proxy on loopback that counts what passes, both directions together.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counter; its threads live until the bench ends.
pub(crate) struct Proxy {
    port: u16,
    bytes: Arc<AtomicU64>,
}

impl Proxy {
    /// Listens on a free port and passes everything to `to` and back.
    pub(crate) fn start(to: u16) -> Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("the proxy cannot listen")?;
        let port = listener.local_addr().context("the proxy cannot learn its port")?.port();
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        std::thread::spawn(move || {
            // A connection that fails is the business of the two ends, which see it closed.
            for client in listener.incoming().flatten() {
                let _ = connect(client, to, &counter);
            }
        });
        Ok(Proxy { port, bytes })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All bytes that passed so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn connect(client: TcpStream, to: u16, counter: &Arc<AtomicU64>) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", to))?;
    for (from, into) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        let counter = Arc::clone(counter);
        std::thread::spawn(move || copy(from, into, &counter));
    }
    Ok(())
}

/// One direction, until it ends; the other may go on.
fn copy(mut from: TcpStream, mut into: TcpStream, counter: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        // Counted before it is passed on: who has seen the answer also sees it counted.
        counter.fetch_add(read as u64, Ordering::Relaxed);
        if into.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = into.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_pass_and_are_counted() {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().port()).unwrap();
        let echo = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut asked = Vec::new();
            stream.read_to_end(&mut asked).unwrap();
            stream.write_all(&asked).unwrap();
        });
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        client.write_all(&[7; 100_000]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        echo.join().unwrap();
        assert_eq!((answer.len(), proxy.bytes()), (100_000, 200_000));
    }
}
