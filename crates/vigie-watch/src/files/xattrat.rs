//! `listxattrat(2)` and `getxattrat(2)` (Linux 6.13): attributes of a name in an open directory, without a walk through
//! `/proc`. Neither is in rustix or libc yet.

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::CStr;
use std::sync::LazyLock;

/// `include/uapi/asm-generic/unistd.h`: the same on every architecture that numbers new calls alike.
const GETXATTRAT: libc::c_long = 464;
const LISTXATTRAT: libc::c_long = 465;
const NUMBERED_ALIKE: bool = cfg!(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "powerpc64",
    target_arch = "s390x",
    target_arch = "loongarch64",
)) && cfg!(not(target_abi = "x32"));

/// `struct xattr_args` of `linux/xattr.h`.
#[repr(C, align(8))]
struct XattrArgs {
    value: u64,
    size: u32,
    flags: u32,
}

/// Whether this kernel has both calls, and whoever confines this process lets it make them. Asked once.
pub(super) fn is_present() -> bool {
    static PRESENT: LazyLock<bool> = LazyLock::new(|| {
        // Without a buffer a list gives its length, and a value that is not there is no data. A filter of system calls
        // that does not know them answers either of the two.
        let absent = |answer: rustix::io::Result<usize>| matches!(answer, Err(Errno::NOSYS | Errno::PERM));
        let root = rustix::fs::CWD;
        NUMBERED_ALIKE
            && !absent(list(root, c"/", &mut Vec::new()))
            && !absent(get(root, c"/", c"user.vigie.none", &mut Vec::new()))
    });
    *PRESENT
}

fn flags_for(name: &CStr) -> libc::c_int {
    if name.is_empty() { libc::AT_EMPTY_PATH } else { libc::AT_SYMLINK_NOFOLLOW }
}

/// Fills the spare room of a buffer with the names of all attributes of `name` in a directory, each with its closing NUL;
/// of the directory itself with an empty name. Never follows a symlink. Gives the length; without room, the length that
/// would do.
#[allow(unsafe_code)]
pub(super) fn list(dir: BorrowedFd<'_>, name: &CStr, out: &mut Vec<u8>) -> rustix::io::Result<usize> {
    let room = out.spare_capacity_mut();
    // SAFETY: the descriptor is open for the length of the call, `name` ends with NUL, and the kernel writes at most as
    // many bytes as are stated, which is the room there is.
    let result = unsafe {
        libc::syscall(
            LISTXATTRAT,
            dir.as_raw_fd(),
            name.as_ptr(),
            flags_for(name),
            room.as_mut_ptr(),
            room.len(),
        )
    };
    filled(result, out)
}

/// The same for the value of one attribute.
#[allow(unsafe_code)]
pub(super) fn get(
    dir: BorrowedFd<'_>,
    name: &CStr,
    attribute: &CStr,
    out: &mut Vec<u8>,
) -> rustix::io::Result<usize> {
    let room = out.spare_capacity_mut();
    let size = u32::try_from(room.len()).unwrap_or(u32::MAX);
    let mut args = XattrArgs { value: room.as_mut_ptr().expose_provenance() as u64, size, flags: 0 };
    // SAFETY: the descriptor is open for the length of the call, both names end with NUL, `args` has the layout of
    // `struct xattr_args` and its stated size, and the kernel writes at most `size` bytes to the room that it points to.
    let result = unsafe {
        libc::syscall(
            GETXATTRAT,
            dir.as_raw_fd(),
            name.as_ptr(),
            flags_for(name),
            attribute.as_ptr(),
            &raw mut args,
            size_of::<XattrArgs>(),
        )
    };
    filled(result, out)
}

/// Takes what a call wrote into the spare room.
#[allow(unsafe_code)]
fn filled(result: libc::c_long, out: &mut Vec<u8>) -> rustix::io::Result<usize> {
    let Ok(len) = usize::try_from(result) else {
        let number = std::io::Error::last_os_error().raw_os_error();
        return Err(Errno::from_raw_os_error(number.unwrap_or(libc::EIO)));
    };
    let written = len.min(out.capacity() - out.len());
    if written == len {
        // SAFETY: the kernel wrote `len` bytes behind the old length, and they are within the capacity.
        unsafe { out.set_len(out.len() + len) };
    }
    Ok(len)
}
