//! Trees on disk, made, read and compared.

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, UTIME_OMIT};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vigie_archive::{ContentState, Counts, ExtractError, Options, Summary, TreeWriter, extract};
use vigie_model::{FileTime, Metadata, NodeType, Xattr};

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a test that needs root is not run.
pub(crate) fn skip_unless_root(test: &str) -> bool {
    if !is_root() {
        eprintln!("{test} skipped: it needs root");
    }
    !is_root()
}

/// A directory for one test, on a file system that keeps extended attributes.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("vigie-archive-").tempdir_in("/var/tmp").unwrap()
}

// === metadata for streams made by hand ===

pub(crate) fn meta(node_type: NodeType, mode: u32) -> Metadata {
    Metadata {
        node_type,
        mode,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: FileTime { secs: 1_600_000_000, nanos: 123_456_789 },
        ctime: FileTime::default(),
        size: 0,
        xattrs: vec![],
    }
}

pub(crate) fn directory() -> Metadata {
    meta(NodeType::Directory, 0o755)
}

pub(crate) fn file() -> Metadata {
    meta(NodeType::File, 0o644)
}

pub(crate) fn symlink(target: &[u8]) -> Metadata {
    meta(NodeType::Symlink { target: target.to_vec() }, 0o777)
}

/// A stream of a directory whose content `fill` writes.
pub(crate) fn stream(fill: impl FnOnce(&mut TreeWriter<Vec<u8>>)) -> Vec<u8> {
    let mut tree = TreeWriter::new(Vec::new(), b"tree");
    tree.directory(b"", &directory()).unwrap();
    fill(&mut tree);
    tree.finish().unwrap().0
}

pub(crate) fn add_file(tree: &mut TreeWriter<Vec<u8>>, path: &[u8], content: &[u8]) {
    let pieces = content.chunks(10_000).map(Ok::<_, io::Error>);
    tree.file(path, &file(), content.len() as u64, ContentState::WHOLE, pieces).unwrap();
}

// === extraction ===

pub(crate) fn quietly(stream: &[u8], target: &Path, options: &Options) -> Result<Summary, ExtractError> {
    extract(stream, target, options, &mut |_| {})
}

/// Extracts and wants no remark.
pub(crate) fn extract_exactly(stream: &[u8], target: &Path) -> Summary {
    let summary = quietly(stream, target, &Options::default()).unwrap();
    assert!(summary.is_exact(), "{summary:?}");
    summary
}

pub(crate) fn forced() -> Options {
    Options { force: true, ..Options::default() }
}

// === trees on disk ===

pub(crate) fn set_mtime(path: &Path, secs: i64, nanos: u32) {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: secs, tv_nsec: nanos.into() },
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    rustix::fs::chmod(path, Mode::from_raw_mode(mode)).unwrap();
}

pub(crate) fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, rustix::fs::XattrFlags::empty()).unwrap();
}

pub(crate) fn make_node(path: &Path, kind: FileType, device: u64) {
    rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o640), device).unwrap();
}

fn xattrs(path: &Path) -> Vec<Xattr> {
    let mut list = vec![0; 65_536];
    let length = rustix::fs::llistxattr(path, &mut list[..]).unwrap();
    let names = list[..length].split(|b| *b == 0).filter(|name| !name.is_empty());
    let mut xattrs: Vec<Xattr> = names
        .map(|name| {
            let mut value = vec![0; 65_536];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            Xattr { name: name.to_vec(), value: value[..length].to_vec() }
        })
        .collect();
    xattrs.sort();
    xattrs
}

/// What `lstat` and `listxattr` say.
pub(crate) fn look(path: &Path) -> Metadata {
    let stat = rustix::fs::lstat(path).unwrap();
    let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let node_type = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => NodeType::File,
        FileType::Directory => NodeType::Directory,
        FileType::Symlink => {
            NodeType::Symlink { target: fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec() }
        }
        FileType::Fifo => NodeType::Fifo,
        FileType::Socket => NodeType::Socket,
        FileType::CharacterDevice => NodeType::CharDevice { major: device.0, minor: device.1 },
        _ => NodeType::BlockDevice { major: device.0, minor: device.1 },
    };
    let size =
        if matches!(node_type, NodeType::File | NodeType::Symlink { .. }) { stat.st_size as u64 } else { 0 };
    Metadata {
        node_type,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: FileTime { secs: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 },
        ctime: FileTime::default(),
        size,
        xattrs: xattrs(path),
    }
}

