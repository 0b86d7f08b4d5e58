//! The sockets under a link.

use crate::limits::{DEAD_AFTER, NOTSENT_LOWAT_BYTES, PING_AFTER};
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that wait to be accepted: a fleet that comes back at once after a restart of the hub.
const BACKLOG: u32 = 1024;

/// Sets what a link needs: no delay for small frames, keepalive below our own pings for half-open
/// connections, and a kernel that does not hoard what it can't send, so that control frames overtake.
pub(crate) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let fd = tcp.as_fd();
    sockopt::set_socket_keepalive(fd, true)?;
    sockopt::set_tcp_keepidle(fd, DEAD_AFTER)?;
    sockopt::set_tcp_keepintvl(fd, PING_AFTER)?;
    sockopt::set_tcp_keepcnt(fd, 3)?;
    set_notsent_lowat(tcp, NOTSENT_LOWAT_BYTES)
}

/// `TCP_NOTSENT_LOWAT` (tcp(7)): the socket counts as full while more than this was not yet sent.
#[allow(unsafe_code)]
fn set_notsent_lowat(tcp: &TcpStream, bytes: u32) -> io::Result<()> {
    let value = bytes as libc::c_int;
    // SAFETY: the descriptor is open as long as `tcp` is borrowed, and `value` outlives the call, which
    // reads exactly the length that is passed.
    let result = unsafe {
        libc::setsockopt(
            tcp.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Listens on an address; on an unspecified IPv6 one for IPv4, too. Where the machine has no IPv6, `[::]` means
/// `0.0.0.0`.
///
/// # Errors
/// What the system says, most often that the address is in use.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match bind(address) {
        Err(e) if address.ip().is_unspecified() && e.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            bind(SocketAddr::from(([0, 0, 0, 0], address.port())))
        }
        other => other,
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(v6) => {
            let socket = TcpSocket::new_v6()?;
            sockopt::set_ipv6_v6only(&socket, !v6.ip().is_unspecified())?;
            socket
        }
    };
    // A restarted hub must not wait for the last connections of its former life.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_listener_hears_both_families() {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        prepare(&tcp).unwrap();
        assert!(tcp.nodelay().unwrap());
        if let Ok(tcp) = TcpStream::connect(("::1", port)).await {
            prepare(&tcp).unwrap();
        }
        let error = listen(listener.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn the_kernel_takes_little_that_it_cannot_send() {
        let listener = TcpSocket::new_v4().unwrap();
        // What is accepted inherits it: the peer takes next to nothing, and reads none of it.
        listener.set_recv_buffer_size(4096).unwrap();
        listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listener.listen(1).unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_peer, _) = listener.accept().await.unwrap();
        prepare(&tcp).unwrap();
        tcp.writable().await.unwrap();
        let mut taken = 0;
        let full = loop {
            match tcp.try_write(&[0; 4096]) {
                Ok(count) => taken += count,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        // The socket's own buffer would hold megabytes.
        assert!((4096..4 * NOTSENT_LOWAT_BYTES as usize).contains(&taken), "{taken}");
    }
}
