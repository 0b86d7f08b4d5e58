//! Directories that cannot be seen whole: never taken for empty ones, never for gone.

use crate::process::{Process, eventually};
use crate::tree::{assert_same, is_root, sh};
use crate::world::{Said, VIGIE};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// `vigie up` on a directory of its own, run by a user without rights.
struct Up {
    dir: tempfile::TempDir,
    process: Process,
}

impl Up {
    /// Everything belongs to that user. `None` where there is no way to become one.
    fn start(prepare: &str) -> Option<Up> {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().canonicalize().unwrap();
        std::fs::create_dir(place.join("tree")).unwrap();
        sh(&place.join("tree"), prepare);
        let mut command = Command::new(VIGIE);
        if is_root() {
            // The binary may lie where that user cannot go.
            std::fs::copy(VIGIE, place.join("vigie")).unwrap();
            sh(&place, "chown -R 65534:65534 .");
            if !Command::new("setpriv").arg("--version").output().is_ok_and(|out| out.status.success()) {
                println!("skipped: no setpriv");
                return None;
            }
            command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(place.join("vigie"));
        }
        command.arg("up").arg(place.join("tree")).arg("--data").arg(place.join("data"));
        let process = Process::start(command.env("HOME", &place), &place.join("up.out"));
        let up = Up { dir, process };
        eventually("there is a machine", || (up.run(&["ls", "tree"]).code == 0).then_some(()));
        up.flush();
        Some(up)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(below)
    }

    fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::new(VIGIE);
        command.args(args).env("VIGIE_API", self.path("data/api.sock")).current_dir(self.path(""));
        command.output().unwrap().into()
    }

    fn flush(&self) {
        eventually("up has flushed", || (self.run(&["flush", "--timeout", "60s"]).code == 0).then_some(()));
    }

    fn restore(&self, what: &str, target: &str) -> Said {
        let _ = std::fs::remove_dir_all(self.path(target));
        self.run(&["restore", what, target])
    }
}

#[test]
fn a_directory_that_may_not_be_listed_is_not_an_empty_one() {
    let Some(up) = Up::start("mkdir -p open/closed/deep && echo x > open/closed/x && chmod 0 open/closed")
    else {
        return;
    };
    for asked in ["tree/open/closed", "tree/open/closed/x"] {
        let said = up.run(&["ls", asked]);
        assert_eq!((said.code, &*said.out), (3, ""), "{asked}: {}", said.err);
        assert!(said.err.contains("/tree/open/closed"), "{asked}: {}", said.err);
    }
    let said = up.run(&["ls", "tree/open"]);
    assert_eq!((said.code, &*said.out), (0, "closed/  (unseen)\n"), "{}", said.err);
    assert_eq!(up.run(&["ls", "-R", "tree"]).code, 3);
    assert_eq!(up.run(&["ls", "-R", "tree", "--json"]).code, 3);
    for what in ["tree", "tree/open", "tree/open/closed"] {
        let said = up.restore(what, "back");
        assert_eq!(said.code, 3, "{what}: {}", said.out);
        assert!(said.err.contains("not all that it held could be seen"), "{what}: {}", said.err);
    }
    let tar = up.run(&["restore", "tree", "-"]);
    assert!(tar.code == 3 && tar.err.contains("directories of which not everything could be seen: 1"));
    let log = up.run(&["log", "tree/open/closed"]).out;
    assert!(log.contains("unseen") && log.contains("unlisted"), "{log}");
    up.process.prints("unseen");

    let status = up.run(&["status"]).out;
    assert!(status.contains("/tree: 1 directory that is not seen whole"), "{status}");
    assert!(status.contains("closed cannot be listed"), "{status}");
    let status: Value = serde_json::from_str(&up.run(&["status", "--json"]).out).unwrap();
    let agent = &status["machines"][0]["agent"];
    assert_eq!(
        (agent["roots"][0]["unseen"].as_u64(), agent["roots"][0]["unreadable"].as_u64()),
        (Some(1), Some(0))
    );

    sh(&up.path("tree"), "chmod 755 open/closed");
    up.flush();
    let said = up.run(&["ls", "tree/open/closed"]);
    assert_eq!((said.code, &*said.out), (0, "deep/\nx\n"), "{}", said.err);
    assert_eq!(up.restore("tree", "back").code, 0);
    assert_same(&up.path("tree"), &up.path("back"));
    assert!(!up.run(&["status"]).out.contains("seen"));

    // What it had stays shown, as the last that was known.
    sh(&up.path("tree"), "chmod 0 open/closed");
    up.flush();
    let said = up.run(&["ls", "tree/open/closed"]);
    assert_eq!((said.code, &*said.out), (3, "deep/\nx\n"), "{}", said.err);
    let said = up.run(&["cat", "tree/open/closed/x"]);
    assert_eq!((said.code, &*said.out), (3, "x\n"), "{}", said.err);
    assert_eq!(up.restore("tree", "back").code, 3);
    assert!(up.path("back/open/closed/x").exists() || !is_root());
    sh(&up.path("tree"), "chmod 700 open/closed");
    assert!(up.process.stop().success());
}

