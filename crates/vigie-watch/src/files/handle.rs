//! `name_to_handle_at(2)` and the file system's id: what identities rest on. Neither is in rustix.

use rustix::fd::{AsRawFd, BorrowedFd};
use std::ffi::CStr;
use std::io;

/// `MAX_HANDLE_SZ` of `linux/exportfs.h`: no file system has longer handles.
const HANDLE_BYTES_MAX: usize = 128;

/// `AT_HANDLE_FID` of `linux/fcntl.h` (Linux 6.6): a handle that identifies but need not be openable, which
/// file systems such as overlayfs can give where they refuse the other kind.
pub(super) const HANDLE_FID: i32 = 0x200;

/// `struct file_handle` with room for any handle.
#[repr(C)]
struct FileHandle {
    bytes: u32,
    kind: i32,
    data: [u8; HANDLE_BYTES_MAX],
}

/// The handle of `name` in a directory, or of the descriptor itself with an empty name, its type first.
/// Never follows a symlink.
#[allow(unsafe_code)]
pub(super) fn handle(dir: BorrowedFd<'_>, name: &CStr, flags: i32) -> io::Result<Vec<u8>> {
    let flags = if name.is_empty() { flags | libc::AT_EMPTY_PATH } else { flags };
    let mut handle = FileHandle { bytes: HANDLE_BYTES_MAX as u32, kind: 0, data: [0; HANDLE_BYTES_MAX] };
    let mut mount = 0i32;
    // SAFETY: the descriptor is open for the length of the call, `name` ends with NUL, `handle` has the layout
    // of `struct file_handle` followed by as many bytes as it states, and `mount` is an `int`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            dir.as_raw_fd(),
            name.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            flags,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let len = (handle.bytes as usize).min(HANDLE_BYTES_MAX);
    Ok([&handle.kind.to_le_bytes(), &handle.data[..len]].concat())
}

/// `struct fsuuid2` of `linux/fs.h`.
#[repr(C)]
struct FsUuid {
    len: u8,
    uuid: [u8; 16],
}

/// `FS_IOC_GETFSUUID` (Linux 6.9): `_IOR(0x15, 0, struct fsuuid2)`.
const GET_FS_UUID: u64 = (2 << 30) | ((size_of::<FsUuid>() as u64) << 16) | (0x15 << 8);

/// The UUID of the file system that an open file or directory is on, where it has one and tells it.
#[allow(unsafe_code)]
pub(super) fn fs_uuid(fd: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let mut out = FsUuid { len: 0, uuid: [0; 16] };
    // SAFETY: the descriptor is open for the length of the call, and the kernel writes at most one
    // `struct fsuuid2`, whose layout `out` has.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), GET_FS_UUID as _, &raw mut out) };
    let uuid = out.uuid.get(..usize::from(out.len))?;
    (result == 0 && uuid.iter().any(|b| *b != 0)).then(|| uuid.to_vec())
}
