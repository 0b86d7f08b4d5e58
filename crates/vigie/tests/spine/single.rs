//! Commands that need no hub of their own: `up` brings one along, `watch` needs none.

use crate::process::{Process, eventually};
use crate::tree::{assert_same, sh};
use crate::world::VIGIE;
use std::path::Path;
use std::process::{Command, Output};

fn client(data: &Path, args: &[&str]) -> Output {
    Command::new(VIGIE).args(args).env("VIGIE_API", data.join("api.sock")).output().unwrap()
}

/// Waits until `up` has caught up with the directory.
fn flush(data: &Path) {
    eventually("up has flushed", || {
        client(data, &["flush", "--timeout", "60s"]).status.success().then_some(())
    });
}

#[test]
fn up_shows_changes_as_they_happen_and_brings_them_back() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().canonicalize().unwrap();
    // The store lies below the watched directory, as with `vigie up ~`.
    let data = dir.join("below/data");
    std::fs::write(dir.join("before"), "x").unwrap();
    let mut command = Command::new(VIGIE);
    command.arg("up").arg(&dir).arg("--data").arg(&data);
    let outside = tempfile::tempdir().unwrap();
    let up = Process::start(&mut command, &outside.path().join("up.out"));
    flush(&data);

    sh(&dir, "mkdir fresh && echo hello > fresh/noticed");
    up.prints("noticed");
    flush(&data);

    let log = client(&data, &["log", "--json", "-n", "100000"]);
    let log = String::from_utf8(log.stdout).unwrap();
    assert!(log.contains("noticed"), "{log}");
    assert!(!log.contains("api.sock"), "Vigie's own directory is not watched: {log}");

    let target = outside.path().join("restored");
    let place = dir.join("fresh").to_str().unwrap().to_owned();
    let restored = client(&data, &["restore", &place, target.to_str().unwrap()]);
    assert!(restored.status.success(), "a bare path means this machine: {restored:?}");
    assert_same(&dir.join("fresh"), &target);
    assert!(up.stop().success());
}

/// Without it every file would look as if it were gone.
#[test]
fn root_what_watches_says_at_once_that_proc_is_not_mounted() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("watched");
    std::fs::create_dir(&dir).unwrap();
    let without_proc = |args: &[&std::ffi::OsStr]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"]).args(args);
        command.output()
    };
    if !without_proc(&["true".as_ref()]).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: only root may take /proc away, in a namespace of mounts");
        return;
    }
    let data = home.path().join("data");
    let watch: [&std::ffi::OsStr; 3] = [VIGIE.as_ref(), "watch".as_ref(), dir.as_ref()];
    let up = [VIGIE.as_ref(), "up".as_ref(), dir.as_ref(), "--data".as_ref(), data.as_ref()];
    for args in [&watch[..], &up] {
        let output = without_proc(args).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("/proc") && said.contains("mount -t proc proc /proc"), "{said}");
    }
}

#[test]
fn watch_needs_no_hub() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let mut command = Command::new(VIGIE);
    command.arg("watch").arg(dir.path()).arg("--events");
    let watch = Process::start(&mut command, &outside.path().join("watch.out"));
    let mut round = 0;
    // It says nothing when it begins to watch, so it is given something to see until it sees it.
    eventually("watch has printed a new file with the kernel's name for it", || {
        round += 1;
        std::fs::write(dir.path().join(format!("file-{round}")), "x").unwrap();
        let printed = watch.printed();
        (printed.contains("IN_CREATE") && printed.contains("file-")).then_some(())
    });
    drop(watch);

    let missing = Command::new(VIGIE).arg("watch").arg(dir.path().join("missing")).output().unwrap();
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
}

#[test]
fn a_flush_right_after_the_start_waits_for_the_agent() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        let data = outside.path().join("data");
        let mut command = Command::new(VIGIE);
        command.arg("up").arg(dir.path()).arg("--data").arg(&data);
        let up = Process::start(&mut command, &outside.path().join("up.out"));
        eventually("the API is there", || data.join("api.sock").exists().then_some(()));
        let flushed = client(&data, &["flush", "--json", "--timeout", "100s"]);
        let out = String::from_utf8_lossy(&flushed.stdout);
        assert!(flushed.status.success() && out.contains("\"durable\""), "{flushed:?}");
        assert!(up.stop().success());
    }
}

#[test]
fn up_says_of_every_directory_when_it_is_watched() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(dirs[1].path().join("file"), "x").unwrap();
    let mut command = Command::new(VIGIE);
    command.arg("up").args(dirs.iter().map(|dir| dir.path())).arg("--data").arg(outside.path().join("data"));
    let up = Process::start(&mut command, &outside.path().join("up.out"));
    for (dir, what) in dirs.iter().zip(["1 object is there", "2 objects are there"]) {
        up.prints(&format!("watching {}: {what}", dir.path().canonicalize().unwrap().display()));
    }
    assert!(up.stop().success());
}

/// A small file system of its own, for as long as the test runs.
struct Small(tempfile::TempDir);

impl Small {
    /// None without the right to mount.
    fn mount() -> Option<Small> {
        let small = Small(tempfile::tempdir().unwrap());
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=192m", "tmpfs"])
            .arg(small.0.path())
            .output();
        mounted.is_ok_and(|done| done.status.success()).then_some(small)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _not_mounted = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn status_says_that_the_disk_is_full_before_anything_is_written_as_root() {
    let Some(small) = Small::mount() else {
        eprintln!("skipped: this needs the right to mount a small file system");
        return;
    };
    let outside = tempfile::tempdir().unwrap();
    let data = small.0.path().join("data");
    let mut command = Command::new(VIGIE);
    command.arg("hub").arg("--data").arg(&data).args(["--listen", "127.0.0.1:0"]);
    let hub = Process::start(&mut command, &outside.path().join("hub.out"));
    let store = || {
        let said = client(&data, &["status", "--json"]);
        serde_json::from_slice::<serde_json::Value>(&said.stdout).ok()?["store"].as_str().map(str::to_owned)
    };
    eventually("the hub answers", || (store()? == "ok").then_some(()));
    let fill = small.0.path().join("fill");
    sh(small.0.path(), "dd if=/dev/zero of=fill bs=1M 2>dd.err || true");
    let said = store().unwrap();
    assert!(said.contains("disk is full"), "{said}");
    std::fs::remove_file(fill).unwrap();
    assert_eq!(store().unwrap(), "ok");
    assert!(hub.stop().success());
}

#[test]
fn a_flush_says_that_the_disk_is_full_as_root() {
    let Some(small) = Small::mount() else {
        eprintln!("skipped: this needs the right to mount a small file system");
        return;
    };
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = small.0.path().join("data");
    let mut command = Command::new(VIGIE);
    command.arg("up").arg(dir.path()).arg("--data").arg(&data);
    let up = Process::start(&mut command, &outside.path().join("up.out"));
    flush(&data);
    sh(small.0.path(), "dd if=/dev/zero of=fill bs=1M 2>dd.err || true");
    std::fs::write(dir.path().join("file"), "x").unwrap();
    for args in [&["flush", "--timeout", "1s"][..], &["flush", "--timeout", "1s", "--json"]] {
        let said = client(&data, args);
        assert_eq!(said.status.code(), Some(3), "{said:?}");
        let out = String::from_utf8_lossy(&said.stdout);
        assert!(out.contains("disk is full") && out.contains("make room"), "{out}");
    }
    std::fs::remove_file(small.0.path().join("fill")).unwrap();
    flush(&data);
    assert!(up.stop().success());
}
