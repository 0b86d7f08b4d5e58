//! Listeners on loopback, and runs of the binary.

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// Ports of loopback that are open, and one that is closed.
pub(crate) struct Lab {
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) closed: u16,
    /// Has the closed one, so that nobody else gets it, and does not listen.
    _held: OwnedFd,
}

impl Lab {
    /// With so many open ports, on every interface, so that all of 127.0.0.0/8 has them.
    pub(crate) fn new(open: usize) -> Self {
        let listen = || TcpListener::bind("0.0.0.0:0").unwrap();
        let listeners = (0..open).map(|_| listen()).collect();
        let held = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&held, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let closed = SocketAddrV4::try_from(getsockname(&held).unwrap()).unwrap().port();
        Lab { listeners, closed, _held: held }
    }

    /// The open ports, ascending.
    pub(crate) fn open(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        ports.sort_unstable();
        ports
    }

    /// All of its ports, for `-p`.
    pub(crate) fn spec(&self) -> String {
        let all = self.open().into_iter().chain([self.closed]);
        all.map(|port| port.to_string()).collect::<Vec<_>>().join(",")
    }
}

/// How a run ended, with what it printed.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Its lines of JSON.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The binary, without a terminal.
pub(crate) fn vigie(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
    command.arg("ports").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Said {
    said(vigie(args).spawn().unwrap().wait_with_output().unwrap())
}

/// Runs it with this on standard input.
pub(crate) fn run_with_input(args: &[&str], input: &str) -> Said {
    let mut child = vigie(args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    said(child.wait_with_output().unwrap())
}

pub(crate) fn said(output: std::process::Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Whether a peer is installed; says so where it is not.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !found {
        eprintln!("skipped: {program} is not installed (cargo xtask setup)");
    }
    found
}

/// A peer's exit code, with what it printed.
pub(crate) fn peer(program: &str, args: &[&str]) -> Said {
    said(Command::new(program).args(args).stdin(Stdio::null()).output().unwrap())
}

/// Writes what was printed to a file, and gives its name.
pub(crate) fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The line without what is different every time.
pub(crate) fn without_times(json: &mut serde_json::Value) {
    let object = json.as_object_mut().unwrap();
    object.remove("elapsed_ms");
    for port in object["ports"].as_array_mut().unwrap() {
        port.as_object_mut().unwrap().remove("rtt_us");
    }
}
