//! A hub and an agent on loopback, used as the README tells: two processes, enrolled with a token.

use super::follow::{Follow, PATIENCE};
use super::running::{Running, free_port};
use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The machine's name in every bench.
const MACHINE: &str = "bench";

/// The longest that a first transfer or an upload may take.
const FLUSH_MAX: &str = "3600s";

/// Exit codes that mean "not yet": the machine is not connected, or not yet known.
const NOT_YET: [i32; 2] = [3, 4];

/// A hub and an agent with one directory for both of their states.
pub(crate) struct Pair {
    vigie: PathBuf,
    home: PathBuf,
    roots: Vec<PathBuf>,
    hub_port: u16,
    /// Where the agent connects to: the hub, or a proxy before it.
    agent_port: u16,
    hub: Option<Running>,
    agent: Option<Running>,
}

/// Peak resident memory of both sides, in bytes.
pub(crate) struct Peak {
    pub(crate) hub: u64,
    pub(crate) agent: u64,
}

impl Pair {
    /// Nothing runs yet; `home` exists.
    pub(crate) fn new(vigie: &Path, home: &Path, root: &Path) -> Result<Pair> {
        let port = free_port()?;
        Ok(Pair {
            vigie: vigie.to_path_buf(),
            home: home.to_path_buf(),
            roots: vec![root.to_path_buf()],
            hub_port: port,
            agent_port: port,
            hub: None,
            agent: None,
        })
    }

    pub(crate) fn hub_port(&self) -> u16 {
        self.hub_port
    }

    /// From its next start on, the agent connects to this port.
    pub(crate) fn connect_through(&mut self, port: u16) {
        self.agent_port = port;
    }

    /// From its next start on, the agent watches these.
    pub(crate) fn watch(&mut self, roots: Vec<PathBuf>) {
        self.roots = roots;
    }

    /// The hub's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join("hub")
    }

    /// Starts the hub and waits until it answers.
    pub(crate) fn start_hub(&mut self) -> Result<()> {
        let mut command = Command::new(&self.vigie);
        command
            .arg("hub")
            .arg("--data")
            .arg(self.data())
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", self.hub_port));
        let mut hub = Running::start(&mut command, &self.home.join("hub.log"))?;
        let start = Instant::now();
        while !self.client(&["status"]).output().context("cannot start vigie")?.status.success() {
            hub.check()?;
            if start.elapsed() > PATIENCE {
                bail!("the hub does not answer");
            }
        }
        self.hub = Some(hub);
        Ok(())
    }

    /// Starts the agent of an enrolled machine.
    pub(crate) fn start_agent(&mut self) -> Result<()> {
        self.start_agent_with(&[])
    }

    /// Starts hub and agent of an enrolled machine and waits until the tree is reconciled.
    pub(crate) fn start_both(&mut self) -> Result<()> {
        self.start_hub()?;
        self.start_agent()?;
        self.flush()
    }

    /// Enrols the agent and waits until everything in its roots is durable on the hub, which is started if
    /// it does not run.
    pub(crate) fn first_transfer(&mut self) -> Result<()> {
        if self.hub.is_none() {
            self.start_hub()?;
        }
        let token = shell::output(self.client(&["hub", "invite", MACHINE, "--data"]).arg(self.data()))?;
        let file = self.home.join("token");
        std::fs::write(&file, token).with_context(|| format!("cannot write {}", file.display()))?;
        self.start_agent_with(&["--token-file".into(), file.into_os_string()])?;
        self.flush()
    }

    fn start_agent_with(&mut self, more: &[OsString]) -> Result<()> {
        let mut command = Command::new(&self.vigie);
        command.args(["agent", "--hub", &format!("127.0.0.1:{}", self.agent_port)]);
        command.arg("--state").arg(self.home.join("agent"));
        self.roots.iter().for_each(|root| {
            command.arg("--watch").arg(root);
        });
        command.args(more).env_remove("VIGIE_TOKEN");
        self.agent = Some(Running::start(&mut command, &self.home.join("agent.log"))?);
        Ok(())
    }

    /// Starts the agent and measures until the tree is reconciled with what the hub knows.
    pub(crate) fn reconcile(&mut self, root: &Path) -> Result<Duration> {
        let newest = self.newest()?;
        let follow = self.follow(root, "gap-closed")?;
        let start = Instant::now();
        self.start_agent()?;
        self.flush()?;
        let flushed = Instant::now();
        let closed = follow
            .wait_for(PATIENCE, |line| line["kind"] == "gap-closed" && line["seq"].as_u64() > Some(newest))?
            .context("the gap of the restart was never closed")?;
        Ok(closed.max(flushed).duration_since(start))
    }

    /// The number of the newest record.
    pub(crate) fn newest(&self) -> Result<u64> {
        let out = shell::output(&mut self.client(&["log", "--json", "-n", "1"]))?;
        let line: Value =
            serde_json::from_slice(out.trim_ascii()).context("cannot read a line of the log")?;
        line["seq"].as_u64().context("a line of the log has no number")
    }

    /// Waits until everything before now is durable on the hub. While the agent is not connected yet, asks
    /// again.
    pub(crate) fn flush(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            let mut command = self.client(&["flush", MACHINE, "--timeout", FLUSH_MAX]);
            let out = command.output().with_context(|| shell::cannot_start(&command))?;
            match out.status.code() {
                Some(0) => return Ok(()),
                Some(code) if NOT_YET.contains(&code) && start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                _ => bail!("flush: {}: {}", out.status, String::from_utf8_lossy(&out.stderr).trim_end()),
            }
        }
    }

    /// Follows the records of one kind below a directory.
    pub(crate) fn follow(&self, root: &Path, kind: &str) -> Result<Follow> {
        Follow::start(self.client(&["log"]).arg(place(root)).args(["-f", "--json", "--kind", kind]))
    }

    /// Restores a directory as it was right after a record. The agent need not run: it is not asked.
    pub(crate) fn restore(&self, root: &Path, target: &Path, at: u64) -> Result<()> {
        let at = format!("#{at}");
        shell::output(self.client(&["restore"]).arg(place(root)).arg(target).args(["--at", &at])).map(drop)
    }

    /// Peak memory of both, which must be running.
    pub(crate) fn peak_bytes(&self) -> Result<Peak> {
        let (hub, agent) = self.hub.as_ref().zip(self.agent.as_ref()).context("hub or agent does not run")?;
        Ok(Peak { hub: hub.peak_bytes()?, agent: agent.peak_bytes()? })
    }

    /// Ends the agent in order.
    pub(crate) fn stop_agent(&mut self) -> Result<()> {
        self.agent.take().map_or(Ok(()), Running::stop)
    }

    /// Ends both in order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.stop_agent()?;
        self.hub.take().map_or(Ok(()), Running::stop)
    }

    /// A command against this hub.
    fn client(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.vigie);
        command.args(args).env("VIGIE_API", self.data().join("api.sock")).stdin(Stdio::null());
        command
    }
}

/// A directory of the machine as commands name it.
fn place(root: &Path) -> OsString {
    let mut place = OsString::from(format!("{MACHINE}:"));
    place.push(root);
    place
}
