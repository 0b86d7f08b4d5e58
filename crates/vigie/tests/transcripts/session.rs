//! A session with a hub in the same process as its agent: what is printed, and how it ends.

use crate::{Home, Said};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

/// A running `vigie up`, whose printed lines are waited for.
struct Up {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Up {
    /// Starts it on `HOME/tree` with its data in `HOME/data`, and waits until it watches.
    fn start(home: &Home) -> Up {
        let mut command = home.command(&["up", "tree", "--data", "data"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut up = Up { child, lines };
        up.wait_for("watching ");
        up
    }

    /// Reads until a line contains the text, and gives that line.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.next().expect("`up` has ended").unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    fn interrupt(mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Gone already, when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ok(home: &Home, args: &[&str]) -> String {
    let Said { code, out, err } = home.run(args);
    assert_eq!(code, 0, "{args:?}: {out}{err}");
    out
}

#[test]
fn from_a_change_to_its_restore() {
    let home = Home::new();
    let tree = home.path().join("tree");
    std::fs::create_dir_all(tree.join("dir")).unwrap();
    std::fs::write(tree.join("a"), "hello\n").unwrap();
    std::os::unix::fs::symlink("a", tree.join("link")).unwrap();
    let mut up = Up::start(&home);
    ok(&home, &["flush"]);

    std::fs::rename(tree.join("a"), tree.join("b")).unwrap();
    let line = up.wait_for("renamed");
    assert!(line.ends_with(&format!("{0}/a -> {0}/b", tree.display())), "{line}");
    // Renamed into the tree when it is whole: one that is made there may be read before it is written, and again then.
    std::fs::write(home.path().join("new"), vec![b'x'; 3000]).unwrap();
    std::fs::rename(home.path().join("new"), tree.join("dir/new")).unwrap();
    let line = up.wait_for("content");
    assert!(line.ends_with(&format!("{}/dir/new  (2.93 KiB)", tree.display())), "{line}");
    ok(&home, &["flush", "--timeout", "30s"]);

    assert_eq!(ok(&home, &["ls", "tree"]), "b\ndir/\nlink\n");
    assert_eq!(ok(&home, &["ls", "-R", "tree"]), "b\ndir/\ndir/new\nlink\n");
    let long = ok(&home, &["ls", "-l", "tree"]);
    assert!(long.contains("  6  ") && long.contains("link -> a"), "{long}");
    assert!(long.lines().nth(1).unwrap().starts_with("drwx"), "{long}");
    assert_eq!(ok(&home, &["cat", "tree/b"]), "hello\n");

    let renamed = ok(&home, &["log", "tree", "--kind", "renamed", "--json"]);
    let renamed: serde_json::Value = serde_json::from_str(&renamed).unwrap();
    assert_eq!(renamed["path"], "HOME/tree/b");
    let before = format!("#{}", renamed["seq"].as_u64().unwrap() - 1);
    assert_eq!(ok(&home, &["cat", "tree/a", "--at", &before]), "hello\n");
    let gone = home.run(&["cat", "tree/a"]);
    assert_eq!(gone.code, 4, "{gone:?}");
    assert!(gone.err.contains("vigie log"), "{gone:?}");
    let gone = home.run(&["cat", "tree/a", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&gone.err).unwrap();
    assert_eq!((gone.code, error["error"]["kind"].as_str()), (4, Some("not-found")), "{gone:?}");
    let early = home.run(&["cat", "tree/a", "--at", "2001-02-03 04:05"]);
    assert_eq!(early.code, 3, "{early:?}");

    let planned = ok(&home, &["restore", "tree/dir", "back", "--dry-run"]);
    assert!(planned.starts_with("create   directory    .\ncreate   file         new\n"), "{planned}");
    assert!(!home.path().join("back").exists());
    assert_eq!(ok(&home, &["restore", "tree/dir", "back"]), "restored 2 objects (2.93 KiB) to back\n");
    assert_eq!(std::fs::read(home.path().join("back/new")).unwrap(), [b'x'; 3000]);
    let archive = home.command(&["restore", "tree", "-"]).output().unwrap();
    assert!(archive.status.success());
    assert_eq!(archive.stdout.len() % 512, 0, "a tar stream is made of blocks");

    let status = ok(&home, &["status"]);
    assert!(status.contains("store ok") && status.contains("this process"), "{status}");
    let verified = ok(&home, &["verify", "--data", "data"]);
    assert!(verified.ends_with(": all as it was stored\n"), "{verified}");
    assert!(ok(&home, &["hub", "invite", "web02"]).starts_with("vigie1-"));
    assert_eq!(up.interrupt(), 0);

    // Without the hub, its directory answers what needs no more.
    let verified = ok(&home, &["verify", "--data", "data"]);
    assert!(verified.ends_with(": all as it was stored\n"), "{verified}");
    assert!(ok(&home, &["hub", "invite", "web03", "--data", "data"]).starts_with("vigie1-"));
}

#[test]
fn a_word_that_is_no_path_may_be_a_machine() {
    let home = Home::new();
    std::fs::create_dir(home.path().join("tree")).unwrap();
    let up = Up::start(&home);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    let machine = format!("hint: {host} is also the name of a machine: {host}:/");
    for command in ["log", "ls", "cat"] {
        let said = home.run(&[command, host]);
        assert_eq!((said.code, said.out.as_str()), (4, ""), "{said:?}");
        assert!(
            said.err.contains("is not below a watched directory") && said.err.contains(&machine),
            "{said:?}"
        );
        let said = home.run(&[command, "never"]);
        assert_eq!(said.code, 4, "{said:?}");
        assert!(said.err.contains("hint: watched there: HOME/tree"), "{said:?}");
    }
    let said = home.run(&["log", "tree/never"]);
    assert!(said.code == 4 && said.err.contains("nothing was ever recorded at HOME/tree/never"), "{said:?}");
    assert!(ok(&home, &["log", &format!("{host}:/")]).contains("created"));
    assert_eq!(up.interrupt(), 0);
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    let home = Home::new();
    std::fs::create_dir(home.path().join("tree")).unwrap();
    for i in 0..300 {
        std::fs::write(home.path().join(format!("tree/{i}")), "").unwrap();
    }
    let up = Up::start(&home);
    let mut log = home.command(&["log", "--json"]);
    let mut child = log.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), vec![]));
    assert_eq!(up.interrupt(), 0);
}
