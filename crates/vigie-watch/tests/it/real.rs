//! The same on the real kernel, in directories of the test's own. What only root may do is named `root_…`,
//! and skipped with a word elsewhere.

use crate::driver::{MACHINE, read};
use crate::replica::Replica;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{current, park_timeout};
use std::time::{Duration, Instant};
use vigie_model::limits::CHUNK_BYTES;
use vigie_model::{BytePath, Clock, FileTime, GapCause, Metadata, NodeType, SystemClock, Xattr};
use vigie_watch::fakes::SnapshotNode;
use vigie_watch::{Config, Engine, Inotify, Piece, ReadEnd, ReadJob, Reader, RealFiles, RootState};

/// An engine on a directory of its own.
pub(crate) struct Real {
    temp: tempfile::TempDir,
    pub(crate) engine: Engine,
    reader: Reader,
    pub(crate) replica: Replica,
    clock: Arc<SystemClock>,
}

pub(crate) fn byte_path(path: &Path) -> BytePath {
    BytePath::normalise(path.as_os_str().as_bytes()).unwrap()
}

impl Real {
    pub(crate) fn new(prepare: impl FnOnce(&Path)) -> Real {
        let temp = tempfile::tempdir().unwrap();
        let (root, state) = (temp.path().join("data"), temp.path().join("state"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&state).unwrap();
        prepare(&root);
        let mut config = Config::new(MACHINE, vec![byte_path(&root)]);
        config.cookies = Some(byte_path(&state));
        config.paths = true;
        let owner = current();
        let kernel = Inotify::open(Arc::new(move || owner.unpark())).unwrap();
        let (files, clock) = (Arc::new(RealFiles::new()), Arc::new(SystemClock::default()));
        let mut engine = Engine::new(config, Box::new(kernel), files.clone(), clock.clone()).unwrap();
        engine.start(GapCause::FirstScan, None);
        let reader = Reader::new(MACHINE, files, clock.clone());
        let mut real = Real { temp, engine, reader, replica: Replica::default(), clock };
        real.flush();
        real.replica.log.clear();
        real
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.temp.path().join("data")
    }

    fn turn(&mut self) -> Option<Duration> {
        let step = self.engine.step();
        self.engine.take(usize::MAX).iter().for_each(|fact| self.replica.apply(fact));
        while let Some(job) = self.engine.next_read() {
            let outcome = read(&self.reader, &job, &mut self.replica);
            if let Some(fact) = self.engine.read_done(job, outcome) {
                self.replica.apply(&fact);
            }
        }
        let wait =
            step.wake_at.map_or(Duration::from_secs(1), |at| at.saturating_sub(self.clock.monotonic()));
        (!step.busy).then_some(wait)
    }

    /// Turns until something is true, for as long as a loaded machine may need.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Real) -> bool) {
        let began = Instant::now();
        while !done(self) {
            assert!(began.elapsed() < Duration::from_secs(120), "never: {what}\n{}", self.replica.tail());
            if let Some(wait) = self.turn() {
                park_timeout(wait.min(Duration::from_millis(200)));
            }
        }
    }

    pub(crate) fn flush(&mut self) {
        let cookie = self.engine.cookie().unwrap();
        self.until("the cookie is back", |real| real.engine.cookies_back().contains(&cookie));
        self.engine.take(usize::MAX).iter().for_each(|fact| self.replica.apply(fact));
    }

    pub(crate) fn check(&mut self, what: &str) {
        self.flush();
        let root = self.root();
        self.replica.assert_same(root.to_str().unwrap(), &snapshot(&root), what);
    }

    /// Words and names below the root of the facts so far, without the directories' own times.
    pub(crate) fn log(&mut self) -> Vec<String> {
        let prefix = format!("{}/", self.root().display());
        let log = std::mem::take(&mut self.replica.log).into_iter();
        log.filter(|line| !line.starts_with("metadata")).map(|line| line.replace(&prefix, "")).collect()
    }
}

