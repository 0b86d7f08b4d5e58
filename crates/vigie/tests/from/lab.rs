//! A client that is also the router, places `v1`, `v2`… with an SSH server each, and a target.
//!
//! ```text
//!  v1 10.77.1.2 ──┐
//!  v2 10.77.2.2 ──┤ client and router ── target 10.77.100.2
//! ```

use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub(crate) const TARGET: &str = "10.77.100.2";
pub(crate) const TARGET_V6: &str = "fd77:100::2";

/// Which server a place has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// OpenSSH, with these lines first in its configuration.
    OpenSsh(&'static str),
    /// OpenSSH on a machine of another kind, as far as `uname` tells.
    OtherMachine,
    /// Dropbear, with these options.
    Dropbear(&'static [&'static str]),
    /// None: a place that does not answer.
    Dead,
}

/// Namespaces that vanish with it, and what runs in them.
pub(crate) struct Lab {
    name: String,
    dir: tempfile::TempDir,
    servers: Vec<Child>,
    listeners: Vec<TcpListener>,
    places: usize,
}

/// How a run ended, with what it printed.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {said}", args.join(" "));
}

/// Whether this can be had here; says so if not.
fn is_possible(needed: &[&str]) -> bool {
    let is_there = |program: &&&str| {
        !["/usr/sbin", "/sbin", "/usr/bin"].iter().any(|dir| Path::new(dir).join(program).exists())
    };
    let why = if !rustix::process::geteuid().is_root() {
        "this needs root".to_owned()
    } else if let Some(program) = needed.iter().find(is_there) {
        format!("{program} is not installed (cargo xtask setup)")
    } else {
        return true;
    };
    eprintln!("skipped: {why}");
    false
}

/// Whether nmap is there for the places; says so if not.
pub(crate) fn has_nmap() -> bool {
    let is_there = Path::new("/usr/bin/nmap").exists();
    if !is_there {
        eprintln!("skipped in part: nmap is not installed (cargo xtask setup)");
    }
    is_there
}

