//! Kinds of file systems by their magic number (`linux/magic.h`), and what follows from each.

use super::{FsClass, FsInfo};

use FsClass::{Local, Network, Pseudo};

/// Magic number, name, class. A number that is not here is taken for a local file system: better to watch in
/// vain than not at all.
const KINDS: &[(u32, &str, FsClass)] = &[
    (0xef53, "ext4", Local),
    (0x5846_5342, "xfs", Local),
    (0x9123_683e, "btrfs", Local),
    (0x0102_1994, "tmpfs", Local),
    (0x8584_58f6, "ramfs", Local),
    (0x794c_7630, "overlay", Local),
    (0xf2f5_2010, "f2fs", Local),
    (0x2fc1_2fc1, "zfs", Local),
    (0xca45_1a4e, "bcachefs", Local),
    (0x4d44, "vfat", Local),
    (0x2011_bab0, "exfat", Local),
    (0x7366_746e, "ntfs3", Local),
    (0x7371_7368, "squashfs", Local),
    (0xe0f5_e1e2, "erofs", Local),
    (0x9660, "iso9660", Local),
    (0x6969, "nfs", Network),
    (0x517b, "smb", Network),
    (0xff53_4d42, "cifs", Network),
    (0xfe53_4d42, "smb2", Network),
    (0x00c3_6400, "ceph", Network),
    (0x0102_1997, "9p", Network),
    (0x5346_414f, "afs", Network),
    (0x6b41_4653, "kafs", Network),
    (0x7461_636f, "ocfs2", Network),
    (0x0116_1970, "gfs2", Network),
    (0x0bd0_0bd0, "lustre", Network),
    (0x6573_5546, "fuse", Network),
    (0x786f_4256, "vboxsf", Network),
    (0x6a65_6a63, "virtiofs", Network),
    (0x9fa0, "proc", Pseudo),
    (0x6265_6572, "sysfs", Pseudo),
    (0x0027_e0eb, "cgroup", Pseudo),
    (0x6367_7270, "cgroup2", Pseudo),
    (0x1cd1, "devpts", Pseudo),
    (0x6462_6720, "debugfs", Pseudo),
    (0x7472_6163, "tracefs", Pseudo),
    (0x7363_6673, "securityfs", Pseudo),
    (0x6165_676c, "pstore", Pseudo),
    (0xde5e_81e4, "efivarfs", Pseudo),
    (0xcafe_4a11, "bpf", Pseudo),
    (0x6265_6570, "configfs", Pseudo),
    (0x1980_0202, "mqueue", Pseudo),
    (0x9584_58f6, "hugetlbfs", Pseudo),
    (0x6573_5543, "fusectl", Pseudo),
    (0x4249_4e4d, "binfmt_misc", Pseudo),
    (0xf97c_ff8c, "selinuxfs", Pseudo),
    (0x6759_6969, "rpc_pipefs", Pseudo),
    (0x6e73_6673, "nsfs", Pseudo),
    // Entering a directory of autofs mounts something: never by accident.
    (0x0187, "autofs", Pseudo),
];

/// What is known of a file system with this magic number.
pub(super) fn info(magic: u32) -> FsInfo {
    match KINDS.iter().find(|(known, ..)| *known == magic) {
        Some((_, name, class)) => FsInfo { name: (*name).into(), class: *class },
        None => FsInfo { name: format!("{magic:#x}"), class: Local },
    }
}

/// Whether such a file system gives every change after a `stat` a `ctime` of its own: multigrain timestamps,
/// since Linux 6.13 (`Documentation/filesystems/multigrain-ts.rst`).
pub(super) fn fine_times(name: &str, kernel: (u32, u32)) -> bool {
    kernel >= (6, 13) && matches!(name, "ext4" | "xfs" | "btrfs" | "tmpfs")
}

/// Major and minor number of a kernel release such as `6.18.44-fc`.
pub(super) fn release(text: &str) -> (u32, u32) {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_file_systems_are_watched() {
        assert_eq!(info(0x1234), FsInfo { name: "0x1234".into(), class: Local });
        assert_eq!(info(0x9fa0).class, Pseudo);
    }

    #[test]
    fn fine_times_need_a_kernel_that_has_them() {
        assert!(fine_times("ext4", release("6.18.44-fc-v595")));
        assert!(!fine_times("ext4", release("6.12.0")));
        assert!(!fine_times("vfat", release("7.0")));
        assert_eq!(release(""), (0, 0));
    }
}
