//! Two namespaces, `ports-a` that scans and `ports-b` that is scanned, joined by a cable or by a slow router.

use super::super::roles::namespace::Namespace;
use super::super::running::Running;
use super::router;
use crate::shell;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The address that is scanned.
pub(super) const TARGET: &str = "10.9.0.2";

/// Ports that listen, spread over all.
pub(super) fn listeners() -> impl Iterator<Item = u16> {
    (0..100).map(|n| 22 + n * 653)
}

/// Where it all happens.
pub(super) struct Bed {
    pub(super) here: Namespace,
    pub(super) there: Namespace,
    // Ends with it.
    _helpers: Vec<Running>,
}

impl Bed {
    /// Joined by a cable.
    pub(super) fn near() -> Result<Bed> {
        let (here, there) = (Namespace::new("ports-a")?, Namespace::new("ports-b")?);
        here.cable(("v0", "10.9.0.1"), Some(&there), ("v0", TARGET))?;
        Bed::listening(here, there, Vec::new())
    }

    /// Joined by a router that holds every packet back for half of the round trip.
    pub(super) fn far(rtt: Duration) -> Result<Bed> {
        let (here, there) = (Namespace::new("ports-a")?, Namespace::new("ports-b")?);
        let way = router::Way { rtt_us: u64::try_from(rtt.as_micros())?, ..router::Way::default() };
        let router = router::join([(&here, "10.9.0.1"), (&there, TARGET)], way)?;
        Bed::listening(here, there, vec![router])
    }

    fn listening(here: Namespace, there: Namespace, mut helpers: Vec<Running>) -> Result<Bed> {
        let mut listen = Command::new("ip");
        listen.args(["netns", "exec", &there.name]).arg(program()?).arg("ports-listen");
        listen.args(listeners().map(|port| port.to_string()));
        let mut child = Running::with_streams(listen.stdout(Stdio::piped()))?;
        let mut out = child.stdout().context("the listeners have no output")?;
        // It says a word when it is ready.
        std::io::Read::read_exact(&mut out, &mut [0]).context("the listeners did not start")?;
        helpers.push(child);
        Ok(Bed { here, there, _helpers: helpers })
    }

    /// Ports that do not listen drop.
    pub(super) fn drop_others(&self) -> Result<()> {
        let ports: Vec<String> = listeners().map(|port| port.to_string()).collect();
        self.filter(&format!("tcp flags & (syn | ack) == syn tcp dport != {{ {} }} drop", ports.join(", ")))
    }

    /// Loses this share of packets each way.
    pub(super) fn lose(&self, percent: u32) -> Result<()> {
        if percent == 0 {
            return Ok(());
        }
        self.there.nft(&format!(
            "table inet loss {{ chain i {{ type filter hook input priority 0\n numgen random mod 100 < {percent} drop\n}}\n\
             chain o {{ type filter hook output priority 0\n numgen random mod 100 < {percent} drop\n}}\n}}\n"
        ))
    }

    pub(super) fn filter(&self, rule: &str) -> Result<()> {
        self.there.nft(&format!(
            "table inet rules {{ chain i {{ type filter hook input priority 10\n {rule}\n}}\n}}\n"
        ))
    }

    /// A command on the side that scans.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.here.name]).arg(program);
        command
    }

    /// The hardware address of the side that is scanned.
    pub(super) fn hardware(&self) -> Result<String> {
        let out =
            shell::output(Command::new("ip").args(["-n", &self.there.name, "-br", "link", "show", "v0"]))?;
        let out = String::from_utf8_lossy(&out);
        out.split_whitespace().nth(2).map(str::to_owned).context("no hardware address")
    }
}

/// This program.
pub(super) fn program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program")
}