impl Lab {
    /// With these servers; `None`, with a word, where that cannot be.
    pub(crate) fn new(servers: &[Server]) -> Option<Lab> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let has_dropbear = servers.iter().any(|server| matches!(server, Server::Dropbear(_)));
        let needed = ["ip", "nft", "sshd", "ssh-keygen", "dropbear", "dropbearkey"];
        if !is_possible(&needed[..if has_dropbear { needed.len() } else { 4 }]) {
            return None;
        }
        let name = format!("vf{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::tempdir().unwrap();
        let mut lab = Lab { name, dir, servers: Vec::new(), listeners: Vec::new(), places: servers.len() };
        run("ip", &["netns", "add", &lab.space("c")]);
        lab.ip("c", "link set lo up");
        lab.cable("t", 100);
        lab.inside("c", "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        for key in ["id", "host"] {
            let path = lab.path(key);
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path.to_str().unwrap()]);
        }
        std::fs::copy(lab.path("id.pub"), lab.path("authorized_keys")).unwrap();
        std::fs::create_dir_all("/run/sshd").unwrap();
        let mut config = String::new();
        for (place, server) in (1..).zip(servers) {
            lab.cable(&format!("v{place}"), place);
            lab.serve(place, *server);
            config += &format!("Host v{place}\n  HostName 10.77.{place}.2\n");
        }
        config += &format!("Host t\n  HostName {TARGET}\nHost *\n  User root\n  ConnectTimeout 8\n");
        std::fs::write(lab.path("ssh_config"), config).unwrap();
        Some(lab)
    }

    fn space(&self, what: &str) -> String {
        format!("{}{what}", self.name)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A namespace at the end of a cable to the router.
    fn cable(&self, what: &str, number: u8) {
        let space = self.space(what);
        run("ip", &["netns", "add", &space]);
        self.ip("c", &format!("link add name {what} type veth peer name eth0 netns {space}"));
        for (at, device, last) in [("c", what, 1), (what, "eth0", 2)] {
            self.ip(at, &format!("address add 10.77.{number}.{last}/24 dev {device}"));
            self.ip(at, &format!("address add fd77:{number}::{last}/64 dev {device} nodad"));
            self.ip(at, &format!("link set dev {device} up"));
        }
        self.ip(what, "link set lo up");
        self.ip(what, &format!("route add default via 10.77.{number}.1"));
        self.ip(what, &format!("-6 route add default via fd77:{number}::1"));
    }

    /// `ip` in a namespace.
    pub(crate) fn ip(&self, at: &str, command: &str) {
        let space = self.space(at);
        let args: Vec<&str> = ["-n", &space].into_iter().chain(command.split(' ')).collect();
        run("ip", &args);
    }

    /// A command in a namespace.
    pub(crate) fn inside(&self, at: &str, command: &str) {
        let space = self.space(at);
        let args: Vec<&str> = ["netns", "exec", &space].into_iter().chain(command.split(' ')).collect();
        run("ip", &args);
    }

    /// Rules of the router for what it forwards, or of another namespace for what comes `in` or goes `out`.
    pub(crate) fn rules(&self, at: &str, hook: &str, rules: &str) {
        let text = format!(
            "table inet planted {{ chain {hook} {{ type filter hook {hook} priority 0; {rules}; }}; }}"
        );
        run("ip", &["netns", "exec", &self.space(at), "nft", &text]);
    }

    /// An SSH server at a place, with the lines of its log.
    fn serve(&mut self, place: u8, server: Server) {
        let space = self.space(&format!("v{place}"));
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &space]).stdin(Stdio::null()).stderr(Stdio::piped());
        match server {
            Server::OpenSsh(_) | Server::OtherMachine => {
                let more = if let Server::OpenSsh(more) = server { more } else { "" };
                let at = |name: &str| self.path(name).display().to_string();
                let text = format!(
                    "{more}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\nSetEnv SHLVL=9\n\
                     PasswordAuthentication no\n",
                    at("host"),
                    at("authorized_keys")
                );
                let config = self.path(&format!("sshd{place}"));
                std::fs::write(&config, text).unwrap();
                // 1,024 open files, as systemd gives to its services; and memory of its own for files, in the mounts
                // that `ip netns exec` gives it.
                let mut line = "mount -t tmpfs none /dev/shm && ".to_owned();
                if server == Server::OtherMachine {
                    let uname = self.path("uname");
                    std::fs::write(&uname, "#!/bin/sh\necho armv9\n").unwrap();
                    run("chmod", &["755", uname.to_str().unwrap()]);
                    line += &format!("mount --bind {} /usr/bin/uname && ", uname.display());
                }
                line += &format!("exec prlimit --nofile=1024 /usr/sbin/sshd -D -e -f {}", config.display());
                command.args(["sh", "-c", &line]);
            }
            Server::Dropbear(options) => {
                let (key, home) =
                    (self.path(&format!("dropbear{place}")), self.path(&format!("home{place}")));
                run("dropbearkey", &["-t", "ed25519", "-f", key.to_str().unwrap()]);
                std::fs::create_dir_all(home.join(".ssh")).unwrap();
                std::fs::copy(self.path("id.pub"), home.join(".ssh/authorized_keys")).unwrap();
                // `ip netns exec` gives it mounts of its own, in which root's home is another.
                let line = format!(
                    "mount --bind {} /root && exec dropbear -F -E -s -r {} {} -p 10.77.{place}.2:22 -P {}",
                    home.display(),
                    key.display(),
                    options.join(" "),
                    self.path("pid").display()
                );
                command.args(["sh", "-c", &line]);
            }
            Server::Dead => return,
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("Server listening") || line.contains("Not backgrounding") {
                    let _ = ready.send(());
                }
            }
        });
        is_ready.recv().unwrap();
        self.servers.push(child);
    }

    /// Leaves so many open files to the server of a place, and to the sessions that it starts.
    pub(crate) fn limit_files(&self, place: usize, files: u32) {
        let pid = self.servers[place - 1].id().to_string();
        run("prlimit", &["--pid", &pid, &format!("--nofile={files}")]);
    }

    /// Listens at the target, on both protocols.
    pub(crate) fn listen(&mut self, ports: impl IntoIterator<Item = u16>) {
        let ports: Vec<u16> = ports.into_iter().collect();
        let space = File::open(format!("/run/netns/{}", self.space("t"))).unwrap();
        let enter = move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            ports.iter().map(|port| TcpListener::bind(("::", *port)).unwrap()).collect::<Vec<_>>()
        };
        self.listeners.extend(std::thread::spawn(enter).join().unwrap());
    }

    /// Stops listening at a port.
    pub(crate) fn quit(&mut self, port: u16) {
        self.listeners.retain(|listener| listener.local_addr().unwrap().port() != port);
    }

    /// All places, as `--from` takes them.
    pub(crate) fn all(&self) -> String {
        format!("v[1-{}]", self.places)
    }

    /// What was copied to the places and is still there.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let of = |server: &Child| std::fs::read_dir(format!("/proc/{}/root/dev/shm", server.id())).unwrap();
        let files = self.servers.iter().flat_map(|server| of(server).flatten());
        files.map(|file| file.path().display().to_string()).collect()
    }

    /// `vigie ports` in the client's namespace.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space("c"), env!("CARGO_BIN_EXE_vigie"), "ports"]).args(args);
        command.arg("--ssh-config").arg(self.path("ssh_config")).arg("-i").arg(self.path("id"));
        command.arg("--known-hosts").arg(self.path("known")).args(["--host-keys", "accept-new"]);
        command.env("HOME", self.dir.path()).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn ports(&self, args: &[&str]) -> Said {
        Said::of(&self.command(args).output().unwrap())
    }

    /// Runs it, and interrupts it when it has said this on standard error.
    pub(crate) fn interrupted_at(&self, word: &str, args: &[&str]) -> Said {
        let mut child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(word)), "it never says `{word}`");
        run("kill", &["-INT", &child.id().to_string()]);
        let rest = lines.collect::<Vec<_>>().join("\n");
        Said { err: rest, ..Said::of(&child.wait_with_output().unwrap()) }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // Gone already, when the test ended it.
            let _ = server.kill();
            let _ = server.wait();
        }
        let places = (1..=self.places).map(|place| format!("v{place}"));
        for space in places.chain(["c".to_owned(), "t".to_owned()]) {
            let space = self.space(&space);
            // What still serves a connection there ends with it.
            let pids = Command::new("ip").args(["netns", "pids", &space]).output();
            let pids =
                pids.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            for pid in pids.lines() {
                let _ = Command::new("kill").arg(pid).stderr(Stdio::null()).status();
            }
            let _ = Command::new("ip").args(["netns", "delete", &space]).stderr(Stdio::null()).status();
        }
    }
}

