//! Directories to edit and to compare.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Packages that every Debian system has: programs, libraries, many small files, links.
const PACKAGES: [&str; 4] = ["perl-base", "coreutils", "tzdata", "dpkg"];

/// Runs a shell command in a directory; it must end with 0.
pub(crate) fn sh(dir: &Path, line: &str) {
    let out = Command::new("sh").args(["-euc", line]).current_dir(dir).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "`{line}` in {}: {}\n{said}", dir.display(), out.status);
}

/// Fills a directory with what some Debian packages installed on this machine, metadata included.
pub(crate) fn unpack_debian(into: &Path) {
    let out = Command::new("dpkg").arg("-L").args(PACKAGES).output().expect("dpkg lists installed files");
    let listed = String::from_utf8(out.stdout).unwrap();
    // Documentation may be listed and left out of an installation; `/bin` may be a link to `/usr/bin`.
    let real = |line: &str| line.starts_with("/usr") || line.starts_with("/etc");
    let there = |line: &&str| real(line) && Path::new(line).symlink_metadata().is_ok();
    let files: Vec<String> = listed.lines().filter(there).map(|line| format!(".{line}")).collect();
    assert!(files.len() > 500, "only {} files in {PACKAGES:?}", files.len());

    let mut pack = Command::new("tar");
    pack.args(["--create", "--no-recursion", "--xattrs", "--directory=/", "--files-from=-"]);
    let mut pack = pack.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let archive = pack.stdout.take().unwrap();
    let mut unpack = Command::new("tar");
    unpack.args(["--extract", "--preserve-permissions", "--xattrs"]);
    let mut unpack = unpack.current_dir(into).stdin(archive).spawn().unwrap();
    pack.stdin.take().unwrap().write_all(files.join("\n").as_bytes()).unwrap();
    assert!(
        pack.wait().unwrap().success() && unpack.wait().unwrap().success(),
        "tar copies the packages' files"
    );
}

/// A copy with everything that `rsync` can carry over, to compare with later.
pub(crate) fn keep(tree: &Path, copy: &Path) {
    std::fs::create_dir_all(copy).unwrap();
    rsync(&["-acHAX", "--delete", "--modify-window=-1"], tree, copy);
    assert_same(tree, copy);
}

/// The judge finds nothing, and nothing again when time stamps are compared to the nanosecond.
pub(crate) fn assert_same(tree: &Path, restored: &Path) {
    let found = differences(tree, restored);
    assert_eq!(found, "", "{} differs from {}", restored.display(), tree.display());
    let found = rsync(&["-naiHAX", "--delete", "--modify-window=-1"], tree, restored);
    assert_eq!(found, "", "{} differs from {} in nanoseconds", restored.display(), tree.display());
}

fn rsync(options: &[&str], from: &Path, to: &Path) -> String {
    let inside = |dir: &Path| {
        let mut path = dir.as_os_str().to_owned();
        path.push("/");
        path
    };
    let out = Command::new("rsync").args(options).arg(inside(from)).arg(inside(to)).output();
    let out = out.expect("rsync is installed by `cargo xtask setup`");
    assert!(out.status.success(), "rsync {options:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// What the judge finds, by content, hard links, ACLs and extended attributes.
pub(crate) fn differences(tree: &Path, restored: &Path) -> String {
    rsync(&["-naciHAX", "--delete"], tree, restored)
}

/// Whether this test may change owners, make device nodes and set capabilities.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
