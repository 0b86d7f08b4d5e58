//! The file system of this machine. Everything goes by descriptors of directories; paths are walked with
//! `openat2(2)`, which neither follows a symlink nor leaves the root.

use super::{Dir, FileHandle, Files, FsInfo, Identity, Kind, Listed, Place, Root, Stat};
use super::{handle, kinds, mounts, xattrs};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, Statx, StatxFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use vigie_model::{BytePath, FileTime, Xattr};

/// Bytes of one `getdents64`: some thousand names.
const LIST_BYTES: usize = 32 * 1024;

/// Longest piece of a path in one system call, safely below `PATH_MAX`: deeper trees are walked in pieces.
const WALK_BYTES: usize = 3_800;

/// `STATX_MNT_ID_UNIQUE` of linux/stat.h, since Linux 6.8.
const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// The file system of this machine.
#[derive(Debug, Default)]
pub struct RealFiles {
    systems: Arc<Systems>,
}

impl RealFiles {
    /// Opens nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn dir(&self, fd: OwnedFd) -> io::Result<Box<dyn Dir>> {
        let (stat, mount) = stat_and_mount(fd.as_fd())?;
        let system = self.systems.of(fd.as_fd(), stat.dev, mount)?;
        Ok(Box::new(RealDir { fd, dev: stat.dev, system, systems: self.systems.clone() }))
    }
}

impl Files for RealFiles {
    fn open_root(&self, path: &BytePath) -> io::Result<Box<dyn Dir>> {
        self.dir(rustix::fs::open(path.as_bytes(), DIR_FLAGS, Mode::empty())?)
    }

    fn open_dir(&self, root: &BytePath, below: &[u8]) -> io::Result<Box<dyn Dir>> {
        let root = rustix::fs::open(root.as_bytes(), DIR_FLAGS, Mode::empty())?;
        self.dir(walk(root.as_fd(), below, DIR_FLAGS | OFlags::NOFOLLOW)?)
    }

    fn find_root(&self, path: &BytePath) -> io::Result<Box<dyn Root>> {
        let fd = rustix::fs::open(path.as_bytes(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Box::new(RealRoot { fd, systems: self.systems.clone() }))
    }

    fn ripple(&self, dir: &BytePath, name: &[u8]) -> io::Result<()> {
        let dir = rustix::fs::open(dir.as_bytes(), DIR_FLAGS, Mode::empty())?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // One may be left of a life that ended between the two calls below.
        let _ = rustix::fs::unlinkat(&dir, name, AtFlags::empty());
        drop(rustix::fs::openat(&dir, name, flags, Mode::RUSR | Mode::WUSR)?);
        Ok(rustix::fs::unlinkat(&dir, name, AtFlags::empty())?)
    }

    fn mount_points(&self) -> Vec<(Vec<u8>, u64)> {
        mounts::mount_points(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
    }
}

/// Walks `below`, names alone, from an open directory.
fn walk(from: BorrowedFd<'_>, below: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let (mut reached, mut rest) = (None::<OwnedFd>, below);
    while rest.len() > WALK_BYTES {
        let Some(cut) = rest[..WALK_BYTES].iter().rposition(|b| *b == b'/') else {
            return Err(Errno::NAMETOOLONG.into());
        };
        let at = reached.as_ref().map_or(from, AsFd::as_fd);
        reached = Some(step(at, &rest[..cut], OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC)?);
        rest = &rest[cut + 1..];
    }
    let at = reached.as_ref().map_or(from, AsFd::as_fd);
    step(at, if rest.is_empty() { b"." } else { rest }, flags)
}

fn step(dir: BorrowedFd<'_>, below: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(dir, below, flags, Mode::empty(), resolve) {
        // Some containers forbid the call, and answer either way.
        Err(Errno::NOSYS | Errno::PERM) if flags.contains(OFlags::NOATIME) => Err(Errno::PERM.into()),
        Err(Errno::NOSYS | Errno::PERM) => name_by_name(dir, below, flags),
        // Something above was renamed during the walk: the caller looks again anyway.
        Err(Errno::AGAIN) => Err(Errno::NOENT.into()),
        other => Ok(other?),
    }
}

/// What `openat2` does, without it.
fn name_by_name(dir: BorrowedFd<'_>, below: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let mut names: Vec<&[u8]> = below.split(|b| *b == b'/').collect();
    let last = names.pop().unwrap_or(b".");
    let mut at = dir.try_clone_to_owned()?;
    for name in names {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        at = rustix::fs::openat(&at, name, flags, Mode::empty())?;
    }
    Ok(rustix::fs::openat(&at, last, flags | OFlags::NOFOLLOW, Mode::empty())?)
}

/// The file systems met so far. A device number alone would not do, since it may be given again after an unmount.
#[derive(Debug, Default)]
struct Systems {
    known: Mutex<HashMap<Mounted, Arc<System>>>,
}

/// What tells mounted file systems apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mounted {
    /// Device number, which btrfs has one of for each subvolume, and the number of the mount, which is never given
    /// again. Known with every `statx(2)`, since Linux 6.8.
    Mount(u64, u64),
    /// Device number, and the file system's own: one more call each time.
    Device(u64, u64),
}

