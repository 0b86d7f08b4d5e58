//! HAProxy with three servers, one of which is principal and gets most of the requests: what those who ask notice when
//! it is drained and stopped, and when everything on it is killed.

use super::bed::{Bed, until};
use super::load::Load;
use super::plain::Server;
use crate::bench::report::{Row, Target};
use crate::bench::running::{Running, free_port};
use crate::bench::series::{Series, Unit};
use crate::shell;
use anyhow::{Context, Result};
use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Between two failovers: requests as usual.
const CALM: Duration = Duration::from_millis(500);

pub(super) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let (dir, vigie) = (bed.fresh("haproxy")?, bed.settings.vigie.clone());
    let roles = Server::start(&vigie, &dir)?;
    let mut line = VecDeque::new();
    for number in 1..=3 {
        line.push_back(Machine::start(&vigie, &dir, number, roles.address)?);
    }
    let haproxy = Haproxy::start(&dir, &line)?;
    line.iter().try_for_each(|machine| haproxy.until(machine, "UP"))?;

    let load = Load::start(haproxy.address, bed.settings.requests);
    let (mut drained, mut worst, mut killed) = (0, 0, 0);
    for _ in 0..bed.settings.failovers {
        std::thread::sleep(CALM);
        let before = load.failed();
        drain_principal(&haproxy, &mut line)?;
        drained += load.failed() - before;

        std::thread::sleep(CALM);
        let before = load.failed();
        kill_principal(&haproxy, &mut line)?;
        std::thread::sleep(CALM);
        let failed = load.failed() - before;
        worst = worst.max(failed);
        killed += failed;
    }
    let (failovers, requests) = (bed.settings.failovers, bed.settings.requests);
    bed.remark(format!(
        "{requests} requests a second through HAProxy, {} in all: {drained} failed in {failovers} failovers with \
         drain, {killed} in {failovers} by kill",
        load.asked()
    ));
    let row =
        |what: String, count, most| Row::alone(what, Series::of(Unit::Count, count), Target::AtMost(most));
    Ok(vec![
        row(format!("failed requests, {failovers} failovers with drain"), drained, 0.0),
        row(format!("failed requests, worst of {failovers} kills"), worst, 1.0),
    ])
}

/// As before an update: nothing new goes there, it is stopped, it comes back.
fn drain_principal(haproxy: &Haproxy, line: &mut VecDeque<Machine>) -> Result<()> {
    let mut machine = line.pop_front().context("no machines")?;
    machine.vigie(&["drain"])?;
    until("HAProxy sends nothing more to what is drained", || {
        let row = haproxy.row(&machine)?;
        Ok((row["status"].starts_with("DRAIN") && row["scur"] == "0").then_some(()))
    })?;
    machine.stop()?;
    come_back(haproxy, line, machine, true)
}

/// As when it loses its power.
fn kill_principal(haproxy: &Haproxy, line: &mut VecDeque<Machine>) -> Result<()> {
    let mut machine = line.pop_front().context("no machines")?;
    machine.programs = None;
    haproxy.until(&machine, "DOWN")?;
    come_back(haproxy, line, machine, false)
}

/// The next one is principal; the former joins at the end of the line.
fn come_back(
    haproxy: &Haproxy,
    line: &mut VecDeque<Machine>,
    mut machine: Machine,
    is_drained: bool,
) -> Result<()> {
    line.front().context("no other machine")?.until_role("principal")?;
    machine.run()?;
    machine.until_role("secondaire")?;
    if is_drained {
        machine.vigie(&["undrain"])?;
    }
    haproxy.until(&machine, "UP")?;
    line.push_back(machine);
    Ok(())
}

/// A web server, what answers for its health, and its place in the group.
struct Machine {
    vigie: PathBuf,
    name: String,
    dir: PathBuf,
    roles: SocketAddr,
    web_port: u16,
    health_port: u16,
    programs: Option<Programs>,
}

struct Programs {
    member: Running,
    health: Running,
    _web: Running,
}

impl Machine {
    /// Starts it and waits until it knows its role: the first is principal.
    fn start(vigie: &Path, dir: &Path, number: u32, roles: SocketAddr) -> Result<Machine> {
        let name = format!("web{number}");
        let dir = dir.join(&name);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let (web_port, health_port) = (free_port()?, free_port()?);
        let mut machine =
            Machine { vigie: vigie.into(), name, dir, roles, web_port, health_port, programs: None };
        machine.run()?;
        machine.until_role(if number == 1 { "principal" } else { "secondaire" })?;
        Ok(machine)
    }

    fn role_file(&self) -> PathBuf {
        self.dir.join("role")
    }

