//! System calls that neither std nor rustix offers: extended errors and what the kernel knows of a connection.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// An ICMP error that came for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IcmpError {
    /// 4 or 6.
    pub(super) version: u8,
    pub(super) kind: u8,
    pub(super) code: u8,
    /// Who sent it.
    pub(super) from: Option<IpAddr>,
}

/// Has the kernel keep ICMP errors for the socket, with their type and code (`IP_RECVERR`, ip(7)).
#[allow(unsafe_code)]
pub(crate) fn keep_errors(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<()> {
    let (level, option) = match is_v6 {
        true => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        false => (libc::IPPROTO_IP, libc::IP_RECVERR),
    };
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for the one control message of an error: its header, `sock_extended_err` and the sender's address.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// Takes the next ICMP error off the socket's queue, if there is one.
#[allow(unsafe_code)]
pub(super) fn take_error(socket: BorrowedFd<'_>) -> Option<IcmpError> {
    let mut control = Control([0; 128]);
    // SAFETY: all fields of a msghdr may be zero: no name, no data, no control.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: the message points to `control` only, of the length given, which outlives the call.
    let got = unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
    };
    if got < 0 {
        return None;
    }
    parse_control(control.0.get(..message.msg_controllen)?)
}

/// Finds the error in control messages: each a `cmsghdr` (length with header, level, type) and its data, aligned.
pub(crate) fn parse_control(mut control: &[u8]) -> Option<IcmpError> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    while control.len() >= HEADER {
        let word = |at: usize| Some(i32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?));
        let len = usize::from_ne_bytes(control.get(..size_of::<usize>())?.try_into().ok()?);
        let (level, kind) = (word(HEADER - 8)?, word(HEADER - 4)?);
        let data = control.get(HEADER..len)?;
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                return parse_error(data);
            }
            _ => control = control.get(len.next_multiple_of(size_of::<usize>())..)?,
        }
    }
    None
}

/// `sock_extended_err`: errno (4 bytes), origin, type, code, padding, info (4), data (4); then the sender as a sockaddr.
fn parse_error(data: &[u8]) -> Option<IcmpError> {
    const ERROR: usize = size_of::<libc::sock_extended_err>();
    let (origin, kind, code) = (*data.get(4)?, *data.get(5)?, *data.get(6)?);
    let sender = data.get(ERROR..)?;
    let (version, from) = match origin {
        // sockaddr_in: family, port, address.
        libc::SO_EE_ORIGIN_ICMP => (4, sender.get(4..8).map(|bytes| v4(bytes).into())),
        // sockaddr_in6: family, port, flow information, address.
        libc::SO_EE_ORIGIN_ICMP6 => (6, sender.get(8..24).and_then(v6).map(IpAddr::from)),
        _ => return None,
    };
    Some(IcmpError { version, kind, code, from })
}

fn v4(bytes: &[u8]) -> Ipv4Addr {
    bytes.iter().fold(0, |address, byte| address << 8 | u32::from(*byte)).into()
}

fn v6(bytes: &[u8]) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
}

/// The round trip of the handshake as the kernel measured it; `None` where a SYN was repeated, so that nobody knows
/// which one was answered.
#[allow(unsafe_code)]
pub(super) fn handshake_rtt(socket: BorrowedFd<'_>) -> Option<Duration> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `info`, which has that many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    // SAFETY: a tcp_info is plain numbers, valid as zeros where the kernel wrote nothing.
    let info = unsafe { info.assume_init() };
    (result == 0 && info.tcpi_total_retrans == 0 && info.tcpi_rtt > 0)
        .then(|| Duration::from_micros(u64::from(info.tcpi_rtt)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel gives for "communication administratively prohibited" from 10.0.0.1.
    fn control() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((size_of::<libc::cmsghdr>() + 32).to_ne_bytes());
        bytes.extend(libc::IPPROTO_IP.to_ne_bytes());
        bytes.extend(libc::IP_RECVERR.to_ne_bytes());
        bytes.extend(libc::EHOSTUNREACH.to_ne_bytes());
        bytes.extend([libc::SO_EE_ORIGIN_ICMP, 3, 13, 0]);
        bytes.extend([0; 8]);
        bytes.extend((libc::AF_INET as u16).to_ne_bytes());
        bytes.extend([0, 0, 10, 0, 0, 1]);
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn errors_are_read_whole_or_not_at_all() {
        let bytes = control();
        let from = Some(IpAddr::from([10, 0, 0, 1]));
        assert_eq!(parse_control(&bytes), Some(IcmpError { version: 4, kind: 3, code: 13, from }));
        for len in 0..bytes.len() {
            assert_eq!(parse_control(&bytes[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn damage_is_no_panic() {
        for at in 0..control().len() {
            for value in 0..=255 {
                let mut bytes = control();
                bytes[at] = value;
                let _ = parse_control(&bytes);
            }
        }
    }
}
