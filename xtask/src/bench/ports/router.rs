//! `xtask ports-router`: a router between two namespaces that holds every packet back. Kernels without netem have no
//! other way to be slow.
//!
//! Each side is a TUN device; a thread for each direction reads what one kernel sends, keeps it for half of the round
//! trip, and gives it to the other.

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Packets on the way in one direction: more than 100,000 a second for a quarter of a second.
const PACKETS_MAX: usize = 65_536;

/// The largest packet.
const PACKET_BYTES: usize = 1500;

/// Packets that are read before those due are looked at.
const BURST: usize = 64;

/// `TUNSETIFF` and its flags, of linux/if_tun.h.
const TUNSETIFF: u64 = 0x4004_54ca;
const TUN_NO_PACKET_INFO: u16 = 0x1001;

/// Joins two namespaces, each by a device `tun0`, for `cargo xtask bench ports`.
#[derive(clap::Args)]
pub(crate) struct RouterArgs {
    /// The round trip, in microseconds.
    #[arg(long)]
    rtt_us: u64,
    one: String,
    other: String,
}

pub(crate) fn run(args: &RouterArgs) -> Result<()> {
    let delay = Duration::from_micros(args.rtt_us / 2);
    let (one, other) = (tun(&args.one)?, tun(&args.other)?);
    std::thread::scope(|scope| {
        let there = scope.spawn(|| carry(&one, &other, delay));
        carry(&other, &one, delay)?;
        there.join().map_err(|_| anyhow::anyhow!("a thread failed"))?
    })
}

/// Makes the device in a namespace; it belongs to it even though this thread has left.
fn tun(namespace: &str) -> Result<OwnedFd> {
    let path = format!("/run/netns/{namespace}");
    let space = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))
        .context("cannot enter the namespace")?;
    let tun = open("/dev/net/tun", OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .context("cannot open /dev/net/tun")?;
    attach(&tun).context("cannot make a TUN device")?;
    Ok(tun)
}

/// `struct ifreq`: a name and a union, here of flags.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

#[allow(unsafe_code)]
fn attach(tun: &OwnedFd) -> std::io::Result<()> {
    let mut request =
        Request { name: *b"tun0\0\0\0\0\0\0\0\0\0\0\0\0", flags: TUN_NO_PACKET_INFO, rest: [0; 22] };
    // SAFETY: the kernel reads and writes one ifreq, which outlives the call.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF as _, &raw mut request) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Carries packets in one direction, each after its delay.
fn carry(from: &OwnedFd, to: &OwnedFd, delay: Duration) -> Result<()> {
    let mut queue: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut spare: Vec<Vec<u8>> = Vec::new();
    loop {
        for _ in 0..BURST {
            if queue.len() >= PACKETS_MAX {
                break;
            }
            let mut packet = spare.pop().unwrap_or_default();
            packet.resize(PACKET_BYTES, 0);
            match read(from, &mut packet[..]) {
                Ok(len) => {
                    packet.truncate(len);
                    queue.push_back((Instant::now() + delay, packet));
                }
                // EIO: the device is not up yet.
                Err(Errno::AGAIN | Errno::INTR | Errno::IO) => {
                    spare.push(packet);
                    break;
                }
                Err(error) => return Err(error).context("cannot read from a TUN device"),
            }
        }
        let now = Instant::now();
        while let Some((_, packet)) = queue.pop_front_if(|(due, _)| *due <= now) {
            // What a kernel does not take is lost, as on any line.
            let _ = write(to, &packet);
            spare.push(packet);
        }
        let until =
            queue.front().map_or(Duration::from_millis(100), |(due, _)| due.saturating_duration_since(now));
        if until.is_zero() {
            continue;
        }
        let timeout = Timespec { tv_sec: until.as_secs() as i64, tv_nsec: i64::from(until.subsec_nanos()) };
        match poll(&mut [PollFd::new(from, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for a TUN device"),
        }
    }
}