/// What is really there, by means that the engine does not use.
fn snapshot(root: &Path) -> BTreeMap<Vec<u8>, SnapshotNode> {
    let mut out = BTreeMap::new();
    let mut stack = vec![(Vec::new(), root.to_path_buf())];
    while let Some((below, path)) = stack.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        let kind = stat.file_type();
        if kind.is_dir() {
            for entry in fs::read_dir(&path).unwrap() {
                let name = entry.unwrap().file_name();
                let slash: &[u8] = if below.is_empty() { b"" } else { b"/" };
                stack.push(([&below[..], slash, name.as_bytes()].concat(), path.join(&name)));
            }
        }
        let node_type = match () {
            () if kind.is_dir() => NodeType::Directory,
            () if kind.is_symlink() => NodeType::Symlink {
                target: fs::read_link(&path).unwrap().into_os_string().as_bytes().to_vec(),
            },
            () if kind.is_fifo() => NodeType::Fifo,
            () if kind.is_socket() => NodeType::Socket,
            () => NodeType::File,
        };
        let sized = kind.is_file() || kind.is_symlink();
        let meta = Metadata {
            node_type,
            mode: stat.mode() & 0o7777,
            uid: stat.uid(),
            gid: stat.gid(),
            mtime: FileTime { secs: stat.mtime(), nanos: stat.mtime_nsec() as u32 },
            ctime: FileTime::default(),
            size: if sized { stat.size() } else { 0 },
            xattrs: user_xattrs(&path, kind.is_file() || kind.is_dir()),
        };
        let content = kind.is_file().then(|| Arc::new(fs::read(&path).unwrap()));
        out.insert(below, SnapshotNode { ino: stat.ino(), meta, content });
    }
    out
}

fn user_xattrs(path: &Path, may_have: bool) -> Vec<Xattr> {
    let mut value = [0; 256];
    let name = "user.test";
    match rustix::fs::lgetxattr(path, name, &mut value) {
        Ok(len) if may_have => vec![Xattr { name: name.into(), value: value[..len].to_vec() }],
        _ => Vec::new(),
    }
}

#[test]
fn everything_that_happens_to_files_is_recorded() {
    let mut real = Real::new(|root| {
        fs::create_dir(root.join("old")).unwrap();
        fs::write(root.join("old/file"), "before").unwrap();
    });
    let root = real.root();
    fs::create_dir_all(root.join("a/b/c")).unwrap();
    fs::write(root.join("a/b/c/f"), "f").unwrap();
    fs::hard_link(root.join("a/b/c/f"), root.join("a/g")).unwrap();
    symlink("nowhere", root.join("a/l")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("a/p"), rustix::fs::FileType::Fifo, 0o640.into(), 0)
        .unwrap();
    drop(std::os::unix::net::UnixListener::bind(root.join("a/s")).unwrap());
    fs::write(root.join(OsStr::from_bytes(b"\xff\xfe\n")), "not utf-8").unwrap();
    real.check("creation");
    assert!(real.log().iter().any(|line| line.starts_with("linked")));

    fs::rename(root.join("a"), root.join("z")).unwrap();
    fs::rename(root.join("old/file"), root.join("z/b/file")).unwrap();
    real.check("renames");
    assert_eq!(real.log(), ["renamed a z", "renamed old/file z/b/file"]);

    fs::set_permissions(root.join("z/b"), fs::Permissions::from_mode(0o2711)).unwrap();
    fs::set_permissions(root.join("z/g"), fs::Permissions::from_mode(0o400)).unwrap();
    let _ = rustix::fs::setxattr(root.join("z/b/file"), "user.test", b"v", rustix::fs::XattrFlags::empty());
    fs::OpenOptions::new().append(true).open(root.join("z/b/file")).unwrap().write_all(b" more").unwrap();
    real.check("changes");

    fs::remove_dir_all(root.join("z")).unwrap();
    fs::create_dir(root.join("z")).unwrap();
    fs::write(root.join("z/again"), "x").unwrap();
    real.check("rm -rf and mkdir");
}