/// One mounted file system.
#[derive(Debug)]
struct System {
    id: Vec<u8>,
    info: FsInfo,
    /// Flags with which it gives handles, if it does.
    handles: Option<i32>,
    fine_times: bool,
}

impl Systems {
    /// The file system of an open file, of which `statx(2)` told the device, and perhaps the mount.
    fn of(&self, fd: BorrowedFd<'_>, dev: u64, mount: Option<u64>) -> io::Result<Arc<System>> {
        let key = match mount {
            Some(mount) => Mounted::Mount(dev, mount),
            None => Mounted::Device(dev, rustix::fs::fstatvfs(fd)?.f_fsid),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(system) = known.get(&key) {
            return Ok(system.clone());
        }
        let system = Arc::new(System::probe(fd, dev)?);
        known.insert(key, system.clone());
        Ok(system)
    }
}

impl Systems {
    /// The file system of a mount point, seen from outside. One that may not be opened does not tell its
    /// UUID: what is learned of it then is not kept, so that it is asked again by whoever may.
    fn of_mounted(&self, dir: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<Arc<System>> {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let openable = matches!(stat.kind, Kind::Dir | Kind::File);
        let opened = openable.then(|| rustix::fs::openat(dir, name, flags | OFlags::RDONLY, Mode::empty()));
        match opened {
            Some(Ok(mounted)) => {
                let (stat, mount) = stat_and_mount(mounted.as_fd())?;
                self.of(mounted.as_fd(), stat.dev, mount)
            }
            _ => {
                let mounted = rustix::fs::openat(dir, name, flags | OFlags::PATH, Mode::empty())?;
                Ok(Arc::new(System::probe(mounted.as_fd(), stat.dev)?))
            }
        }
    }
}

impl System {
    fn probe(fd: BorrowedFd<'_>, dev: u64) -> io::Result<System> {
        let fsid = rustix::fs::fstatvfs(fd)?.f_fsid;
        let magic = rustix::fs::fstatfs(fd)?.f_type as u32;
        let info = kinds::info(magic);
        let id = match (handle::fs_uuid(fd), fsid) {
            (Some(uuid), _) => uuid,
            (None, 0) => dev.to_le_bytes().to_vec(),
            (None, fsid) => fsid.to_le_bytes().to_vec(),
        };
        let handles = [0, handle::HANDLE_FID].into_iter().find(|f| handle::handle(fd, c"", *f).is_ok());
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let fine_times = kinds::fine_times(&info.name, kinds::release(&release));
        Ok(System { id, info, handles, fine_times })
    }

    fn identify(&self, dir: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<Identity> {
        let with_id = |what: &[u8]| [&[self.id.len() as u8], &self.id[..], what].concat();
        match self.handles.map(|flags| handle::handle(dir, name, flags)) {
            Some(Ok(handle)) => return Ok(Identity::Handle(with_id(&handle))),
            Some(Err(error)) if !matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EOVERFLOW)) => {
                return Err(error);
            }
            _ => {}
        }
        Ok(match stat.btime {
            Some(born) => {
                let (ino, secs, nanos) =
                    (stat.ino.to_le_bytes(), born.secs.to_le_bytes(), born.nanos.to_le_bytes());
                Identity::Birth(with_id(&[&ino[..], &secs, &nanos].concat()))
            }
            None => Identity::Path,
        })
    }
}

#[derive(Debug)]
struct RealDir {
    fd: OwnedFd,
    dev: u64,
    system: Arc<System>,
    systems: Arc<Systems>,
}

impl Dir for RealDir {
    fn place(&self) -> Place {
        Place::Descriptor(self.fd.as_raw_fd())
    }

