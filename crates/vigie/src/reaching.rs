//! How other machines are reached over SSH: options of every command that goes there, and the question about hosts
//! that are not known.

use crate::asking;
use crate::failure::Failure;
use crate::output::{Table, escaped};
use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use vigie_exec::inventory::Inventory;
use vigie_exec::ssh::config::{Overrides, Policy};
use vigie_exec::ssh::connect::Connector;
use vigie_exec::ssh::fleet::FAN_OUT;
use vigie_exec::ssh::keys::Keys;
use vigie_exec::ssh::trust::{Stranger, remember};

/// How machines are reached, wherever a command goes there.
#[derive(Args, Debug)]
pub(crate) struct WayArgs {
    /// Groups of hosts: TOML with `[groups]`, or ClusterShell's groups.conf
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,

    /// The user to be there [default: as ssh_config says]
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,

    /// A private key to try first
    #[arg(short, long, value_name = "FILE")]
    identity: Option<PathBuf>,

    /// Ask for a password, for hosts and for locked keys
    #[arg(long)]
    ask_password: bool,

    /// What is done about hosts that are not known [default: as StrictHostKeyChecking says]
    #[arg(long, value_name = "POLICY", value_enum)]
    host_keys: Option<HostKeys>,

    /// A file with known hosts, instead of your own
    #[arg(long, value_name = "FILE")]
    known_hosts: Option<PathBuf>,

    /// Another file than ~/.ssh/config
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,

    /// How long a connection may take to come about, and the handshake on it [default: as ssh_config says, else 10s and 30s]
    #[arg(long, value_name = "SPAN", value_parser = limit)]
    connect_timeout: Option<Duration>,
}

/// Which machines, and how they are reached.
#[derive(Args, Debug)]
#[command(next_help_heading = "On other machines")]
pub(crate) struct ReachArgs {
    #[command(flatten)]
    way: WayArgs,

    /// The port [default: as ssh_config says]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Leave these hosts out
    #[arg(long, value_name = "HOSTS")]
    exclude: Option<String>,

    /// So many hosts at once [default: up to 256, of which only as many as servers bear shake hands at once]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    fan_out: Option<u32>,
}

/// What is done about a host whose key is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HostKeys {
    /// It is refused
    Strict,
    /// You are asked, once for all such hosts; without a terminal it is refused
    Ask,
    /// It is accepted and remembered; a changed key is refused
    AcceptNew,
    /// Everything is accepted: whoever is in between can read and answer
    Off,
}

impl HostKeys {
    fn policy(self) -> Policy {
        match self {
            HostKeys::Strict => Policy::Strict,
            HostKeys::Ask => Policy::Ask,
            HostKeys::AcceptNew => Policy::AcceptNew,
            HostKeys::Off => Policy::Off,
        }
    }
}

impl WayArgs {
    /// Whether any of them is given.
    pub(crate) fn is_given(&self) -> bool {
        let Self {
            inventory,
            user,
            identity,
            ask_password,
            host_keys,
            known_hosts,
            ssh_config,
            connect_timeout,
        } = self;
        let files = [inventory, identity, known_hosts, ssh_config];
        files.iter().any(|file| file.is_some())
            || (user.is_some() || *ask_password || host_keys.is_some() || connect_timeout.is_some())
    }

    /// Whether the user may be asked about hosts that are not known.
    pub(crate) fn may_ask(&self) -> bool {
        self.host_keys.is_none_or(|keys| keys == HostKeys::Ask) && asking::can_ask()
    }

    /// The groups that are known.
    pub(crate) fn inventory(&self) -> Result<Inventory, Failure> {
        Inventory::load(self.inventory.as_deref()).map_err(|e| Failure::of(&e))
    }

