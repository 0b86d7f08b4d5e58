//! Many datagrams with one system call (`recvmmsg(2)`, `sendmmsg(2)`), and what the kernel tells beside them.

use crate::limits::{CAST_BATCH, DATAGRAM_BYTES_MAX};
use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

/// Room for one datagram; beyond the longest, so that none is cut.
const SLOT_BYTES: usize = DATAGRAM_BYTES_MAX + 29;

/// Room for what the kernel tells beside a datagram: its time and the count of drops, each with a header.
const CONTROL_WORDS: usize = 16;

/// What the kernel told of a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) from: SocketAddr,
    /// When it came, in nanoseconds since 1970.
    pub(super) came_ns: Option<u64>,
    /// How many datagrams this socket had to drop before it, since it exists (`SO_RXQ_OVFL`, socket(7)); it wraps.
    pub(super) drops: Option<u32>,
}

/// Buffers for many datagrams that come.
pub(super) struct Incoming {
    slots: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<[u64; CONTROL_WORDS]>,
    headers: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Incoming {
            // Pages that no datagram needs are never touched.
            slots: vec![0; CAST_BATCH * SLOT_BYTES],
            names: vec![zeroed(); CAST_BATCH],
            controls: vec![[0; CONTROL_WORDS]; CAST_BATCH],
            headers: vec![zeroed(); CAST_BATCH],
            vectors: vec![zeroed(); CAST_BATCH],
        }
    }

    /// Waits for a datagram, for as long as the socket's time limit says, and takes all that have come by then.
    #[allow(unsafe_code)]
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for (at, header) in self.headers.iter_mut().enumerate() {
            let slot = &mut self.slots[at * SLOT_BYTES..][..SLOT_BYTES];
            self.vectors[at] = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
            header.msg_hdr.msg_name = (&raw mut self.names[at]).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_iov = &raw mut self.vectors[at];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = self.controls[at].as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of_val(&self.controls[at]) as _;
            header.msg_hdr.msg_flags = 0;
        }
        // SAFETY: every pointer was set right here to memory that `self` owns and that nothing else uses meanwhile,
        // with its own length.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as libc::c_uint,
                libc::MSG_WAITFORONE as _,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// One of those that [`receive`](Self::receive) counted; none when its sender has no address that is known here.
    pub(super) fn datagram(&self, at: usize) -> Option<Datagram<'_>> {
        let header = &self.headers[at];
        let length = (header.msg_len as usize).min(SLOT_BYTES);
        let from = address(&self.names[at])?;
        let (came_ns, drops) = told(&header.msg_hdr);
        Some(Datagram { bytes: &self.slots[at * SLOT_BYTES..][..length], from, came_ns, drops })
    }
}

/// The time and the count of drops, among what the kernel wrote beside a datagram.
#[allow(unsafe_code)]
fn told(header: &libc::msghdr) -> (Option<u64>, Option<u32>) {
    let (mut came_ns, mut drops) = (None, None);
    // SAFETY: the kernel has filled the control buffer of this header, which lives as long as the header, and set its
    // length; the macros of cmsg(3) stay within it. Data may stand unaligned, and is read so.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(one) = message.as_ref() {
            let data = libc::CMSG_DATA(message);
            match (one.cmsg_level, one.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time = data.cast::<libc::timespec>().read_unaligned();
                    let secs = u64::try_from(time.tv_sec).ok();
                    came_ns = secs.map(|secs| secs * 1_000_000_000 + time.tv_nsec.unsigned_abs());
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => drops = Some(data.cast::<u32>().read_unaligned()),
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    (came_ns, drops)
}

#[allow(unsafe_code)]
fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which of the two the kernel wrote, and there is room and alignment for either.
            let v4 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = u32::from_be(v4.sin_addr.s_addr).into();
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let (ip, port) = (v6.sin6_addr.s6_addr.into(), u16::from_be(v6.sin6_port));
            let v6 = SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id);
            Some(SocketAddr::new(std::net::IpAddr::from(*v6.ip()).to_canonical(), port))
                .map(|plain| if plain.is_ipv4() { plain } else { v6.into() })
        }
        _ => None,
    }
}

/// Sends datagrams to whom the socket is connected; tells how many of them the kernel took, at least one.
#[allow(unsafe_code)]
pub(super) fn send(socket: &UdpSocket, datagrams: &[Vec<u8>]) -> io::Result<usize> {
    let mut vectors: [libc::iovec; CAST_BATCH] = zeroed();
    let mut headers: [libc::mmsghdr; CAST_BATCH] = zeroed();
    let count = datagrams.len().min(CAST_BATCH);
    for (at, datagram) in datagrams.iter().take(count).enumerate() {
        // The kernel only reads from it.
        let base = datagram.as_ptr().cast_mut().cast();
        vectors[at] = libc::iovec { iov_base: base, iov_len: datagram.len() };
        headers[at].msg_hdr.msg_iov = &raw mut vectors[at];
        headers[at].msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: every pointer was set right here to memory that lives until the call returns, with its own length.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Asks for the count of drops and the time beside each datagram, and for nothing of groups that others have joined.
pub(super) fn ask_for_more(socket: &UdpSocket) -> io::Result<()> {
    set_int(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
    set_int(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    if socket.local_addr()?.is_ipv4() {
        set_int(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0)
    } else {
        // Since Linux 4.20; before, the group that the socket is bound to sorts them out.
        let _ = set_int(socket, libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
        Ok(())
    }
}

/// `linux/in6.h`; the libc crate has it for other C libraries only.
const IPV6_MULTICAST_ALL: libc::c_int = 29;

/// `linux/sock_diag.h`: where the drops are in what `SO_MEMINFO` tells.
const SK_MEMINFO_DROPS: usize = 8;

/// How many datagrams this socket had to drop since it exists; it wraps.
#[allow(unsafe_code)]
pub(super) fn drops(socket: &UdpSocket) -> io::Result<u32> {
    let mut told = [0_u32; SK_MEMINFO_DROPS + 1];
    let mut length = size_of_val(&told) as libc::socklen_t;
    // SAFETY: the kernel writes no more than `length` bytes to where it is told, which is that long.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            told.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if done == 0 { Ok(told[SK_MEMINFO_DROPS]) } else { Err(io::Error::last_os_error()) }
}

#[allow(unsafe_code)]
fn set_int(socket: &UdpSocket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the kernel reads one integer from where it is told, which is one.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Plain structures of C: all zeroes is a value of each, as its manual page has it.
trait Plain: Copy {}
impl Plain for libc::sockaddr_storage {}
impl Plain for libc::mmsghdr {}
impl Plain for libc::iovec {}
impl<T: Plain, const N: usize> Plain for [T; N] {}

#[allow(unsafe_code)]
fn zeroed<T: Plain>() -> T {
    // SAFETY: what implements `Plain` consists of integers and of pointers that may be null.
    unsafe { std::mem::zeroed() }
}
