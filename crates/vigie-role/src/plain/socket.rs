//! What server and client set on their sockets.

use crate::limits::{BACKLOG, KEEPALIVE_PROBES};
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// No delay for small lines, and TCP itself asks a peer that is silent for `idle` whether its machine is there: it is
/// given up after about twice that time (`tcp(7)`).
pub(super) fn prepare(tcp: &TcpStream, idle: Duration) -> io::Result<()> {
    let second = Duration::from_secs(1);
    tcp.set_nodelay(true)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, idle.max(second))?;
    sockopt::set_tcp_keepintvl(tcp, (idle / KEEPALIVE_PROBES).max(second))?;
    sockopt::set_tcp_keepcnt(tcp, KEEPALIVE_PROBES)?;
    // What was sent and is not acknowledged stops the asking, so it needs a limit of its own.
    sockopt::set_tcp_user_timeout(tcp, u32::try_from((idle * 2).as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

/// Listens; at once after a former life, whose last connections the kernel still remembers.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
