//! Extended attributes, of the object itself and never of what a symlink leads to.

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use std::io;
use vigie_model::Xattr;
use vigie_model::limits::XATTR_BYTES_MAX;

/// `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` of `linux/limits.h`.
const ONE_MAX: usize = 65_536;

/// All attributes of what `path` names, sorted. `/proc/self/fd/N/NAME` makes it a name in an open directory.
pub(super) fn read(path: &[u8]) -> io::Result<Vec<Xattr>> {
    let names = match grow(|buffer| rustix::fs::llistxattr(path, spare_capacity(buffer))) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(errno) => return Err(errno.into()),
    };
    let mut out = Vec::new();
    let mut total = 0;
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        match grow(|buffer| rustix::fs::lgetxattr(path, name, spare_capacity(buffer))) {
            Ok(value) => {
                total += name.len() + value.len();
                out.push(Xattr { name: name.to_vec(), value });
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