    fn stat(&self) -> io::Result<Stat> {
        stat_of(self.fd.as_fd(), c"", AtFlags::EMPTY_PATH)
    }

    fn identity(&self, stat: &Stat) -> io::Result<Identity> {
        self.system.identify(self.fd.as_fd(), c"", stat)
    }

    fn list(&mut self, out: &mut Vec<Listed>) -> io::Result<bool> {
        let mut buffer = Vec::with_capacity(LIST_BYTES);
        let mut entries = RawDir::new(&self.fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                out.push(Listed { name: name.into(), ino: entry.ino() });
            }
            if entries.is_buffer_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn stat_entry(&self, name: &[u8]) -> io::Result<Stat> {
        stat_of(self.fd.as_fd(), &c_name(name)?, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
    }

    fn identify_entry(&self, name: &[u8], stat: &Stat) -> io::Result<Identity> {
        let name = c_name(name)?;
        if stat.dev == self.dev {
            return self.system.identify(self.fd.as_fd(), &name, stat);
        }
        self.systems.of_mounted(self.fd.as_fd(), &name, stat)?.identify(self.fd.as_fd(), &name, stat)
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.fd, name, Vec::new())?.into_bytes())
    }

    fn xattrs(&self, name: &[u8]) -> io::Result<Vec<Xattr>> {
        xattrs::read(self.fd.as_fd(), name)
    }

    fn xattrs_self(&self) -> io::Result<Vec<Xattr>> {
        xattrs::read(self.fd.as_fd(), b"")
    }

    fn read_small(&self, name: &[u8], max: usize) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())?;
        let stat = stat_of(fd.as_fd(), c"", AtFlags::EMPTY_PATH)?;
        if stat.kind != Kind::File {
            return Err(Errno::INVAL.into());
        }
        let mut bytes = Vec::new();
        let room = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
        io::Read::read_to_end(&mut io::Read::take(std::fs::File::from(fd), room), &mut bytes)?;
        if bytes.len() > max { Err(Errno::FBIG.into()) } else { Ok(bytes) }
    }

    fn file_system(&self) -> io::Result<FsInfo> {
        Ok(self.system.info.clone())
    }
}

#[derive(Debug)]
struct RealRoot {
    fd: OwnedFd,
    systems: Arc<Systems>,
}

impl Root for RealRoot {
    fn open_file(&self, below: &[u8]) -> io::Result<(Box<dyn FileHandle>, Stat)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        // Only owners may read without touching the access time.
        let fd = match walk(self.fd.as_fd(), below, flags | OFlags::NOATIME) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => walk(self.fd.as_fd(), below, flags)?,
            other => other?,
        };
        let (stat, mount) = stat_and_mount(fd.as_fd())?;
        if stat.kind != Kind::File {
            return Err(Errno::INVAL.into());
        }
        let system = self.systems.of(fd.as_fd(), stat.dev, mount)?;
        Ok((Box::new(RealFile { fd, system }), stat))
    }
}

#[derive(Debug)]
struct RealFile {
    fd: OwnedFd,
    system: Arc<System>,
}

impl FileHandle for RealFile {
    fn stat(&self) -> io::Result<Stat> {
        stat_of(self.fd.as_fd(), c"", AtFlags::EMPTY_PATH)
    }

    fn identity(&self, stat: &Stat) -> io::Result<Identity> {
        self.system.identify(self.fd.as_fd(), c"", stat)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::pread(&self.fd, &mut *buffer, offset))?)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        match rustix::fs::seek(&self.fd, SeekFrom::Data(offset)) {
            Ok(at) => Ok(Some(at)),
            Err(Errno::NXIO) => Ok(None),
            Err(_) => Ok(Some(offset)),
        }
    }

    fn fine_times(&self) -> bool {
        self.system.fine_times
    }
}

