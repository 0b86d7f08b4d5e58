//! Whatever a host does or does not, it has its class, the others end with 0 as if it were not there, and all of it ends.

use crate::copying::told;
use crate::pretenders::{Dead, Manner, Pretender, gagged, garbled, listener};
use crate::server::{Said, Server, can_run, eventually, said};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

/// Hosts by name, each at an address of its own; what they are by an `ssh_config`.
struct Fleet {
    config: String,
    /// In seconds.
    connect_timeout: u32,
    wanted: BTreeMap<String, &'static str>,
}

impl Default for Fleet {
    fn default() -> Self {
        Fleet { config: String::new(), connect_timeout: 20, wanted: BTreeMap::new() }
    }
}

impl Fleet {
    /// Adds a host that is to end with this class.
    fn host(&mut self, name: &str, port: u16, wanted: &'static str) {
        let address = self.address();
        self.config += &format!("Host {name}\n  HostName {address}\n  Port {port}\n");
        self.wanted.insert(name.to_owned(), wanted);
    }

    /// The address of the host that is added next.
    fn address(&self) -> String {
        format!("127.0.9.{}", self.wanted.len() + 1)
    }

    /// Runs a line on all of them, without any limit of its time; gives what is told of each, in the order of their ends.
    fn run(&self, server: &Server, line: &str) -> (Said, Vec<Value>) {
        let config = format!(
            "{}Host *\n  User root\n  ConnectTimeout {}\n  ServerAliveInterval 2\n  ServerAliveCountMax 3\n",
            self.config, self.connect_timeout
        );
        let config = server.write("config", &config);
        let hosts = self.wanted.keys().map(String::as_str).collect::<Vec<_>>().join(",");
        let (id, known) = (server.path("id"), server.path("known"));
        let said = said(server.command(&[
            "--on",
            &hosts,
            "--ssh-config",
            config.to_str().unwrap(),
            "-i",
            id.to_str().unwrap(),
            "--known-hosts",
            known.to_str().unwrap(),
            "--host-keys",
            "accept-new",
            "--json",
            "--shell",
            line,
        ]));
        let told = told(&said.out);
        let found: BTreeMap<String, &str> = told
            .iter()
            .map(|told| (told["host"].as_str().unwrap().to_owned(), told["class"].as_str().unwrap()))
            .collect();
        assert_eq!(found, self.wanted, "{said:?}");
        (said, told)
    }
}

/// Ends a process that its test has stopped, which would stay for ever.
struct Stopped<'a>(&'a Path);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(self.0) {
            // Gone already, when the test did not come as far.
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
    }
}

#[test]
fn root_every_bad_host_has_its_class_and_the_others_end_well() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let no_sessions = Server::with("MaxSessions 0");
    std::fs::copy(server.path("id.pub"), no_sessions.path("authorized")).unwrap();
    let key = server.path("host_ed25519");
    let pretend = |manner| Pretender::start(manner, &key);
    let (mute, closes, leaves) = (
        pretend(Manner::NeverAnswers),
        pretend(Manner::ClosesWithoutStatus),
        pretend(Manner::LeavesInTheMiddle),
    );
    let (never_opens, never_lets_in) = (pretend(Manner::NeverOpens), pretend(Manner::NeverLetsIn));
    let held = Mutex::new(Vec::new());
    let silent = listener(move |stream| held.lock().unwrap().push(stream));
    let endless = listener(|mut stream| {
        thread::spawn(move || while stream.write_all(b"welcome, and wait\r\n").is_ok() {});
    });
    let endless_line = listener(|mut stream| {
        thread::spawn(move || while stream.write_all(&[b'x'; 4096]).is_ok() {});
    });
    let dead = Dead::new();
    let (gag, stopped) = (server.path("gag"), server.path("stopped"));
    let _stopped = Stopped(&stopped);
    let here = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let half = gagged(SocketAddr::from(([127, 0, 8, 1], server.port)), &gag);

    let mut fleet = Fleet::default();
    fleet.host("well1", server.port, "ok");
    fleet.host("silent", silent, "connect-timeout");
    fleet.host("dead", dead.port(), "connect-timeout");
    fleet.host("endless", endless, "handshake");
    fleet.host("endless-line", endless_line, "handshake");
    for after in [100, 1200] {
        fleet.host(&format!("garbled-{after}"), garbled(here(server.port), after), "handshake");
    }
    fleet.host("never-lets-in", never_lets_in.port, "auth");
    fleet.host("no-sessions", no_sessions.port, "prohibited");
    fleet.host("never-opens", never_opens.port, "prohibited");
    fleet.host("mute", mute.port, "lost");
    fleet.host("closes", closes.port, "lost");
    fleet.host("leaves", leaves.port, "lost");
    fleet.host("half-dead", half, "lost");
    let stops = fleet.address();
    fleet.host("stops", server.port, "lost");
    let dies = fleet.address();
    fleet.host("dies", server.port, "lost");
    fleet.host("well2", server.port, "ok");
    let line = format!(
        "case $SSH_CONNECTION in *' 127.0.8.1 '*) touch {}; sleep 60;; \
         *' {stops} '*) echo $PPID > {}; kill -STOP $PPID; sleep 60;; \
         *' {dies} '*) kill -KILL $PPID; sleep 60;; esac; echo well",
        gag.display(),
        stopped.display()
    );
    let (said, told) = fleet.run(&server, &line);
    assert_eq!(said.code, 3, "{said:?}");
    for told in told {
        let is_well = told["class"] == "ok";
        assert_eq!(told["exit_code"], if is_well { 0.into() } else { Value::Null }, "{told}");
        assert_eq!(told["error"].is_string(), !is_well, "{told}");
        if is_well {
            assert_eq!(told["stdout"], "well\n");
        }
        if told["host"] == "closes" || told["host"] == "leaves" {
            assert_eq!(told["stdout"], "so far\n", "what was said stays");
        }
    }
}