#[test]
fn root_what_a_bind_mount_hides_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().canonicalize().unwrap();
    let (tree, data) = (place.join("tree"), place.join("data"));
    std::fs::create_dir(&tree).unwrap();
    sh(&tree, "mkdir -p in b/deep && echo in > in/f && echo below > b/deep/g");
    let mut command = Command::new(VIGIE);
    let up = Process::start(command.arg("up").arg(&tree).arg("--data").arg(&data), &place.join("up.out"));
    let run = |args: &[&str]| -> Said {
        let mut command = Command::new(VIGIE);
        command
            .args(args)
            .env("VIGIE_API", data.join("api.sock"))
            .current_dir(&place)
            .output()
            .unwrap()
            .into()
    };
    let flush =
        || eventually("up has flushed", || (run(&["flush", "--timeout", "60s"]).code == 0).then_some(()));
    eventually("the first scan is done", || (run(&["ls", "tree/b"]).code == 0).then_some(()));
    flush();
    let mounted = Command::new("mount").arg("--bind").arg(tree.join("in")).arg(tree.join("b")).output();
    if !is_root() || !mounted.is_ok_and(|out| out.status.success()) {
        println!("skipped: may not mount here");
        return;
    }
    let unmount = Unmount(tree.join("b"));
    eventually("the mount is noticed", || {
        run(&["status"]).out.contains("is hidden by what is mounted").then_some(())
    });
    flush();
    let said = run(&["restore", "tree", "during"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert_eq!(std::fs::read(place.join("during/b/deep/g")).unwrap(), b"below\n", "hidden is not gone");
    assert_eq!(std::fs::read(place.join("during/in/f")).unwrap(), b"in\n");
    up.prints("once more");
    drop(unmount);
    eventually("its end is noticed", || (run(&["ls", "tree/b"]).code == 0).then_some(()));
    flush();
    assert_eq!(run(&["restore", "tree", "after"]).code, 0);
    assert_same(&tree, &place.join("after"));
    assert!(up.stop().success());
}

/// Ends a mount, though the test may fail.
struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_root_is_found_by_the_name_of_a_link_to_it() {
    let Some(up) = Up::start("mkdir sub && echo x > sub/f") else { return };
    std::os::unix::fs::symlink("tree", up.path("link")).unwrap();
    let machine = up.run(&["status", "--json"]).out;
    let machine: Value = serde_json::from_str(&machine).unwrap();
    let machine = machine["machines"][0]["name"].as_str().unwrap().to_owned();
    let said = up.run(&["ls", "link"]);
    assert_eq!((said.code, &*said.out), (0, "sub/\n"), "{}", said.err);
    assert!(said.err.contains("leads to"), "{}", said.err);
    let named = format!("{machine}:{}", up.path("link/sub/f").display());
    for args in [["cat", "link/sub/f"], ["cat", &named]] {
        assert_eq!(up.run(&args).out, "x\n");
    }
    assert!(up.run(&["log", "link"]).out.contains("/tree/sub/f"));
    assert_eq!(up.restore("link", "back").code, 0);
    assert_same(&up.path("tree"), &up.path("back"));
    // A link that is itself recorded is asked for as such.
    sh(&up.path("tree"), "ln -s sub inner");
    up.flush();
    assert_eq!(up.run(&["ls", "tree/inner"]).out, "inner\n");
    assert!(up.process.stop().success());
}
