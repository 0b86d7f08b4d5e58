//! Dropbear, which routers and small machines have: commands and copies go there as they do to OpenSSH's server.

use crate::copying::{names, noise, told};
use crate::server::{Said, TIME_TO_BEGIN, can_run, eventually, make_key, said};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A dropbear with a home of its own for root, ended when dropped.
struct Dropbear {
    dir: tempfile::TempDir,
    child: Child,
    port: u16,
}

/// Hides the program that serves files.
const NO_FILES: &str = "mount -t tmpfs none /usr/lib/openssh && ";

impl Dropbear {
    /// None, with a word, where there is none. `before` is done in mounts of its own before it starts.
    fn start(before: &str) -> Option<Dropbear> {
        if !can_run() {
            return None;
        }
        if Command::new("dropbear").arg("-V").output().is_err() {
            eprintln!("skipped: dropbear is not installed (cargo xtask setup)");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        make_key(&at("id"), "ed25519");
        fs::create_dir_all(at("home/.ssh")).unwrap();
        fs::copy(at("id.pub"), at("home/.ssh/authorized_keys")).unwrap();
        let made = Command::new("dropbearkey").args(["-t", "ed25519", "-f"]).arg(at("host")).output();
        assert!(made.unwrap().status.success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // Root's home is another only in the mounts that it has for itself.
        let line = format!(
            "mount --bind {} /root && {before}exec dropbear -F -E -s -r {} -p {port} -P {}",
            at("home").display(),
            at("host").display(),
            at("dropbear.pid").display()
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &line]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let ready = lines.any(|line| line.contains("Not backgrounding"));
        assert!(ready, "dropbear does not start");
        // It must not stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Dropbear { dir, child, port })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn vigie(&self, verb: &str, args: &[&str]) -> Said {
        let (port, id, known) = (self.port.to_string(), self.path("id"), self.path("known"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
        command.args([verb, "--port", &port, "-i", id.to_str().unwrap(), "--user", "root"]);
        command
            .args(["--known-hosts", known.to_str().unwrap(), "--host-keys", "accept-new", "--json"])
            .args(args);
        command.env("HOME", self.dir.path()).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
        said(command)
    }

    fn run(&self, args: &[&str]) -> (i32, Value) {
        let said = self.vigie("run", &[&["--on", "127.0.0.1"], args].concat());
        (said.code, serde_json::from_str(said.out.trim()).unwrap_or_else(|_| panic!("{said:?}")))
    }
}

impl Drop for Dropbear {
    fn drop(&mut self) {
        // Gone already, when the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn root_dropbear_runs_commands_and_tells_their_ends() {
    let Some(server) = Dropbear::start("") else { return };
    let (code, told) = server.run(&["--", "printf", "%s|", "a  b", "it's", "$HOME"]);
    assert_eq!((code, &told["stdout"]), (0, &"a  b|it's|$HOME|".into()), "{told}");
    let (code, told) = server.run(&["--shell", "echo out; echo err >&2; exit 7"]);
    assert_eq!((code, &told["class"], &told["exit_code"]), (7, &"exit".into(), &7.into()), "{told}");
    assert_eq!((&told["stdout"], &told["stderr"]), (&"out\n".into(), &"err\n".into()));
    let (code, told) = server.run(&["--shell", "kill -9 $$"]);
    assert_eq!((code, &told["class"], &told["signal"]), (137, &"signal".into(), &"KILL".into()), "{told}");
    let (code, told) = server.run(&["--shell", "head -c 20000000 /dev/zero; echo end"]);
    assert_eq!((code, &told["stdout_bytes"]), (0, &20_000_004.into()));
}

#[test]
fn root_at_the_end_of_its_time_dropbear_has_nothing_left_running() {
    let Some(server) = Dropbear::start("") else { return };
    let pids = server.path("pids");
    let line = format!("(trap '' TERM HUP; sleep 599 & echo $! >> {0}; wait) & sleep 600", pids.display());
    let (code, told) = server.run(&["--timeout", TIME_TO_BEGIN, "--shell", &line]);
    assert_eq!((code, &told["class"]), (124, &"timeout".into()), "{told}");
    for pid in fs::read_to_string(&pids).unwrap().lines() {
        eventually("it is gone", || match fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if !stat.contains(") Z ") => None,
            _ => Some(()),
        });
    }
}

#[test]
fn root_files_go_to_dropbear_and_back() {
    let Some(server) = Dropbear::start("") else { return };
    let (file, there, back) = (server.path("file"), server.path("there"), server.path("back"));
    fs::write(&file, noise(3_000_001)).unwrap();
    let at = |path: &PathBuf| format!("127.0.0.1:{}", path.display());
    for (from, to) in [
        (file.display().to_string(), at(&there)),
        (at(&there), back.display().to_string()),
        (file.display().to_string(), at(&there)),
    ] {
        let said = server.vigie("copy", &[&from, &to]);
        let told = &told(&said.out)[0];
        assert_eq!((said.code, &told["class"]), (0, &"ok".into()), "{from} {to}: {said:?}");
        assert_eq!((&told["verified"], &told["bytes"]), (&"sha256sum".into(), &3_000_001.into()), "{told}");
    }
    for copy in [there, back] {
        assert_eq!(fs::read(copy).unwrap(), fs::read(&file).unwrap());
    }
    assert!(names(&server.path("")).iter().all(|name| !name.ends_with(".part")));
}

#[test]
fn root_without_a_server_of_files_dropbear_says_which_is_missing() {
    let Some(server) = Dropbear::start(NO_FILES) else { return };
    let file = server.path("file");
    fs::write(&file, "content").unwrap();
    let there = server.path("there");
    let to = format!("127.0.0.1:{}", there.display());
    let said = server.vigie("copy", &[file.to_str().unwrap(), &to]);
    let told = &told(&said.out)[0];
    assert_eq!((said.code, &told["class"]), (125, &"prohibited".into()), "{said:?}");
    let why = told["error"].as_str().unwrap();
    assert!(why.contains("serves no files") && why.contains("openssh-sftp-server"), "{why}");
    assert!(!there.exists());
}
