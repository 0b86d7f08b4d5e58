//! Can a connection be made?

use super::Found;
use crate::verdict::Verdict;
use std::io;
use tokio::net::TcpStream;

pub(super) async fn look(address: &str) -> Found {
    match connect(address).await {
        Ok(_) => (Verdict::Ok, "connected".to_owned()),
        Err(found) => found,
    }
}

/// Connects to the first address of a name that takes a connection.
pub(super) async fn connect(address: &str) -> Result<TcpStream, Found> {
    // A name that cannot be asked for says nothing about the host that bears it.
    let unknown = |e: &dyn std::fmt::Display| (Verdict::Unknown, format!("cannot find {address}: {e}"));
    let found = tokio::net::lookup_host(address).await.map_err(|e| unknown(&e))?;
    let mut last = unknown(&"the name has no address");
    for at in found {
        match TcpStream::connect(at).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = refused(at, &error),
        }
    }
    Err(last)
}

/// A connection that failed: for a reason of the other side, or of this one.
fn refused(at: std::net::SocketAddr, error: &io::Error) -> Found {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};
    let verdict = match error.kind() {
        ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable | TimedOut => {
            Verdict::Critical
        }
        _ => Verdict::Unknown,
    };
    (verdict, format!("cannot connect to {at}: {error}"))
}
