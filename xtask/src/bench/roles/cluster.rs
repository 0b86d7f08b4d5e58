//! A hub and agents in one group, each a process of its own, enrolled with tokens as the README tells.

use super::bed::{until, until_every};
use crate::bench::running::Running;
use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The group of every bench.
pub(super) const GROUP: &str = "bench";

/// How often a hub is asked: every time, a program starts.
const LOOK: Duration = Duration::from_millis(100);

/// A hub, running or not.
pub(super) struct Hub {
    vigie: PathBuf,
    home: PathBuf,
    pub(super) address: SocketAddr,
    /// The network namespace in which it runs.
    inside: Option<String>,
    process: Option<Running>,
}

impl Hub {
    /// Starts it with an empty directory, and waits until it answers.
    pub(super) fn start_new(vigie: &Path, home: &Path, address: SocketAddr) -> Result<Hub> {
        Hub::start_inside(None, vigie, home, address)
    }

    /// Likewise, in a network namespace.
    pub(super) fn start_inside(
        inside: Option<String>,
        vigie: &Path,
        home: &Path,
        address: SocketAddr,
    ) -> Result<Hub> {
        let mut hub = Hub { vigie: vigie.into(), home: home.into(), address, inside, process: None };
        hub.start()?;
        let started = || Ok(hub.client(&["status"]).output()?.status.success().then_some(()));
        until("the hub answers", started)?;
        Ok(hub)
    }

    /// Starts it, and does not wait.
    pub(super) fn start(&mut self) -> Result<()> {
        let mut command = inside(self.inside.as_deref(), &self.vigie);
        command.args(["hub", "--listen", &self.address.to_string(), "--data"]).arg(self.data());
        self.process = Some(Running::start(&mut command, &self.home.join("hub.log"))?);
        Ok(())
    }

    /// Kills it.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    fn data(&self) -> PathBuf {
        self.home.join("hub")
    }

    /// A command against this hub.
    fn client(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.vigie);
        command.args(args).env("VIGIE_API", self.data().join("api.sock")).stdin(Stdio::null());
        command
    }

    /// Makes the group, with this lease.
    pub(super) fn set_ttl(&self, ttl: &str) -> Result<()> {
        shell::output(&mut self.client(&["role", "set", GROUP, "--mode", "safe", "--ttl", ttl])).map(drop)
    }

    /// The group as `vigie role show --json` says; none while the hub does not answer.
    pub(super) fn show(&self) -> Result<Option<Value>> {
        let out = self.client(&["role", "show", GROUP, "--json"]).output().context("cannot start vigie")?;
        if !out.status.success() {
            return Ok(None);
        }
        serde_json::from_slice(out.stdout.trim_ascii()).map(Some).context("cannot read what `role show` says")
    }

    /// Waits until so many members are connected and one is principal; its name and epoch.
    pub(super) fn until_settled(&self, members: usize) -> Result<(String, u64)> {
        until_every(LOOK, "everybody is connected and one is principal", || {
            Ok(self.show()?.and_then(|g| settled(&g, members)))
        })
    }

    /// Makes an agent that is enrolled at its first start.
    pub(super) fn invite(&self, name: &str) -> Result<AgentPlan> {
        let token = shell::output(self.client(&["hub", "invite", name, "--data"]).arg(self.data()))?;
        let home = self.home.join(name);
        std::fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
        let file = home.join("token");
        std::fs::write(&file, token).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(AgentPlan {
            vigie: self.vigie.clone(),
            name: name.to_owned(),
            home,
            hub: self.address,
            hook: None,
            inside: None,
            watch: None,
        })
    }
}

fn settled(group: &Value, members: usize) -> Option<(String, u64)> {
    let connected = group["members"].as_array()?.iter().filter(|member| member["connected"] == true).count();
    let principal = &group["principal"];
    let found = (principal["machine"].as_str()?.to_owned(), principal["epoch"].as_u64()?);
    (connected == members).then_some(found)
}

/// How an agent is started.
pub(super) struct AgentPlan {
    vigie: PathBuf,
    pub(super) name: String,
    home: PathBuf,
    /// Where it looks for the hub; a link between them, perhaps.
    pub(super) hub: SocketAddr,
    /// The command of both hooks.
    pub(super) hook: Option<String>,
    /// The network namespace in which it runs.
    pub(super) inside: Option<String>,
    /// What it watches.
    pub(super) watch: Option<PathBuf>,
}

impl AgentPlan {
    /// What it says of itself, leases included.
    pub(super) fn log(&self) -> PathBuf {
        self.home.join("agent.log")
    }

    /// What its hooks note.
    pub(super) fn hook_log(&self) -> PathBuf {
        self.home.join("hooks.log")
    }

    /// Starts it; it enrols if it never was.
    pub(super) fn start(&self) -> Result<Running> {
        let mut command = inside(self.inside.as_deref(), &self.vigie);
        command.args(["agent", "--role", GROUP, "--hub", &self.hub.to_string()]);
        command.arg("--state").arg(self.home.join("state"));
        command.arg("--token-file").arg(self.home.join("token"));
        if let Some(hook) = &self.hook {
            command.args(["--on-principal", hook, "--on-secondaire", hook]);
        }
        if let Some(watch) = &self.watch {
            command.arg("--watch").arg(watch);
        }
        command.env("VIGIE_LOG", "info,vigie_agent::roles=trace").env_remove("VIGIE_TOKEN");
        Running::start(&mut command, &self.log())
    }
}

/// A command that runs in a network namespace, or here.
fn inside(namespace: Option<&str>, program: &Path) -> Command {
    match namespace {
        None => Command::new(program),
        Some(namespace) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace]).arg(program);
            command
        }
    }
}

/// A port of loopback that nobody uses, outside of the ones that connections take for themselves: who is killed
/// finds it free again.
pub(super) fn lasting_port() -> Result<SocketAddr> {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(21_000);
    for _ in 0..1000 {
        let port = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if std::net::TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port from 21000 on is free")
}
