//! Whether `/proc` is there. Without it nothing can be watched: inotify(7) takes paths alone, and only one through
//! `/proc/self/fd` names an open directory without a race. Nor could mounts within a root be seen.

use rustix::fd::AsRawFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::io;

/// Fails when `/proc` does not lead to the descriptors of this process. Each such failure on the way would look as if the
/// file were gone.
pub fn check_proc() -> io::Result<()> {
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let (own, through) =
        (rustix::fs::fstat(&root)?, rustix::fs::stat(format!("/proc/self/fd/{}/.", root.as_raw_fd()))?);
    let is_same = (own.st_dev, own.st_ino) == (through.st_dev, through.st_ino);
    if is_same { Ok(()) } else { Err(Errno::NOENT.into()) }
}
