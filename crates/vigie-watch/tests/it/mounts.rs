//! What is mounted over watched directories, and taken away again. Only root may do that: the tests are named `root_…`,
//! and skipped with a word elsewhere.

use crate::driver::MACHINE;
use crate::real::{Real, byte_path};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vigie_model::{GapCause, SystemClock};
use vigie_watch::{Config, Engine, Inotify, RealFiles};

/// Mounts something, or says why not.
fn mounted(args: &[&OsStr]) -> bool {
    let status = std::process::Command::new("mount").args(args).status();
    let done = rustix::process::geteuid().is_root() && status.is_ok_and(|s| s.success());
    if !done {
        println!("skipped: may not mount here");
    }
    done
}

#[test]
fn root_a_mount_over_a_watched_directory_is_seen() {
    let mut real = Real::new(|root| {
        fs::create_dir(root.join("m")).unwrap();
        fs::write(root.join("m/below"), "b").unwrap();
    });
    let point = real.root().join("m");
    if !mounted(&["-t".as_ref(), "tmpfs".as_ref(), "none".as_ref(), point.as_os_str()]) {
        return;
    }
    fs::write(point.join("above"), "a").unwrap();
    real.until("what is mounted is seen", |real| {
        real.replica.tree(real.root().to_str().unwrap()).contains_key(&b"m/above"[..])
    });
    real.check("mounted");
    assert!(std::process::Command::new("umount").arg(&point).status().is_ok_and(|s| s.success()));
    real.until("what was below is seen again", |real| {
        real.replica.tree(real.root().to_str().unwrap()).contains_key(&b"m/below"[..])
    });
    real.check("unmounted");
}

/// What is mounted, for as long as a test runs, though it may fail.
struct Mounted(Vec<PathBuf>);

impl Mounted {
    /// Mounts something over a directory or file, or says why not.
    fn over(&mut self, args: &[&str], point: &Path) -> bool {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).chain([point.as_os_str()]).collect();
        let done = mounted(&args);
        if done {
            self.0.push(point.to_owned());
        }
        done
    }

    fn bind(&mut self, what: &Path, point: &Path) -> bool {
        self.over(&["--bind", what.to_str().unwrap()], point)
    }

    /// Takes the last one away.
    fn off(&mut self) {
        let point = self.0.pop().unwrap();
        assert!(std::process::Command::new("umount").arg(&point).status().is_ok_and(|s| s.success()));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for point in self.0.drain(..).rev() {
            let _ = std::process::Command::new("umount").args(["-l".as_ref(), point.as_os_str()]).status();
        }
    }
}

impl Real {
    fn unseen(&self) -> Vec<String> {
        self.replica.unseen(self.root().to_str().unwrap())
    }

    fn has(&self, path: &str) -> bool {
        self.replica.tree(self.root().to_str().unwrap()).contains_key(path.as_bytes())
    }

    fn until_unseen(&mut self, what: &str, unseen: &[&str]) {
        self.until(what, |real| real.unseen() == unseen);
        self.flush();
        assert_eq!(self.unseen(), unseen, "{what}");
    }
}

