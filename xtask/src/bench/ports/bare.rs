//! `xtask ports-bare`: two threads that connect to all ports and count. Nothing is repeated, paced or told apart: what is
//! left is the kernel's share of the time.

use anyhow::{Context, Result};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

/// Connections of one thread at a time.
const AT_ONCE: usize = 256;

/// Connects to every port of an address, for `cargo xtask bench ports`.
#[derive(clap::Args)]
pub(crate) struct BareArgs {
    address: IpAddr,
}

pub(crate) fn run(args: &BareArgs) -> Result<()> {
    let address = args.address;
    let open = std::thread::scope(|scope| {
        let halves = [1..=32_767u16, 32_768..=65_535].map(|ports| scope.spawn(move || half(address, ports)));
        halves
            .into_iter()
            .map(|half| half.join().map_err(|_| anyhow::anyhow!("a thread failed"))?)
            .sum::<Result<u32>>()
    })?;
    println!("{open}");
    Ok(())
}

fn half(address: IpAddr, ports: impl Iterator<Item = u16>) -> Result<u32> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot make an epoll instance")?;
    let mut sockets: HashMap<u64, OwnedFd> = HashMap::new();
    let mut events = Vec::with_capacity(AT_ONCE);
    let (mut ports, mut open) = (ports.peekable(), 0);
    while ports.peek().is_some() || !sockets.is_empty() {
        while sockets.len() < AT_ONCE
            && let Some(port) = ports.next()
        {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, Some(ipproto::TCP))?;
            match connect(&socket, &SocketAddr::new(address, port)) {
                Ok(()) => open += 1,
                Err(Errno::INPROGRESS) => {
                    let data = epoll::EventData::new_u64(u64::from(port));
                    epoll::add(&epoll, &socket, data, epoll::EventFlags::OUT)?;
                    sockets.insert(u64::from(port), socket);
                }
                Err(_) => {}
            }
        }
        let timeout = Timespec { tv_sec: 1, tv_nsec: 0 };
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&timeout))?;
        for event in events.drain(..) {
            if let Some(socket) = sockets.remove(&event.data.u64()) {
                open += u32::from(matches!(socket_error(&socket), Ok(Ok(()))));
            }
        }
    }
    Ok(open)
}
