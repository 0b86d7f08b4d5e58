//! What a service says of itself: its greeting, else its answer to a harmless question, and its TLS certificate.
//!
//! At most three connections to a port: one that only listens; if it stays silent, one that offers TLS; if that is
//! not understood, one that sends `HEAD /`. Printers, which print whatever they are sent, are only listened to.
//! Everything is bounded in time and length, and escaped: a banner is a stranger's text.

mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::finding::Banner;
use crate::limits::{BANNER_ANSWER, BANNER_BYTES_MAX, BANNER_CONNECT, BANNER_GREETING};

/// Ports of printers that print what they are sent (AppSocket), and of line printers.
const PRINTERS: [std::ops::RangeInclusive<u16>; 2] = [9100..=9107, 515..=515];

/// Ports where TLS comes first, so that nobody waits for a greeting.
const TLS_FIRST: &[u16] =
    &[443, 465, 636, 853, 989, 990, 992, 993, 995, 2376, 5061, 5671, 5986, 6443, 8443, 8883, 9443];

/// Asks a service. `name` is the name by which it was asked for, if any: servers with many certificates choose by it.
/// `None` if it said nothing.
pub async fn read(address: SocketAddr, name: Option<&str>) -> Option<Banner> {
    let is_printer = PRINTERS.iter().any(|ports| ports.contains(&address.port()));
    if is_printer || !TLS_FIRST.contains(&address.port()) {
        match greeting(address).await {
            Heard::Text(bytes) => return Some(Banner { text: Some(escaped(&bytes)), tls: None }),
            Heard::Silence if !is_printer => {}
            Heard::Silence | Heard::Closed => return None,
        }
    }
    if let Some((tls, bytes)) = tls::read(address, name).await {
        let text = (!bytes.is_empty()).then(|| escaped(&bytes));
        return Some(Banner { text, tls: Some(tls) });
    }
    let mut stream = connect(address).await?;
    let bytes = ask(&mut stream, name).await;
    (!bytes.is_empty()).then(|| Banner { text: Some(escaped(&bytes)), tls: None })
}

enum Heard {
    /// It greets.
    Text(Vec<u8>),
    /// It waits for its client.
    Silence,
    /// It ends the connection, or takes none any more.
    Closed,
}

/// Only listens.
async fn greeting(address: SocketAddr) -> Heard {
    let Some(mut stream) = connect(address).await else { return Heard::Closed };
    let (bytes, is_over) = first_bytes(&mut stream, BANNER_GREETING).await;
    match (bytes.is_empty(), is_over) {
        (false, _) => Heard::Text(bytes),
        (true, true) => Heard::Closed,
        (true, false) => Heard::Silence,
    }
}

async fn connect(address: SocketAddr) -> Option<TcpStream> {
    timeout(BANNER_CONNECT, TcpStream::connect(address)).await.ok()?.ok()
}

/// Asks in HTTP, which most services that do not know it answer with an error.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), name: Option<&str>) -> Vec<u8> {
    let host = name.unwrap_or("localhost");
    let question = format!("HEAD / HTTP/1.0\r\nHost: {host}\r\nUser-Agent: vigie\r\n\r\n");
    match timeout(BANNER_ANSWER, stream.write_all(question.as_bytes())).await {
        Ok(Ok(())) => first_bytes(stream, BANNER_ANSWER).await.0,
        _ => Vec::new(),
    }
}

/// The first bytes, and whether the connection then ended. Waits for the first one; what follows it at once belongs
/// to it.
async fn first_bytes(stream: &mut (impl AsyncRead + Unpin), patience: Duration) -> (Vec<u8>, bool) {
    const PAUSE: Duration = Duration::from_millis(100);
    let mut bytes = vec![0; BANNER_BYTES_MAX];
    let mut length = 0;
    let mut wait = patience;
    while length < bytes.len() {
        match timeout(wait, stream.read(&mut bytes[length..])).await {
            Ok(Ok(0) | Err(_)) => {
                bytes.truncate(length);
                return (bytes, true);
            }
            Ok(Ok(read)) => length += read,
            Err(_) => break,
        }
        wait = PAUSE;
    }
    bytes.truncate(length);
    (bytes, false)
}

/// Printable ASCII; everything else as `\n`, `\r`, `\t`, `\\` or `\xNN`. Blanks at the end are dropped.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes.trim_ascii_end() {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests;