    fn run(&mut self) -> Result<()> {
        // What it was before it went says nothing.
        let _none = std::fs::remove_file(self.role_file());
        let log = |name: &str| self.dir.join(format!("{name}.log"));
        let mut web = Command::new(std::env::current_exe().context("cannot find this program")?);
        web.args(["role-web", "--port", &self.web_port.to_string()]);
        let mut web = Running::start(&mut web, &log("web"))?;
        web.wait_for_port(self.web_port)?;

        let mut health = Command::new(&self.vigie);
        health.args(["health", "serve", "--listen", &format!("127.0.0.1:{}", self.health_port)]);
        health.args(["--on-secondaire-state", "10%", "--interval", "200ms", "--rise", "1", "--fall", "1"]);
        health.args(["--check", &format!("http://127.0.0.1:{}/", self.web_port)]);
        health.arg("--role").arg(format!("web={}", self.role_file().display()));
        health.arg("--state").arg(self.dir.join("state"));
        let mut health = Running::start(&mut health, &log("health"))?;
        health.wait_for_port(self.health_port)?;

        let hook = format!("echo \"$VIGIE_ROLE\" > {}", self.role_file().display());
        let mut member = Command::new(&self.vigie);
        member.args([
            "role",
            "join",
            &self.roles.to_string(),
            "--on-principal",
            &hook,
            "--on-secondaire",
            &hook,
        ]);
        let member = Running::start(&mut member, &log("member"))?;
        self.programs = Some(Programs { member, health, _web: web });
        Ok(())
    }

    /// The member first, so that the next one is principal before this one is gone; the web server last.
    fn stop(&mut self) -> Result<()> {
        let Some(Programs { member, health, _web }) = self.programs.take() else { return Ok(()) };
        member.stop()?;
        health.stop()
    }

    fn until_role(&self, role: &str) -> Result<()> {
        until(&format!("{} is {role}", self.name), || {
            let told = std::fs::read_to_string(self.role_file()).unwrap_or_default();
            Ok((told.trim_end() == role).then_some(()))
        })
    }

    fn vigie(&self, args: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.vigie);
        command.args(args).arg("--state").arg(self.dir.join("state"));
        shell::output(&mut command).map(drop)
    }
}

/// HAProxy before them.
struct Haproxy {
    address: SocketAddr,
    socket: PathBuf,
    _process: Running,
}

impl Haproxy {
    /// `option redispatch 1`: whom a dead server refuses goes to another one at once, not after three tries.
    fn start(dir: &Path, machines: &VecDeque<Machine>) -> Result<Haproxy> {
        let port = free_port()?;
        let (config, socket) = (dir.join("haproxy.cfg"), dir.join("stats.sock"));
        let mut text = format!(
            "global\n  stats socket {} level admin\n\
             defaults\n  mode http\n  option redispatch 1\n  retries 3\n  timeout connect 2s\n  timeout client 5s\n  \
             timeout server 5s\n  timeout check 2s\n\
             frontend users\n  bind 127.0.0.1:{port}\n  default_backend web\n\
             backend web\n  balance roundrobin\n",
            socket.display()
        );
        for Machine { name, web_port, health_port, .. } in machines {
            text.push_str(&format!(
                "  server {name} 127.0.0.1:{web_port} weight 100 check inter 200ms fall 1 rise 1 agent-check \
                 agent-port {health_port} agent-inter 200ms agent-send \"web/{name}\\n\"\n"
            ));
        }
        std::fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&config);
        let mut process = Running::start(&mut command, &dir.join("haproxy.log"))?;
        process.wait_for_port(port)?;
        Ok(Haproxy { address: SocketAddr::from(([127, 0, 0, 1], port)), socket, _process: process })
    }

    /// What `show stat` says of a server.
    fn row(&self, machine: &Machine) -> Result<HashMap<String, String>> {
        let mut stream = UnixStream::connect(&self.socket).context("HAProxy does not answer")?;
        stream.write_all(b"show stat\n").context("cannot ask HAProxy")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).context("HAProxy breaks off")?;
        let mut lines = text.trim_start_matches("# ").lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        // No text of this bench has a comma or a quote, so the cells need no decoder.
        let mut rows = lines.map(|line| {
            let cells = line.split(',').map(str::to_owned);
            names.iter().map(|name| (*name).to_owned()).zip(cells).collect::<HashMap<_, _>>()
        });
        let found = rows.find(|row| row.get("svname") == Some(&machine.name));
        found.with_context(|| format!("HAProxy knows no {}", machine.name))
    }

    fn until(&self, machine: &Machine, status: &str) -> Result<()> {
        until(&format!("HAProxy has {} {status}", machine.name), || {
            // `DOWN (agent)` is down as well.
            Ok(self.row(machine)?["status"].starts_with(status).then_some(()))
        })
    }
}
