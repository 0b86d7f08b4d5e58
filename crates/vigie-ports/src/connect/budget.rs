//! How many sockets may be open at once: what the process may have, but for what others in it need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors left to the rest of the process: standard streams, output files, name resolution, banners.
const RESERVE: u64 = 48;

/// Sockets at most: beyond it the kernel's memory is the worry, and no pace needs more.
const SOCKETS_MAX: u64 = 24_000;

/// Sockets at least, even if they will run short: a scan with few is slow, not wrong.
const SOCKETS_MIN: u64 = 8;

/// Raises the soft limit to the hard one; how many sockets this leaves.
pub(crate) fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised,
        Err(_) => limit,
    };
    let used = std::fs::read_dir("/proc/self/fd").map_or(RESERVE, |dir| dir.count() as u64);
    // No limit at all is more than anything.
    let left = limit.current.unwrap_or(u64::MAX).saturating_sub(used + RESERVE);
    left.clamp(SOCKETS_MIN, SOCKETS_MAX) as usize
}