/// Paths below `root` in stream order, the root first.
fn walk(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    let mut at = 0;
    while at < found.len() {
        let here = full(root, &found[at]);
        if here.symlink_metadata().unwrap().is_dir() {
            let mut names: Vec<_> = fs::read_dir(&here).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            let below: Vec<_> = names.iter().map(|name| found[at].join(name)).collect();
            found.splice(at + 1..at + 1, below);
        }
        at += 1;
    }
    found
}

fn full(root: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { root.to_owned() } else { root.join(path) }
}

/// Writes a tree on disk as a stream.
pub(crate) fn pack(root: &Path) -> (Vec<u8>, Counts) {
    let name = root.file_name().unwrap_or(OsStr::new("root"));
    let mut tree = TreeWriter::new(Vec::new(), name.as_bytes());
    let mut first_names = BTreeMap::<(u64, u64), Vec<u8>>::new();
    for path in walk(root) {
        let (place, bytes) = (full(root, &path), path.as_os_str().as_bytes());
        let meta = look(&place);
        let stat = place.symlink_metadata().unwrap();
        if !stat.is_dir() && stat.nlink() > 1 {
            if let Some(first) = first_names.get(&(stat.dev(), stat.ino())) {
                tree.hard_link(bytes, first, &meta).unwrap();
                continue;
            }
            first_names.insert((stat.dev(), stat.ino()), bytes.to_vec());
        }
        match meta.node_type {
            NodeType::Directory => tree.directory(bytes, &meta).unwrap(),
            NodeType::File => {
                let content = fs::read(&place).unwrap();
                let pieces = content.chunks(100_000).map(Ok::<_, io::Error>);
                tree.file(bytes, &meta, meta.size, ContentState::WHOLE, pieces).unwrap();
            }
            _ => tree.other(bytes, &meta).unwrap(),
        }
    }
    tree.finish().unwrap()
}

/// A tree as text, for comparison: metadata, a digest-free view of contents, and which names share an object.
pub(crate) fn snapshot(root: &Path) -> Vec<String> {
    let mut objects = BTreeMap::new();
    let line = |path: PathBuf| {
        let place = full(root, &path);
        let stat = place.symlink_metadata().unwrap();
        let next = objects.len();
        let object = *objects.entry((stat.dev(), stat.ino())).or_insert(next);
        let content = if stat.is_file() { fs::read(&place).unwrap() } else { Vec::new() };
        let sum = content.iter().fold(7u64, |sum, b| sum.wrapping_mul(1_000_003).wrapping_add(u64::from(*b)));
        format!("{path:?} object {object} content {sum:x} {:?}", look(&place))
    };
    walk(root).into_iter().map(line).collect()
}

pub(crate) fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (snapshot(one), snapshot(other));
    for (a, b) in one.iter().zip(&other) {
        assert_eq!(a, b);
    }
    assert_eq!(one.len(), other.len());
}

// === other programs ===

/// Whether a program is there; says so when it is not.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no {program} on this machine");
    }
    found
}

/// Runs a program and wants it to succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    output
}

/// What rsync would change to make `copy` like `original`: nothing, if all is well.
pub(crate) fn rsync_differences(original: &Path, copy: &Path) -> String {
    let with_slash = |path: &Path| [path.as_os_str().as_bytes(), b"/"].concat();
    let output = run(Command::new("rsync")
        .args(["-naciHAX", "--devices", "--specials", "--delete"])
        .arg(OsStr::from_bytes(&with_slash(original)))
        .arg(OsStr::from_bytes(&with_slash(copy))));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