impl Said {
    fn of(output: &Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Its lines of JSON of a kind.
    pub(crate) fn lines(&self, kind: &str) -> Vec<Value> {
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        self.out.lines().map(line).filter(|line| line["kind"] == kind).collect()
    }

    /// What a place saw of a port: state and reason.
    pub(crate) fn seen(&self, port: u16, place: usize) -> (String, String) {
        let set = |text: &Value| text.as_str().unwrap().to_owned();
        for line in self.lines("ports") {
            let has = set(&line["ports"]).split(',').any(|part| {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                (first.parse::<u16>().unwrap()..=last.parse().unwrap()).contains(&port)
            });
            let name = format!("v{place}");
            for seen in line["seen"].as_array().unwrap().iter().filter(|_| has) {
                let from: vigie_model::nodeset::NodeSet = set(&seen["from"]).parse().unwrap();
                if from.names().any(|from| from == name) {
                    return (set(&seen["state"]), set(&seen["reason"]));
                }
            }
        }
        panic!("nothing is said of {port} from v{place}: {self:?}");
    }

    /// Ports with a verdict, as it lists them.
    pub(crate) fn with_verdict(&self, verdict: &str) -> Vec<String> {
        let lines = self.lines("ports").into_iter().filter(|line| line["verdict"] == verdict);
        lines.map(|line| line["ports"].as_str().unwrap().to_owned()).collect()
    }
}
