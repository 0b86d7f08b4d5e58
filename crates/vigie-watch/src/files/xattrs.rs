//! Extended attributes, of the object itself and never of what a symlink leads to.

use super::xattrat;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;
use vigie_model::Xattr;
use vigie_model::limits::XATTR_BYTES_MAX;

/// `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` of `linux/limits.h`.
const ONE_MAX: usize = 65_536;

/// All attributes of `name` in an open directory, sorted; of the directory itself with an empty name.
pub(super) fn read(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<Xattr>> {
    if xattrat::is_present() { by_name(dir, name) } else { by_path(dir, name) }
}

/// With the calls that know directories.
fn by_name(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<Xattr>> {
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    collect(
        |buffer| xattrat::list(dir, &name, buffer),
        |attribute, buffer| xattrat::get(dir, &name, attribute, buffer),
    )
}

/// With the calls that know paths alone: one through `/proc` names an entry without a race.
fn by_path(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<Xattr>> {
    let name = if name.is_empty() { b"." } else { name };
    let path = [format!("/proc/self/fd/{}/", dir.as_raw_fd()).as_bytes(), name].concat();
    let path = &path[..];
    collect(
        |buffer| rustix::fs::llistxattr(path, spare_capacity(buffer)),
        |attribute, buffer| rustix::fs::lgetxattr(path, attribute, spare_capacity(buffer)),
    )
}

fn collect(
    list: impl FnMut(&mut Vec<u8>) -> rustix::io::Result<usize>,
    mut get: impl FnMut(&CStr, &mut Vec<u8>) -> rustix::io::Result<usize>,
) -> io::Result<Vec<Xattr>> {
    let names = match grow(list) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(errno) => return Err(errno.into()),
    };
    let mut out = Vec::new();
    let mut total = 0;
    for name in names.split_inclusive(|b| *b == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok()) {
        match grow(|buffer| get(name, buffer)) {
            Ok(value) => {
                let name = name.to_bytes().to_vec();
                total += name.len() + value.len();
                out.push(Xattr { name, value });
            }
            // Removed meanwhile, or a kind that is listed and not given.
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::ACCESS | Errno::PERM) => {}
            Err(errno) => return Err(errno.into()),
        }
        if total > XATTR_BYTES_MAX {
            return Err(Errno::TOOBIG.into());
        }
    }
    out.sort();
    Ok(out)
}

/// Calls with a small buffer, which nearly always does, and once more with the largest there can be.
fn grow(mut call: impl FnMut(&mut Vec<u8>) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(256);
    match call(&mut buffer) {
        Err(Errno::RANGE) => {
            buffer = Vec::with_capacity(ONE_MAX);
            call(&mut buffer)?;
        }
        other => {
            other?;
        }
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use rustix::fs::{Mode, OFlags, XattrFlags, lsetxattr};

    /// Both ways must tell the same, or the same tree would look changed after an update of the kernel.
    #[test]
    fn both_ways_of_asking_tell_the_same() {
        if !xattrat::is_present() {
            eprintln!("skipped: this kernel has no listxattrat(2), or it is forbidden here");
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        std::fs::create_dir(at("dir")).unwrap();
        std::fs::write(at("dir/file"), b"x").unwrap();
        std::fs::write(at("dir/plain"), b"x").unwrap();
        std::os::unix::fs::symlink("file", at("dir/link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dir/broken")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("dir/fifo"), rustix::fs::FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        let set = |name: &str, attribute: &str, value: &[u8]| {
            let done = lsetxattr(at(name), attribute, value, XattrFlags::empty());
            done.inspect_err(|why| eprintln!("without {attribute} of {name}: {why}")).is_ok()
        };
        // Version 2, then tag, permissions, id: owner, user 1000, group, mask, others.
        let entry = |tag: u16, perm: u16, id: u32| {
            [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let none = u32::MAX;
        let acl =
            [entry(1, 6, none), entry(2, 4, 1000), entry(4, 4, none), entry(16, 4, none), entry(32, 0, none)];
        let acl = [&2u32.to_le_bytes()[..], &acl.concat()].concat();
        let mut expected = 0;
        expected += usize::from(set("dir/file", "user.small", b"v"));
        expected += usize::from(set("dir/file", "user.empty", b""));
        expected += usize::from(set("dir/file", "system.posix_acl_access", &acl));
        // ext4 takes no more than a block of them.
        let large = [60_000, 3_000].into_iter().any(|len| set("dir/file", "user.large", &vec![7; len]));
        expected += usize::from(large);
        // So many that their names do not fit into the first buffer.
        expected += (0..40).filter(|i| set("dir/file", &format!("user.many.{i:02}"), b"m")).count();
        let of_dir = usize::from(set("dir", "user.dir", b"d"))
            + usize::from(set("dir", "system.posix_acl_default", &acl));
        let of_link = usize::from(set("dir/link", "trusted.link", b"l"));

        let open = rustix::fs::open(at("dir"), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let dir = open.as_fd();
        let number = |answer: io::Result<Vec<Xattr>>| answer.map_err(|error| error.raw_os_error());
        for name in ["file", "plain", "link", "broken", "fifo", "", "none", "file/below"] {
            let (new, old) = (number(by_name(dir, name.as_bytes())), number(by_path(dir, name.as_bytes())));
            assert_eq!(new, old, "{name:?}");
        }
        let count = |name: &[u8]| {
            let own = by_name(dir, name).unwrap();
            own.iter().filter(|x| !x.name.starts_with(b"security.")).count()
        };
        assert_eq!((count(b"file"), count(b""), count(b"link")), (expected, of_dir, of_link));
        assert_eq!(number(by_name(dir, b"none")), Err(Some(libc::ENOENT)));
    }
}