    /// What connects to them, at this port if one is given; asks for the password first, if it is to, unless the user
    /// ends it.
    pub(crate) async fn connector(
        &self,
        port: Option<u16>,
        ended: impl Future<Output = ()>,
    ) -> Result<Arc<Connector>, Failure> {
        let overrides = Overrides {
            file: self.ssh_config.clone(),
            user: self.user.clone(),
            port,
            identity: self.identity.clone(),
            policy: self.host_keys.map(HostKeys::policy),
            known_hosts: self.known_hosts.clone(),
            connect_timeout: self.connect_timeout,
        };
        let password = match self.ask_password {
            true => Some(asking::password("password: ", ended).await?.ok_or_else(Failure::interrupted)?),
            false => None,
        };
        Ok(Connector::new(overrides, Keys::new(password)))
    }
}

impl ReachArgs {
    /// Whether any of them is given.
    pub(crate) fn is_given(&self) -> bool {
        let Self { way, port, exclude, fan_out } = self;
        way.is_given() || port.is_some() || exclude.is_some() || fan_out.is_some()
    }

    /// Whether a password is to be asked for first.
    pub(crate) fn asks_password(&self) -> bool {
        self.way.ask_password
    }

    /// So many hosts are under way at once.
    pub(crate) fn fan_out(&self) -> usize {
        self.fan_out.map_or(FAN_OUT, |n| n as usize)
    }

    /// Whether the user may be asked about hosts that are not known.
    pub(crate) fn may_ask(&self) -> bool {
        self.way.may_ask()
    }

    /// The hosts that are meant, in order, without those that are left out.
    pub(crate) async fn hosts(&self, text: &str) -> Result<Vec<String>, Failure> {
        let inventory = self.way.inventory()?;
        let hosts = |text: String| {
            let inventory = &inventory;
            async move { inventory.hosts(&text).await.map_err(|e| Failure::of(&e).into_usage()) }
        };
        let mut found = hosts(text.to_owned()).await?;
        if let Some(exclude) = &self.exclude {
            let excluded: std::collections::HashSet<String> =
                hosts(exclude.clone()).await?.into_iter().collect();
            found.retain(|host| !excluded.contains(host));
        }
        if found.is_empty() { Err(Failure::usage("no host is left")) } else { Ok(found) }
    }

    /// What connects to them; asks for the password first, if it is to, unless the user ends it.
    pub(crate) async fn connector(&self, ended: impl Future<Output = ()>) -> Result<Arc<Connector>, Failure> {
        self.way.connector(self.port, ended).await
    }
}

/// A time limit is longer than nothing.
pub(crate) fn limit(text: &str) -> Result<Duration, String> {
    match crate::instant::span(text)? {
        Duration::ZERO => Err("no time at all; leave it away for no limit".to_owned()),
        limit => Ok(limit),
    }
}

/// Shows all strangers in one table and asks once. Gives the hosts that were accepted, which are then remembered; none
/// when the user ends it instead.
pub(crate) async fn accept(
    strangers: &[(usize, Stranger)],
    hosts: &[String],
    ended: impl Future<Output = ()>,
) -> Result<Option<Vec<usize>>, Failure> {
    let mut table = Table::new(&["HOST", "TYPE", "FINGERPRINT"], &[]);
    for (index, stranger) in strangers {
        table.row([
            escaped(hosts[*index].as_bytes()),
            stranger.key.algorithm().to_string(),
            stranger.fingerprint(),
        ]);
    }
    let mut terminal = std::io::stderr();
    for line in table.lines() {
        writeln!(terminal, "{line}")?;
    }
    let question = "These hosts are not known. Compare; then accept and remember all of them?".to_owned();
    match asking::yes(question, ended).await? {
        None => Ok(None),
        Some(false) => Ok(Some(Vec::new())),
        Some(true) => {
            let accepted: Vec<Stranger> = strangers.iter().map(|(_, stranger)| stranger.clone()).collect();
            remember(&accepted).map_err(|e| Failure::failed("cannot remember the keys").because(&e))?;
            Ok(Some(strangers.iter().map(|(index, _)| *index).collect()))
        }
    }
}
