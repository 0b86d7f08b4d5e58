//! A hub with its agents, each with a root to watch, in one temporary directory.

use crate::process::{Process, eventually};
use rustix::process::Signal;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary under test.
pub(crate) const VIGIE: &str = env!("CARGO_BIN_EXE_vigie");

/// A hub and a place for its agents.
pub(crate) struct World {
    dir: tempfile::TempDir,
    address: SocketAddr,
    hub: Option<Process>,
}

/// One agent of a [`World`].
pub(crate) struct Agent {
    pub(crate) name: &'static str,
    /// The directory it watches.
    pub(crate) root: PathBuf,
    pub(crate) state: PathBuf,
    process: Option<Process>,
}

/// How a command ended, with what it printed.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // A command ended by a signal has no code: none of the exit codes is negative.
        let code = output.status.code().unwrap_or(-1);
        Said { code, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl World {
    /// Starts a hub on a free port and waits until it answers.
    pub(crate) fn start() -> World {
        let dir = tempfile::tempdir().unwrap();
        // The port must be the same after a restart, so it is chosen here and not by the hub.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut world = World { dir, address, hub: None };
        world.start_hub();
        world
    }

    /// Starts the hub on its directory and waits until it answers.
    pub(crate) fn start_hub(&mut self) {
        let mut command = Command::new(VIGIE);
        command.arg("hub").arg("--data").arg(self.data());
        command.arg("--listen").arg(self.address.to_string());
        let mut hub = Process::start(&mut command, &self.path("hub.out"));
        eventually("the hub answers", || {
            if let Some(status) = hub.ended() {
                panic!("the hub ended with {status}:\n{}", hub.printed());
            }
            (self.run(["status"]).code == 0).then_some(())
        });
        self.hub = Some(hub);
    }

    /// Pulls the hub's plug.
    pub(crate) fn kill_hub(&mut self) {
        self.hub.take().unwrap().kill();
    }

    /// Ends the hub in order.
    pub(crate) fn stop_hub(&mut self) {
        let status = self.hub.take().unwrap().stop();
        assert!(status.success(), "the hub ended with {status}");
    }

    /// What the hub, in all of its lives, has printed.
    pub(crate) fn hub_printed(&self) -> String {
        std::fs::read_to_string(self.path("hub.out")).unwrap()
    }

    /// The hub's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("hub")
    }

    /// Where agents connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A path of this world.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command of `vigie` against this hub until it ends.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        let mut command = Command::new(VIGIE);
        command.args(args).env("VIGIE_API", self.data().join("api.sock")).stdin(Stdio::null());
        command.output().unwrap().into()
    }

    /// Runs a command that must end with 0, and gives what it printed.
    pub(crate) fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let args: Vec<_> = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let said = self.run(&args);
        assert_eq!(said.code, 0, "vigie {args:?}\n{}\n{}", said.out, said.err);
        said.out
    }

    /// A token for a machine of this name.
    pub(crate) fn invite(&self, name: &str) -> String {
        let data = self.data();
        let out =
            self.ok([OsStr::new("hub"), "invite".as_ref(), name.as_ref(), "--data".as_ref(), data.as_ref()]);
        out.trim().to_owned()
    }

    /// An agent that is not enrolled yet, with an empty root.
    pub(crate) fn agent(&self, name: &'static str) -> Agent {
        let root = self.path(name).join("tree");
        std::fs::create_dir_all(&root).unwrap();
        Agent {
            name,
            root: root.canonicalize().unwrap(),
            state: self.path(name).join("state"),
            process: None,
        }
    }

    /// Invites a machine, starts its agent, and waits until its first scan is on the hub.
    pub(crate) fn enrol(&self, agent: &mut Agent) {
        let token = self.path(agent.name).join("token");
        std::fs::write(&token, self.invite(agent.name)).unwrap();
        self.start_agent(agent, &["--token-file".as_ref(), token.as_ref()]);
        self.flush(agent);
    }

    /// Starts an agent with more arguments than it always has.
    pub(crate) fn start_agent(&self, agent: &mut Agent, more: &[&OsStr]) {
        let root = agent.root.clone();
        self.launch(agent, &[&["--watch".as_ref(), root.as_os_str()], more].concat());
    }

    /// Starts an agent with these arguments, besides those of which hub it has and where its state is.
    pub(crate) fn launch(&self, agent: &mut Agent, args: &[&OsStr]) {
        let mut command = Command::new(VIGIE);
        command.arg("agent").arg("--hub").arg(self.address.to_string());
        command.arg("--state").arg(&agent.state).args(args);
        command.env_remove("VIGIE_TOKEN");
        agent.process = Some(Process::start(&mut command, &self.path(agent.name).join("agent.out")));
    }

    /// Waits until everything that happened to the agent's root is durable on the hub. A machine that is not
    /// connected (yet, or again) is waited for.
    pub(crate) fn flush(&self, agent: &Agent) {
        let mut last = String::new();
        eventually("a flush is done", || {
            let said = self.run(["flush", agent.name, "--timeout", "60s"]);
            let done = said.code == 0;
            if last != said.err {
                eprintln!("flush {}: exit {}: {}", agent.name, said.code, said.err.trim_end());
                last = said.err;
            }
            done.then_some(())
        });
    }

    /// Restores the agent's root as it was into a new directory.
    pub(crate) fn restore(&self, agent: &Agent, at: Option<&str>, to: &str) -> PathBuf {
        let target = self.path(to);
        let mut args = vec!["restore".into(), agent.place(), target.clone().into_os_string()];
        args.extend(at.into_iter().flat_map(|at| ["--at".into(), at.into()]));
        self.ok(args);
        target
    }
}

impl Agent {
    /// Its root as commands name it.
    pub(crate) fn place(&self) -> std::ffi::OsString {
        self.at(Path::new(""))
    }

    /// A path below its root as commands name it.
    pub(crate) fn at(&self, below: impl AsRef<Path>) -> std::ffi::OsString {
        let below = below.as_ref();
        let path = if below == Path::new("") { self.root.clone() } else { self.root.join(below) };
        let mut place = std::ffi::OsString::from(self.name);
        place.push(":");
        place.push(path);
        place
    }

    /// Its own socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.state.join("agent.sock")
    }

    /// What it says of itself, on its own socket.
    pub(crate) fn status(&self) -> Option<serde_json::Value> {
        let mut command = Command::new(VIGIE);
        command.args(["status", "--json", "--agent-api"]).arg(self.socket()).env_remove("VIGIE_API");
        let said = Said::from(command.output().unwrap());
        (said.code == 0).then(|| serde_json::from_str(&said.out).unwrap())
    }

    /// Waits until it has printed this, in any of its lives.
    pub(crate) fn prints(&self, text: &str) {
        self.process.as_ref().unwrap().prints(text);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.as_ref().unwrap().signal(signal);
    }

    /// Pulls its plug.
    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        let status = self.process.take().unwrap().stop();
        assert!(status.success(), "the agent {} ended with {status}", self.name);
    }

    /// Ends it with these signals at once; it must end in order all the same.
    pub(crate) fn stop_with(&mut self, signals: &[Signal]) {
        let status = self.process.take().unwrap().stop_with(signals);
        assert!(status.success(), "the agent {} ended with {status}", self.name);
    }
}
