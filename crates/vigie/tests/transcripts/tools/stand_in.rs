//! HTTP servers that stand in for services of the Internet: they say what a test wants, in whatever way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that answers each connection with the same bytes, and counts them.
pub(super) struct StandIn {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl StandIn {
    /// Answers with these bytes, head and body, as they are.
    pub(super) fn raw(answer: Vec<u8>) -> StandIn {
        StandIn::with(move |mut stream, _| {
            // Whoever has heard enough hangs up.
            let _ = stream.write_all(&answer);
        })
    }

    /// Answers with this status and body.
    pub(super) fn says(status: &str, more: &str, body: &str) -> StandIn {
        let length = body.len();
        StandIn::raw(
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}\r\n{body}").into_bytes(),
        )
    }

    /// Does this with each connection; the head of the request has been read.
    pub(super) fn with(act: impl Fn(TcpStream, &str) + Send + 'static) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let head = head(&stream);
                act(stream, &head);
            }
        });
        StandIn { address, asked }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Where it is.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A request up to the empty line, and what has come of the body with it.
fn head(mut stream: &TcpStream) -> String {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => head.extend_from_slice(&buffer[..length]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
