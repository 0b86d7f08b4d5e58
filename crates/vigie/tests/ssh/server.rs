//! An `sshd` of a test's own, with its own keys, at a port of its own on all loopback addresses.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How a command ended, with what it printed.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The files of a server that does not run yet.
struct Prepared {
    dir: tempfile::TempDir,
    port: u16,
}

impl Prepared {
    fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// A running server, ended when dropped.
pub(crate) struct Server {
    dir: Arc<tempfile::TempDir>,
    child: Child,
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

/// Whether such servers can be had here; says so when not.
pub(crate) fn can_run() -> bool {
    let why = if !rustix::process::geteuid().is_root() {
        "only root starts an sshd of its own"
    } else if !Path::new("/usr/sbin/sshd").exists() {
        "/usr/sbin/sshd is not installed"
    } else {
        return true;
    };
    eprintln!("skipped: {why}");
    false
}

const PATIENCE: Duration = Duration::from_secs(60);

/// The `--timeout` of a command that has to begin before it is ended: far more than that takes, also where somebody else has
/// the processor.
pub(crate) const TIME_TO_BEGIN: &str = "6s";

/// Asks again and again what another process does, which cannot be subscribed to.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Makes a key pair.
pub(crate) fn make_key(path: &Path, kind: &str) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "test", "-f"]).arg(path).status();
    assert!(made.unwrap().success());
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::with("")
    }

    /// With more lines of configuration, which win over the usual ones. `SHLVL` keeps bash from reading root's `.bashrc`, which
    /// may say anything.
    pub(crate) fn with(more: &str) -> Server {
        let Prepared { dir, port } = Server::prepared(more);
        Server::run_in(Arc::new(dir), port)
    }

    fn prepared(more: &str) -> Prepared {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, kind) in [("host_ed25519", "ed25519"), ("host_ecdsa", "ecdsa"), ("id", "ed25519")] {
            make_key(&at(name), kind);
        }
        std::fs::copy(at("id.pub"), at("authorized")).unwrap();
        std::fs::create_dir_all("/run/sshd").unwrap();
        let host_keys = if more.contains("HostKey ") { "" } else { "HostKey DIR/host_ed25519\n" };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "{more}\nPort {port}\nListenAddress 0.0.0.0\n{host_keys}AuthorizedKeysFile DIR/authorized\nPidFile none\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nAcceptEnv LANG LC_*\nLogLevel VERBOSE\n\
             SetEnv SHLVL=9\n"
        );
        std::fs::write(at("sshd_config"), text.replace("DIR", dir.path().to_str().unwrap())).unwrap();
        Prepared { dir, port }
    }

    /// Where files of `/etc` are others: each by its name there and its text. Only this server and what it starts see them.
    pub(crate) fn with_etc(more: &str, etc: &[(&str, String)]) -> Server {
        let server = Server::prepared(more);
        let mut script = String::from("set -e\n");
        // Users read their keys there themselves.
        std::fs::set_permissions(server.path(), Permissions::from_mode(0o755)).unwrap();
        for (name, text) in etc {
            let file = server.path().join(format!("etc-{name}"));
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(0o440)).unwrap();
            script.push_str(&format!("mount --bind {} /etc/{name}\n", file.display()));
        }
        script.push_str("exec /usr/sbin/sshd \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
        Server::run_as(command, Arc::new(server.dir), server.port)
    }

    /// Another one with the same files, at another port.
    pub(crate) fn again(&self) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = std::fs::read_to_string(self.path("sshd_config")).unwrap();
        let with_port = config.lines().map(|line| match line.starts_with("Port ") {
            true => format!("Port {port}\n"),
            false => format!("{line}\n"),
        });
        self.write("sshd_config", &with_port.collect::<String>());
        Server::run_in(Arc::clone(&self.dir), port)
    }

    fn run_in(dir: Arc<tempfile::TempDir>, port: u16) -> Server {
        Server::run_as(Command::new("/usr/sbin/sshd"), dir, port)
    }

    fn run_as(mut command: Command, dir: Arc<tempfile::TempDir>, port: u16) -> Server {
        let config = dir.path().join("sshd_config");
        command.args(["-D", "-e", "-f"]).arg(&config).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn({
            let log = Arc::clone(&log);
            move || lines.map_while(Result::ok).for_each(|line| log.lock().unwrap().push(line))
        });
        let server = Server { dir, child, port, log };
        eventually("sshd listens", || server.logged("Server listening").first().cloned());
        server
    }

    /// Lines of its log that contain a text.
    pub(crate) fn logged(&self, text: &str) -> Vec<String> {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Waits until so many lines of its log contain a text; there are no more then.
    pub(crate) fn logs(&self, text: &str, times: usize) {
        eventually(&format!("`{text}` is logged"), || (self.logged(text).len() >= times).then_some(()));
        assert_eq!(self.logged(text).len(), times, "{text}");
    }

    /// The process that listens.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The public half of one of its keys: type and text.
    pub(crate) fn public(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Writes a file beside its keys.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `vigie run` with a home of its own, which knows nobody.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.vigie("run", args)
    }

    /// `vigie copy` at its port with its key; new hosts are accepted, unless the arguments say otherwise.
    pub(crate) fn copy(&self, args: &[&str]) -> Command {
        let port = self.port.to_string();
        let (id, known) = (self.path("id"), self.path("known"));
        let reach = ["--port", &port, "-i", id.to_str().unwrap(), "--known-hosts", known.to_str().unwrap()];
        let trust: &[&str] = if args.contains(&"--host-keys") { &[] } else { &["--host-keys", "accept-new"] };
        self.vigie("copy", &[&reach[..], trust, args].concat())
    }

    fn vigie(&self, verb: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
        command.arg(verb).args(args).stdin(Stdio::null());
        command.env("HOME", self.dir.path()).env_remove("SSH_AUTH_SOCK").env_remove("XDG_CONFIG_HOME");
        command
    }

    /// `vigie run --on HOSTS` at its port with its key; new hosts are accepted.
    pub(crate) fn run(&self, hosts: &str, args: &[&str]) -> Said {
        said(self.run_command(hosts, args))
    }

    /// The same, still to be run.
    pub(crate) fn run_command(&self, hosts: &str, args: &[&str]) -> Command {
        let port = self.port.to_string();
        let (id, known) = (self.path("id"), self.path("known"));
        let mut all = vec!["--on", hosts, "--port", &port, "-i", id.to_str().unwrap()];
        if !args.contains(&"--known-hosts") {
            all.extend(["--known-hosts", known.to_str().unwrap()]);
        }
        if !args.contains(&"--host-keys") {
            all.extend(["--host-keys", "accept-new"]);
        }
        all.extend(args);
        self.command(&all)
    }
}

pub(crate) fn said(mut command: Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, when the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
