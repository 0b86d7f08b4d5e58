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
    eventually("up has printed the new file", || up.printed().contains("noticed").then_some(()));
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