fn c_name(name: &[u8]) -> io::Result<CString> {
    CString::new(name).map_err(|_| Errno::INVAL.into())
}

fn stat_of(dir: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> io::Result<Stat> {
    read_stat(&rustix::fs::statx(dir, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?)
}

/// An open file, and the number of its mount where the kernel has one that is never given again.
fn stat_and_mount(fd: BorrowedFd<'_>) -> io::Result<(Stat, Option<u64>)> {
    // A kernel that does not know the last of them passes over it, and says so in the mask.
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME | MNT_ID_UNIQUE;
    let x = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, wanted)?;
    let is_unique = x.stx_mask & MNT_ID_UNIQUE.bits() != 0;
    Ok((read_stat(&x)?, is_unique.then_some(x.stx_mnt_id)))
}

fn read_stat(x: &Statx) -> io::Result<Stat> {
    let time = |t: rustix::fs::StatxTimestamp| FileTime { secs: t.tv_sec, nanos: t.tv_nsec };
    let born = x.stx_mask & StatxFlags::BTIME.bits() != 0;
    Ok(Stat {
        kind: kind_of(x)?,
        mode: u32::from(x.stx_mode) & 0o7777,
        uid: x.stx_uid,
        gid: x.stx_gid,
        size: x.stx_size,
        mtime: time(x.stx_mtime),
        ctime: time(x.stx_ctime),
        btime: born.then(|| time(x.stx_btime)),
        dev: rustix::fs::makedev(x.stx_dev_major, x.stx_dev_minor),
        ino: x.stx_ino,
        rdev: (x.stx_rdev_major, x.stx_rdev_minor),
    })
}

fn kind_of(x: &Statx) -> io::Result<Kind> {
    Ok(match FileType::from_raw_mode(x.stx_mode.into()) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Unknown => return Err(Errno::INVAL.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where `openat2` is forbidden, what replaces it must refuse the same.
    #[test]
    fn neither_way_of_walking_follows_symlinks_or_leaves_the_root() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("a/b")).unwrap();
        std::os::unix::fs::symlink("b", temp.path().join("a/link")).unwrap();
        std::os::unix::fs::symlink("/", temp.path().join("a/b/up")).unwrap();
        let root = rustix::fs::open(temp.path(), DIR_FLAGS, Mode::empty()).unwrap();
        let flags = DIR_FLAGS | OFlags::NOFOLLOW;
        for way in [step, name_by_name] {
            assert!(way(root.as_fd(), b"a/b", flags).is_ok());
            assert!(way(root.as_fd(), b".", flags).is_ok());
            for bad in [&b"a/link"[..], b"a/link/x", b"a/b/up", b"a/b/up/etc", b"a/none"] {
                let error = way(root.as_fd(), bad, flags).unwrap_err();
                let number = error.raw_os_error().unwrap();
                assert!([libc::ENOENT, libc::ELOOP, libc::ENOTDIR].contains(&number), "{error}");
            }
        }
    }

    /// Subvolumes of btrfs are under one mount and have the same inode numbers.
    #[test]
    fn a_file_system_is_known_by_its_device_and_its_mount() {
        let root = rustix::fs::open("/", DIR_FLAGS, Mode::empty()).unwrap();
        let systems = Systems::default();
        let system = |dev, mount| systems.of(root.as_fd(), dev, mount).unwrap();
        for mount in [Some(7), None] {
            assert!(Arc::ptr_eq(&system(1, mount), &system(1, mount)));
            assert!(!Arc::ptr_eq(&system(1, mount), &system(2, mount)));
        }
        assert!(!Arc::ptr_eq(&system(1, Some(7)), &system(1, Some(8))));
    }

    #[test]
    fn a_cookie_that_was_left_is_no_hindrance() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("cookie"), "").unwrap();
        let dir =
            BytePath::normalise(std::os::unix::ffi::OsStrExt::as_bytes(temp.path().as_os_str())).unwrap();
        RealFiles::new().ripple(&dir, b"cookie").unwrap();
        assert!(!temp.path().join("cookie").exists());
    }
}