#[test]
fn root_silent_hosts_keep_nobody_from_the_handshake() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let done = server.path("done");
    // They say nothing until the good host has had its turn; if it has to wait for them, their time runs out.
    let held = Arc::new(Mutex::new(Vec::new()));
    let speak = |mut stream: TcpStream| stream.write_all(b"something else\r\n").unwrap();
    let (holding, is_done) = (Arc::clone(&held), done.clone());
    let silent = listener(move |stream| {
        let mut held = holding.lock().unwrap();
        if is_done.exists() { speak(stream) } else { held.push(stream) }
    });
    let is_done = done.clone();
    thread::spawn(move || {
        eventually("the good host had its turn", || is_done.exists().then_some(()));
        held.lock().unwrap().drain(..).for_each(speak);
    });
    let mut fleet = Fleet { connect_timeout: 100, ..Fleet::default() };
    // More than may shake hands at once, and first in order.
    for n in 10..30 {
        fleet.host(&format!("a-silent{n}"), silent, "handshake");
    }
    fleet.host("b-well", server.port, "ok");
    fleet.run(&server, &format!("touch {}", done.display()));
}

/// Runs it, and says how much memory it took at most, in bytes.
fn measured(command: &Command) -> (Said, u64) {
    const MEASURE: &str = "import resource, subprocess, sys\n\
         code = subprocess.call(sys.argv[1:])\n\
         sys.stderr.write('\\n%d' % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n\
         sys.exit(code)";
    let mut measuring = Command::new("python3");
    measuring.args(["-c", MEASURE]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => measuring.env(name, value),
            None => measuring.env_remove(name),
        };
    }
    let said = said(measuring);
    let kibibytes: u64 = said.err.rsplit('\n').next().unwrap().parse().unwrap();
    (said, kibibytes * 1024)
}

/// `vigie run` on three hosts, of which the first prints so much.
fn flooded(server: &Server, flood: &str, more: &[&str]) -> Command {
    let (port, id, known) = (server.port.to_string(), server.path("id"), server.path("known"));
    let line = format!("case $SSH_CONNECTION in *' 127.0.0.1 '*) {flood};; *) echo well;; esac");
    let reach = ["--on", "127.0.0.[1-3]", "--port", &port, "-i", id.to_str().unwrap()];
    let trust = ["--known-hosts", known.to_str().unwrap(), "--host-keys", "accept-new"];
    server.command(&[&reach[..], &trust, more, &["--shell", &line]].concat())
}

/// What all of it may take, whatever a host prints.
const MEMORY: u64 = 96 << 20;

#[test]
fn root_two_gigabytes_of_output_take_little_memory_and_nobody_elses_time() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let (said, memory) = measured(&flooded(&server, "head -c 2G /dev/zero; echo end", &["--json"]));
    assert_eq!(said.code, 0, "{}", said.err);
    let told = told(&said.out);
    assert_eq!(told.len(), 3);
    let flood = told.iter().find(|told| told["host"] == "127.0.0.1").unwrap();
    let cut = flood["stdout_cut_bytes"].as_u64().unwrap();
    assert_eq!((&flood["class"], &flood["stdout_bytes"]), (&"ok".into(), &((2_u64 << 30) + 4).into()));
    let text = flood["stdout"].as_str().unwrap();
    assert!(text.contains(&format!("[{cut} bytes cut]")) && text.ends_with("end\n"));
    assert!(flood["reading"]["warnings"][0].as_str().unwrap().contains("not kept"), "{}", flood["reading"]);
    assert_eq!(told[2]["host"], "127.0.0.1", "the others have not waited for it");
    assert!(told[..2].iter().all(|told| told["stdout"] == "well\n"));
    assert!(memory < MEMORY, "{memory} bytes");
}

