//! The ways to look from another machine, and which is taken. Forwarding needs nothing there; but it costs a line of log
//! for each port, and an open file for each silent one, so a wide range is better looked at by a program there: this one,
//! lent for the time, or the nmap that is there.

use super::places::Asked;
use bytes::Bytes;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vigie_exec::Keep;
use vigie_exec::ssh::class::{Class, Failed};
use vigie_exec::ssh::config::Settings;
use vigie_exec::ssh::connect::{Connection, Connector};
use vigie_exec::ssh::lend::{Lent, lend};
use vigie_exec::ssh::session::{Job, Transport, run};
use vigie_ports::host::Host;
use vigie_ports::ports::PortSet;
use vigie_ports::vantages::sight::Sight;
use vigie_ports::xml::{Item, Reader};
use vigie_ports::{State, Target};

/// Up to so many looks from a place go by forwarding when nothing else is said.
pub(super) const FORWARDED_MAX: usize = 1024;

/// Ports on one command line: the kernel takes no argument longer than 128 KiB.
const PORTS_OF_COMMAND: usize = 16_384;

/// How long a program over there may look at ports of one target, as nmap may when nothing answers.
const PATIENCE: Duration = Duration::from_secs(1800);

/// What is kept of what it prints.
const KEPT_BYTES: usize = 64 * 1024 * 1024;

/// Who looks, on the machines that are looked from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum By {
    /// Forwarding for up to 1,024 ports; beyond, or where it is forbidden, this program, nmap, forwarding
    Auto,
    /// SSH's forwarding: nothing runs there
    Forwarding,
    /// This program, copied there and removed afterwards
    Copy,
    /// The nmap that is installed there
    Nmap,
}

/// A program there.
pub(super) struct Agent {
    connection: Connection,
    program: Program,
}

enum Program {
    Lent(Lent),
    Nmap,
}

impl Agent {
    /// This program over there, or the nmap that is there, over a connection of its own.
    pub(super) async fn new(
        by: By,
        connector: &Connector,
        settings: &Arc<Settings>,
        own: &OwnProgram,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, Failed> {
        let connection = connector.connect(settings).await.map_err(|refusal| refusal.failed)?;
        let program = match by {
            By::Nmap => has_nmap(&connection, stop).await.map(|()| Program::Nmap),
            _ => match own.get().await {
                Ok(own) => lend(&connection, own, std::env::consts::ARCH).await.map(Program::Lent),
                Err(failed) => Err(failed),
            },
        };
        match program {
            Ok(program) => Ok(Agent { connection, program }),
            Err(failed) => {
                connection.close().await;
                Err(failed)
            }
        }
    }

    pub(super) fn way(&self) -> &'static str {
        match self.program {
            Program::Lent(_) => "copy",
            Program::Nmap => "nmap",
        }
    }

    /// Looks at ports; one that the program does not tell of is not known.
    pub(super) async fn look(
        &self,
        asked: &[Asked],
        targets: &[Target],
        stop: &watch::Receiver<bool>,
    ) -> Result<Vec<Sight>, Failed> {
        let mut by_target: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
        asked.iter().for_each(|asked| by_target.entry(asked.target).or_default().push(asked.port));
        let mut found: BTreeMap<(usize, u16), Sight> = BTreeMap::new();
        for (target, ports) in by_target {
            for ports in ports.chunks(PORTS_OF_COMMAND) {
                let seen = self.look_at(&targets[target], ports, stop).await?;
                found.extend(seen.into_iter().map(|(port, sight)| ((target, port), sight)));
            }
        }
        let sight = |asked: &Asked| found.remove(&(asked.target, asked.port));
        Ok(asked.iter().map(sight).map(|sight| sight.unwrap_or_else(not_told)).collect())
    }

    async fn look_at(
        &self,
        target: &Target,
        ports: &[u16],
        stop: &watch::Receiver<bool>,
    ) -> Result<BTreeMap<u16, Sight>, Failed> {
        let (asked, address) = (ports.iter().copied().collect::<PortSet>(), target.address);
        let line = match &self.program {
            Program::Lent(lent) => {
                format!("exec {} ports {address} -p {asked} --engine connect --json", lent.path())
            }
            Program::Nmap => {
                let v6 = if address.is_ipv6() { "-6 " } else { "" };
                format!("exec nmap {v6}-sT -Pn -n --noninteractive -oX - -p {asked} {address}")
            }
        };
        let ended = run(&self.connection, &job(line), stop.clone()).await;
        let (host, way) = (&self.connection.settings.written, self.way());
        let failed = |class: Class, why: String| Failed {
            class,
            message: format!("{way} on {host} looks at {address} in vain: {why}"),
            hint: None,
        };
        if !ended.class.has_ended() {
            return Err(failed(ended.class, ended.message.unwrap_or_default()));
        }
        let seen = match self.program {
            Program::Lent(_) => serde_json::from_slice::<Host>(ended.stdout.bytes()).ok(),
            Program::Nmap => from_xml(ended.stdout.bytes(), &asked),
        };
        match seen {
            Some(host) => Ok(Sight::of_host(&host)),
            None => {
                let said = ended.stderr.to_text();
                Err(failed(Class::ExecFailed, said.lines().next().unwrap_or("no result").to_owned()))
            }
        }
    }

    /// Removes what was copied; says so when that is not certain.
    pub(super) async fn close(self) -> Result<(), String> {
        let Agent { connection, program } = self;
        let host = connection.settings.written.clone();
        let gone = match program {
            Program::Nmap => Ok(()),
            Program::Lent(lent) => {
                let path = lent.path().to_owned();
                match lent.take_back().await {
                    true => Ok(()),
                    false => Err(format!("nothing shows that {path} on {host} was removed: look there")),
                }
            }
        };
        connection.close().await;
        gone
    }
}

async fn has_nmap(connection: &Connection, stop: &watch::Receiver<bool>) -> Result<(), Failed> {
    let ended = run(connection, &job("nmap --version".to_owned()), stop.clone()).await;
    if ended.class == Class::Ok && ended.stdout.to_text().contains("Nmap") {
        return Ok(());
    }
    let class = if ended.class.has_ended() { Class::ExecFailed } else { ended.class };
    Err(Failed { class, message: format!("{} has no nmap", connection.settings.written), hint: None })
}

fn from_xml(bytes: &[u8], asked: &PortSet) -> Option<Host> {
    let mut reader = Reader::new(bytes);
    while let Ok(Some(item)) = reader.next_item() {
        if let Item::Host(host) = item {
            return host.into_host(asked);
        }
    }
    None
}

fn not_told() -> Sight {
    Sight::new(State::Unknown, "not-told")
}

fn job(line: String) -> Job {
    Job {
        command: format!("LC_ALL=C; export LC_ALL; {line}"),
        marked: true,
        transport: Transport::Own,
        sudo: None,
        time_limit: Some(PATIENCE),
        keep: Keep { head: KEPT_BYTES, tail: 0 },
        input: Bytes::new(),
        live: None,
    }
}

/// This program for all places, read when the first needs it.
#[derive(Debug, Default, Clone)]
pub(super) struct OwnProgram(Arc<tokio::sync::OnceCell<Bytes>>);

impl OwnProgram {
    async fn get(&self) -> Result<Bytes, Failed> {
        // The file may have been replaced since the start; this leads to the one that runs.
        let read =
            self.0.get_or_try_init(|| async { tokio::fs::read("/proc/self/exe").await.map(Bytes::from) });
        read.await.cloned().map_err(|error| Failed {
            class: Class::ExecFailed,
            message: format!("this program cannot be read, to copy it: {error}"),
            hint: None,
        })
    }
}