fn two_directories(root: &Path) {
    for dir in ["in/sub", "b/under"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    fs::write(root.join("in/f"), "in").unwrap();
    fs::write(root.join("in/sub/g"), "sub").unwrap();
    fs::write(root.join("b/below"), "below").unwrap();
    fs::write(root.join("b/under/deep"), "deep").unwrap();
}

#[test]
fn root_what_a_bind_mount_of_the_same_tree_hides_is_not_gone() {
    let (mut real, mut mounts) = (Real::new(two_directories), Mounted(Vec::new()));
    let root = real.root();
    if !mounts.bind(&root.join("in"), &root.join("b")) {
        return;
    }
    real.until_unseen("mounted over", &["b"]);
    assert!(real.has("b/below") && real.has("b/under/deep") && real.has("in/f"), "{}", real.replica.tail());
    let notices = real.engine.status().notices;
    assert!(notices.iter().any(|n| n.contains("/b is hidden")), "{notices:?}");
    // What is mounted is recorded where it is, by either name.
    fs::write(root.join("b/f"), "changed").unwrap();
    real.flush();
    assert_eq!(real.log(), ["unseen b", "content in/f"]);
    mounts.off();
    real.until_unseen("seen again", &[]);
    real.check("unmounted");
    assert_eq!(real.log(), ["seen b"]);
    assert!(real.engine.status().notices.is_empty());
    fs::write(root.join("b/under/deep"), "later").unwrap();
    real.check("it is watched again");
}

#[test]
fn root_what_changes_where_it_is_hidden_is_found_afterwards() {
    let (mut real, mut mounts) = (Real::new(two_directories), Mounted(Vec::new()));
    let root = real.root();
    let held = File::open(root.join("b")).unwrap();
    let mut open = fs::OpenOptions::new().append(true).open(root.join("b/below")).unwrap();
    if !mounts.bind(&root.join("in"), &root.join("b")) {
        return;
    }
    open.write_all(b", written").unwrap();
    real.until_unseen("mounted over", &["b"]);
    open.write_all(b" through an open file").unwrap();
    rustix::fs::mkdirat(&held, "made", 0o755.into()).unwrap();
    rustix::fs::unlinkat(&held, "under/deep", rustix::fs::AtFlags::empty()).unwrap();
    real.flush();
    real.until_unseen("nothing keeps a flush waiting", &["b"]);
    mounts.off();
    real.until_unseen("seen again", &[]);
    real.check("unmounted");
}

#[test]
fn root_what_was_hidden_and_moves_before_it_is_looked_at_is_seen_where_it_is() {
    let (mut real, mut mounts) = (Real::new(two_directories), Mounted(Vec::new()));
    let root = real.root();
    let held = File::open(root.join("b")).unwrap();
    if !mounts.bind(&root.join("in"), &root.join("b")) {
        return;
    }
    real.until_unseen("mounted over", &["b"]);
    rustix::fs::unlinkat(&held, "under/deep", rustix::fs::AtFlags::empty()).unwrap();
    mounts.off();
    fs::rename(root.join("b"), root.join("in/sub/moved")).unwrap();
    fs::write(root.join("in/sub/moved/new"), "new").unwrap();
    real.until_unseen("seen elsewhere", &[]);
    real.check("moved");
    fs::write(root.join("in/sub/moved/under/later"), "later").unwrap();
    real.check("it is watched again");
}

#[test]
fn root_mounts_that_lie_on_each_other_and_within_each_other() {
    let (mut real, mut mounts) = (Real::new(two_directories), Mounted(Vec::new()));
    let root = real.root();
    if !mounts.bind(&root.join("in"), &root.join("b")) {
        return;
    }
    real.until_unseen("one", &["b"]);
    // A second one on top changes nothing, nor does its end.
    assert!(mounts.bind(&root.join("in/sub"), &root.join("b")));
    real.until_unseen("two", &["b"]);
    mounts.off();
    real.until_unseen("one again", &["b"]);
    mounts.off();
    real.until_unseen("none", &[]);
    real.check("after two");
    // The root itself, and a directory within what is mounted.
    assert!(mounts.bind(&root, &root.join("b/under")));
    real.until_unseen("the root below itself", &["b/under"]);
    assert!(mounts.bind(&root.join("in"), &root.join("b")));
    real.until_unseen("and hidden with it", &["b", "b/under"]);
    mounts.off();
    real.until_unseen("the outer one is gone", &["b/under"]);
    mounts.off();
    real.until_unseen("none again", &[]);
    real.check("after the root");
}

#[test]
fn root_a_bind_mount_that_was_there_before_is_not_taken_for_the_first_place() {
    let mut mounts = Mounted(Vec::new());
    let mut may = true;
    // Whichever of the two is listed first.
    for (inner, point) in [("in", "b"), ("b", "in")] {
        let mut real = Real::new(|root| {
            two_directories(root);
            may &= mounts.bind(&root.join(inner), &root.join(point));
        });
        if !may {
            return;
        }
        real.flush();
        assert_eq!(real.unseen(), [""], "the root has an entry that is not seen");
        assert!(real.has(inner) && !real.has(point), "{}", real.replica.tail());
        let notices = real.engine.status().notices;
        assert!(notices.iter().any(|n| n.contains(&format!("what is at {point} "))), "{notices:?}");
        mounts.off();
        real.until_unseen("seen", &[]);
        real.check("unmounted");
    }
}

#[test]
fn root_a_file_over_a_file() {
    let (mut real, mut mounts) = (Real::new(two_directories), Mounted(Vec::new()));
    let root = real.root();
    if !mounts.bind(&root.join("in/f"), &root.join("b/below")) {
        return;
    }
    real.until("it is one more name", |real| real.log().contains(&"linked b/below".to_owned()));
    real.check("mounted");
    mounts.off();
    real.until("the file below is back", |real| real.log().contains(&"created b/below".to_owned()));
    real.check("unmounted");
}

#[test]
fn root_the_kernels_own_data_over_a_directory_hides_it() {
    let (mut real, mut mounts) = (Real::new(two_directories), Mounted(Vec::new()));
    if !mounts.over(&["-t", "proc", "none"], &real.root().join("b")) {
        return;
    }
    real.until_unseen("mounted over", &["b"]);
    assert!(real.has("b/under/deep"));
    mounts.off();
    real.until_unseen("seen again", &[]);
    real.check("unmounted");
}

#[test]
fn root_the_kernels_own_file_systems_are_left_out() {
    let point = tempfile::tempdir().unwrap();
    let proc = point.path().join("proc");
    fs::create_dir(&proc).unwrap();
    if !mounted(&["-t".as_ref(), "proc".as_ref(), "none".as_ref(), proc.as_os_str()]) {
        return;
    }
    fs::write(point.path().join("f"), "f").unwrap();
    let config = Config::new(MACHINE, vec![byte_path(point.path())]);
    let kernel = Inotify::open(Arc::new(|| {})).unwrap();
    let clock = Arc::new(SystemClock::default());
    let mut engine = Engine::new(config, Box::new(kernel), Arc::new(RealFiles::new()), clock).unwrap();
    engine.start(GapCause::FirstScan, None);
    while engine.step().busy {}
    let status = engine.status();
    assert!(std::process::Command::new("umount").arg(&proc).status().is_ok_and(|s| s.success()));
    assert_eq!(status.nodes, 2, "{status:?}");
    assert!(status.notices.iter().any(|n| n.contains("kernel's own data")), "{status:?}");
}