#[test]
fn root_a_flood_of_lines_passes_live_in_little_memory() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let flood = "yes | head -n 20000000";
    let (said, memory) = measured(&flooded(&server, flood, &[]));
    assert_eq!(said.code, 0, "{}", said.err);
    let count = |line: &str| said.out.lines().filter(|said| *said == line).count();
    assert_eq!((count("127.0.0.1: y"), count("127.0.0.2: well")), (20_000_000, 1));
    assert!(memory < MEMORY, "{memory} bytes");
}

#[test]
fn root_what_prints_in_the_background_for_ever_holds_nobody_up() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let line = "(for i in $(seq 600); do echo more; echo > PID.printed; sleep 0.1; done) & echo $! > PID; \
                until [ -e PID.printed ]; do sleep 0.01; done; exit 5";
    let pid = server.path("pid");
    let said = server.run("127.0.0.1", &["--shell", &line.replace("PID", pid.to_str().unwrap())]);
    let _ = Command::new("kill").arg(std::fs::read_to_string(&pid).unwrap().trim()).status();
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.out.starts_with("more\n"), "{said:?}");
}

/// A server of files that reads no more at one of its addresses, after a while.
const READS_NO_MORE: &str = r#"
import os, subprocess, sys, time
SERVER = "/usr/lib/openssh/sftp-server"
if " 127.0.0.2 " not in os.environ["SSH_CONNECTION"]:
    os.execv(SERVER, [SERVER])
server = subprocess.Popen([SERVER], stdin=subprocess.PIPE)
taken = 0
while taken < 1000000:
    piece = os.read(0, 65536)
    if not piece:
        sys.exit()
    taken += len(piece)
    server.stdin.write(piece)
    server.stdin.flush()
while os.getppid() != 1:
    time.sleep(0.1)
server.kill()
"#;

#[test]
fn root_a_host_that_does_not_read_ends_with_its_time_and_the_other_has_its_file() {
    if !can_run() || !Path::new("/usr/lib/openssh/sftp-server").exists() {
        eprintln!("skipped: OpenSSH's server of files is not installed (cargo xtask setup)");
        return;
    }
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&script, READS_NO_MORE).unwrap();
    let server = Server::with(&format!("Subsystem sftp /usr/bin/python3 {}", script.path().display()));
    let file = server.path("file");
    std::fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
    for host in ["127.0.0.1", "127.0.0.2"] {
        std::fs::create_dir(server.path(host)).unwrap();
    }
    let to = format!("127.0.0.[1-2]:{}", server.path("to").display());
    let said = said(server.copy(&["--json", "--timeout", "20s", file.to_str().unwrap(), &to]));
    assert_eq!(said.code, 3, "{said:?}");
    let of = |host: &str| told(&said.out).into_iter().find(|told| told["host"] == host).unwrap();
    assert_eq!(of("127.0.0.1")["class"], "ok", "{said:?}");
    assert_eq!(of("127.0.0.2")["class"], "timeout", "{said:?}");
    assert!(server.path("to").exists());
}

#[test]
fn root_an_agent_that_says_nothing_is_waited_for_once_and_keys_in_files_go_on() {
    if !can_run() {
        return;
    }
    let server = Server::start();
    let socket = server.path("agent");
    let agent = UnixListener::bind(&socket).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    thread::spawn({
        let asked = Arc::clone(&asked);
        move || agent.incoming().flatten().for_each(|stream| asked.lock().unwrap().push(stream))
    });
    let (port, id, known) = (server.port.to_string(), server.path("id"), server.path("known"));
    let reach = ["--on", "127.0.0.[1-40]", "--port", &port, "-i", id.to_str().unwrap()];
    let trust = ["--known-hosts", known.to_str().unwrap(), "--host-keys", "accept-new"];
    let mut command = server.command(&[&reach[..], &trust, &["--json", "--", "true"]].concat());
    command.env("SSH_AUTH_SOCK", &socket);
    let said = said(command);
    assert_eq!((said.code, told(&said.out).len()), (0, 40), "{said:?}");
    // So many may ask at once; nobody asks again.
    let asked = asked.lock().unwrap().len();
    assert!((1..=16).contains(&asked), "{asked} times");
}
