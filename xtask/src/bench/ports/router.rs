//! `xtask ports-router`: a router between two namespaces that holds every packet back, or passes only so many bytes a
//! second. Kernels without netem have no other way to be slow.
//!
//! Each side is a TUN device; a thread for each direction reads what one kernel sends, keeps it for half of the round
//! trip and until its turn has come, and gives it to the other. What comes while the queue is full is lost.

use super::super::roles::{bed::quietly, namespace::Namespace};
use super::super::running::Running;
use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
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

/// How long the router may take to be ready.
const READY: Duration = Duration::from_secs(10);

/// Joins two namespaces, each by a device `tun0`, for the benches.
#[derive(clap::Args)]
pub(crate) struct RouterArgs {
    #[command(flatten)]
    way: Way,
    one: String,
    other: String,
}

/// What lies between two namespaces, the same in both directions.
#[derive(Clone, Copy, Default, clap::Args)]
pub(crate) struct Way {
    /// The round trip, in microseconds.
    #[arg(long, default_value_t = 0)]
    pub(crate) rtt_us: u64,
    /// How much passes; 0 for no limit.
    #[arg(long, default_value_t = 0)]
    pub(crate) bytes_per_second: u32,
    /// How much may wait where there is such a limit.
    #[arg(long, default_value_t = 0)]
    pub(crate) queue_bytes: u32,
}

pub(crate) fn run(args: &RouterArgs) -> Result<()> {
    let (one, other) = (tun(&args.one)?, tun(&args.other)?);
    std::thread::scope(|scope| {
        let there = scope.spawn(|| carry(&one, &other, args.way));
        carry(&other, &one, args.way)?;
        there.join().map_err(|_| anyhow::anyhow!("a thread failed"))?
    })
}

/// Starts a router between two namespaces, which get these addresses of a /30. It ends with what is returned.
pub(crate) fn join(ends: [(&Namespace, &str); 2], way: Way) -> Result<Running> {
    let [(one, _), (other, _)] = ends;
    let mut router = Command::new(super::bed::program()?);
    router.arg("ports-router").args(["--rtt-us", &way.rtt_us.to_string()]);
    router.args(["--bytes-per-second", &way.bytes_per_second.to_string()]);
    router.args(["--queue-bytes", &way.queue_bytes.to_string()]);
    router.args([&one.name, &other.name]);
    let router = Running::with_streams(router.stdout(Stdio::null()))?;
    for (space, address) in ends {
        let start = Instant::now();
        while quietly("ip", ["-n", &space.name, "link", "set", "tun0", "up"]).is_err() {
            if start.elapsed() > READY {
                bail!("the router is not ready");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        quietly("ip", ["-n", &space.name, "link", "set", "tun0", "txqueuelen", "100000"])?;
        quietly("ip", ["-n", &space.name, "addr", "add", &format!("{address}/30"), "dev", "tun0"])?;
    }
    Ok(router)
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

impl Way {
    /// When a packet that comes now is to leave; none if it is lost. `free_at` is when those before it have left.
    fn leaves(self, now: Instant, bytes: usize, free_at: &mut Instant) -> Option<Instant> {
        let delay = Duration::from_micros(self.rtt_us / 2);
        if self.bytes_per_second == 0 {
            return Some(now + delay);
        }
        let takes = |bytes: f64| Duration::from_secs_f64(bytes / f64::from(self.bytes_per_second));
        if free_at.saturating_duration_since(now) > takes(f64::from(self.queue_bytes)) {
            return None;
        }
        *free_at = now.max(*free_at) + takes(bytes as f64);
        Some(*free_at + delay)
    }
}

/// Carries packets in one direction.
fn carry(from: &OwnedFd, to: &OwnedFd, way: Way) -> Result<()> {
    let mut free_at = Instant::now();
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
                    match way.leaves(Instant::now(), len, &mut free_at) {
                        Some(due) => queue.push_back((due, packet)),
                        None => spare.push(packet),
                    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_the_queue_is_lost_and_the_rest_keeps_the_rate() {
        let way = Way { rtt_us: 20_000, bytes_per_second: 100_000, queue_bytes: 5_000 };
        let now = Instant::now();
        let mut free_at = now;
        let leaves: Vec<_> = (0..10).map(|_| way.leaves(now, 1000, &mut free_at)).collect();
        let after = |ms| Some(now + Duration::from_millis(ms));
        let expected = [20, 30, 40, 50, 60, 70].map(after);
        assert_eq!(leaves[..6], expected);
        assert!(leaves[6..].iter().all(Option::is_none));
        // Half of it has left.
        assert_eq!(way.leaves(now + Duration::from_millis(30), 1000, &mut free_at), after(80));
    }

    #[test]
    fn without_a_limit_all_pass_after_the_delay() {
        let way = Way { rtt_us: 20_000, ..Way::default() };
        let now = Instant::now();
        assert_eq!(way.leaves(now, 1500, &mut now.clone()), Some(now + Duration::from_millis(10)));
    }
}