#[test]
fn a_truncation_by_path_and_an_exchange() {
    let mut real = Real::new(|root| {
        fs::write(root.join("f"), "long enough").unwrap();
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/in"), "d").unwrap();
    });
    let root = real.root();
    let name = std::ffi::CString::new(root.join("f").as_os_str().as_bytes()).unwrap();
    // A truncation through a descriptor that is closed is another event: this is the call by path.
    #[allow(unsafe_code)]
    // SAFETY: `name` ends with NUL and lives through the call.
    let result = unsafe { libc::truncate(name.as_ptr(), 4) };
    assert_eq!(result, 0);
    real.until("the truncation is read", |real| real.replica.log.iter().any(|l| l.starts_with("content")));
    real.check("truncate");
    real.log();
    let (cwd, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
    rustix::fs::renameat_with(cwd, root.join("f"), cwd, root.join("d"), flags).unwrap();
    real.check("exchange");
    let log = real.log();
    assert!(log.iter().all(|line| line.starts_with("renamed")) && log.len() == 2, "{log:?}");
}

#[test]
fn an_unnamed_file_is_read_when_it_gets_its_name() {
    let mut real = Real::new(|_| {});
    let root = real.root();
    let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::WRONLY;
    let Ok(fd) = rustix::fs::open(&root, flags, 0o600.into()) else {
        return println!("skipped: no unnamed files here");
    };
    rustix::io::write(&fd, b"complete").unwrap();
    use rustix::fd::AsRawFd;
    let proc = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let cwd = rustix::fs::CWD;
    rustix::fs::linkat(cwd, proc, cwd, root.join("named"), rustix::fs::AtFlags::SYMLINK_FOLLOW).unwrap();
    // The descriptor stays open: no CLOSE_WRITE comes to help.
    real.until("it is read", |real| real.replica.log.iter().any(|l| l.starts_with("content")));
    real.check("linkat");
}

#[test]
fn a_root_removed_and_made_again() {
    let mut real = Real::new(|root| fs::write(root.join("f"), "f").unwrap());
    let root = real.root();
    fs::remove_dir_all(&root).unwrap();
    real.until("it is lost", |real| real.engine.status().roots[0].state == RootState::Lost);
    fs::create_dir(&root).unwrap();
    fs::write(root.join("g"), "g").unwrap();
    real.until("it is back", |real| real.engine.status().roots[0].state == RootState::Watching);
    fs::write(root.join("h"), "h").unwrap();
    real.check("after the return");
    assert!(real.replica.gaps.is_empty());
}

#[test]
fn a_root_that_was_away_lost_nothing() {
    let mut real = Real::new(|root| fs::write(root.join("f"), "f").unwrap());
    let (root, away) = (real.root(), real.temp.path().join("away"));
    fs::rename(&root, &away).unwrap();
    real.until("it is lost", |real| real.engine.status().roots[0].state == RootState::Lost);
    fs::rename(&away, &root).unwrap();
    real.until("it is back", |real| real.replica.gaps.is_empty());
    real.check("after the return");
    assert!(!real.log().iter().any(|line| line.starts_with("removed") || line.starts_with("created")));
}

#[test]
fn paths_longer_than_the_kernel_takes_at_once() {
    let mut real = Real::new(|_| {});
    let name = "d".repeat(200);
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY;
    let mut at = rustix::fs::open(real.root(), flags, 0.into()).unwrap();
    for _ in 0..40 {
        rustix::fs::mkdirat(&at, &name, 0o755.into()).unwrap();
        at = rustix::fs::openat(&at, &name, flags, 0.into()).unwrap();
    }
    let create = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let file = rustix::fs::openat(&at, "deep", create, 0o600.into()).unwrap();
    rustix::io::write(&file, b"down here").unwrap();
    drop(file);
    real.flush();
    let tree = real.replica.tree(real.root().to_str().unwrap());
    let (path, line) = tree.last_key_value().unwrap();
    assert!(path.len() > 8_000 && path.ends_with(b"/deep"), "{} bytes", path.len());
    let digest = line.content.as_ref().unwrap().digest;
    assert_eq!(real.replica.blobs[&digest], b"down here");
    assert!(real.replica.errors.is_empty(), "{:?}", real.replica.errors);
}

#[test]
fn a_burst_larger_than_the_kernels_queue_is_whole_in_the_end() {
    let mut real = Real::new(|_| {});
    let root = real.root();
    for i in 0..6_000 {
        fs::write(root.join(format!("{i}")), "x").unwrap();
    }
    for i in 0..3_000 {
        fs::rename(root.join(format!("{i}")), root.join(format!("r{i}"))).unwrap();
    }
    real.check("after the burst");
}

#[test]
fn a_large_file_is_cut_where_its_content_says_and_a_sparse_one_is_quick() {
    let temp = tempfile::tempdir().unwrap();
    let root = byte_path(temp.path());
    let random = |i: u64| i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let bytes: Vec<u8> = (0..3_000_000).map(|i| (random(random(i)) >> 40) as u8).collect();
    fs::write(temp.path().join("large"), &bytes).unwrap();
    fs::write(temp.path().join("shifted"), [b"+", &bytes[..]].concat()).unwrap();
    let mut sparse = File::create(temp.path().join("sparse")).unwrap();
    sparse.seek(SeekFrom::Start(100_000_000)).unwrap();
    sparse.write_all(b"end").unwrap();
    let mut real = Real::new(|_| {});
    real.flush();
    let reader = Reader::new(MACHINE, Arc::new(RealFiles::new()), real.clock.clone());
    let chunks = |name: &str| {
        let node = node_of(temp.path(), name);
        let job = ReadJob { node, root: root.clone(), below: name.into(), size: 0, live: true, torn: false };
        let mut chunks = Vec::new();
        let end = reader.read(&job, &mut |piece| {
            let Piece::Chunk(chunk) = piece else { panic!("a large file in one piece") };
            chunks.push(chunk);
            true
        });
        assert!(matches!(end, ReadEnd::Read(read) if !read.torn), "{end:?}");
        chunks
    };
    let (large, shifted, sparse) = (chunks("large"), chunks("shifted"), chunks("sparse"));
    assert_eq!(large.concat(), bytes);
    assert!(large.iter().rev().skip(1).all(|c| (CHUNK_BYTES.0..=CHUNK_BYTES.2).contains(&c.len())));
    let new = shifted.iter().filter(|c| !large.contains(c)).count();
    assert!(new <= 3, "one byte in front changed {new} of {} chunks", shifted.len());
    assert_eq!(sparse.iter().map(Vec::len).sum::<usize>(), 100_000_003);
    assert!(sparse.concat().ends_with(b"\0\0end"));
}

/// The node id of a file, as an engine finds it.
fn node_of(dir: &Path, name: &str) -> vigie_model::NodeId {
    let config = Config::new(MACHINE, vec![byte_path(dir)]);
    let kernel = Inotify::open(Arc::new(|| {})).unwrap();
    let clock = Arc::new(SystemClock::default());
    let mut engine = Engine::new(config, Box::new(kernel), Arc::new(RealFiles::new()), clock).unwrap();
    engine.start(GapCause::FirstScan, None);
    let mut facts = Vec::new();
    while engine.step().busy {
        facts.extend(engine.take(usize::MAX));
    }
    facts.extend(engine.take(usize::MAX));
    let found = facts.iter().find_map(|fact| match &fact.event {
        vigie_model::FileEvent::Created(e) if e.name.as_bytes() == name.as_bytes() => Some(e.node),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn a_reader_notices_that_a_path_leads_elsewhere() {
    let temp = tempfile::tempdir().unwrap();
    let root = byte_path(temp.path());
    let reader = Reader::new(MACHINE, Arc::new(RealFiles::new()), Arc::new(SystemClock::default()));
    fs::write(temp.path().join("f"), "f").unwrap();
    let node = node_of(temp.path(), "f");
    let job = ReadJob { node, root, below: b"f".to_vec(), size: 1, live: true, torn: false };
    assert!(matches!(reader.read(&job, &mut |_| true), ReadEnd::Read(_)));
    assert_eq!(reader.read(&job, &mut |_| false), ReadEnd::Stopped);
    fs::write(temp.path().join("other"), "x").unwrap();
    fs::rename(temp.path().join("other"), temp.path().join("f")).unwrap();
    assert_eq!(reader.read(&job, &mut |_| true), ReadEnd::Gone);
    fs::remove_file(temp.path().join("f")).unwrap();
    symlink("/etc/passwd", temp.path().join("f")).unwrap();
    assert_eq!(reader.read(&job, &mut |_| true), ReadEnd::Gone);
    fs::remove_file(temp.path().join("f")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, temp.path().join("f"), fifo, 0o600.into(), 0).unwrap();
    assert_eq!(reader.read(&job, &mut |_| true), ReadEnd::Gone);
}

#[test]
fn a_file_that_changes_under_its_reader_is_not_taken_for_whole() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    fs::write(&path, vec![1; 700_000]).unwrap();
    let node = node_of(temp.path(), "f");
    let reader = Reader::new(MACHINE, Arc::new(RealFiles::new()), Arc::new(SystemClock::default()));
    let mut job = ReadJob {
        node,
        root: byte_path(temp.path()),
        below: b"f".to_vec(),
        size: 0,
        live: true,
        torn: false,
    };
    let mut change = |_| {
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"!").unwrap();
        true
    };
    assert_eq!(reader.read(&job, &mut change), ReadEnd::Changed);
    job.torn = true;
    assert!(matches!(reader.read(&job, &mut change), ReadEnd::Read(read) if read.torn));
}

#[test]
fn what_is_wrong_is_said_before_anything_starts() {
    let engine = |roots: &[&str], ignore: &[&str]| {
        let roots = roots.iter().map(|r| BytePath::normalise(r.as_bytes()).unwrap()).collect();
        let mut config = Config::new(MACHINE, roots);
        config.ignore = ignore.iter().map(|p| (*p).into()).collect();
        let kernel = Inotify::open(Arc::new(|| {})).unwrap();
        let clock = Arc::new(SystemClock::default());
        Engine::new(config, Box::new(kernel), Arc::new(RealFiles::new()), clock).unwrap_err().to_string()
    };
    assert!(engine(&["/no/such/place"], &[]).starts_with("cannot watch /no/such/place: No such file"));
    assert!(engine(&["/etc/passwd"], &[]).contains("Not a directory"));
    assert!(engine(&["/proc"], &[]).contains("proc holds the kernel's own data"));
    assert!(engine(&["/tmp", "/tmp"], &[]).contains("given twice"));
    assert!(engine(&["/tmp"], &["[z-a]"]).contains("[z-a]"));
}
