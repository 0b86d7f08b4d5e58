//! `vigie agent`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::service::agent::AgentService;
use crate::service::health::{HealthOptions, HealthPart};
use crate::service::hooks::{HookArgs, ShellHooks};
use crate::service::identity::{identity, token};
use crate::service::own_roles::OwnRoles;
use crate::service::roots;
use crate::signals::EndSignals;
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vigie_agent::{Config, RoleConfig, State, TlsDial};
use vigie_model::SystemClock;
use vigie_role::GroupName;

/// Run the agent of this machine: watch directories and tell the hub, be one of a group, answer load balancers
///
/// The first time it needs a token from `vigie hub invite`; then it has a certificate of its own. The token
/// is read from a file, standard input or VIGIE_TOKEN, never from the command line, where others see it.
#[derive(Args, Debug)]
#[command(mut_group("HealthOptions", |group| group.requires("health")), after_help = "\
EXAMPLES:
  vigie agent --hub hub.example.org:7700 --token-file web01.token --watch /etc /srv
  vigie agent --hub hub.example.org:7700 --watch /etc /srv --ignore '*.tmp' 'cache/'
  vigie agent --hub hub.example.org:7700 --role db --on-principal 'systemctl start app' \
    --on-secondaire 'systemctl stop app'
  vigie agent --hub hub.example.org:7700 --role web --health 10.0.0.5:7780 --check tcp:127.0.0.1:8080

Hooks are run by sh, one at a time, with VIGIE_ROLE, VIGIE_OLD_ROLE, VIGIE_EPOCH, VIGIE_GROUP and
VIGIE_REASON; what they print goes to standard error. When the hook of a promotion fails, the other
one is run, the role is given back, and this machine is out of the line until `vigie role resume`.
On SIGTERM load balancers are told first, then the hook of the demotion runs, then the rest ends;
a second signal ends it at once.")]
pub(crate) struct AgentArgs {
    /// The hub
    #[arg(long, value_name = "HOST:PORT")]
    hub: String,

    /// File with the token, or - for standard input
    #[arg(long, value_name = "F|-")]
    token_file: Option<PathBuf>,

    /// Directories to watch
    #[arg(long, value_name = "DIR", num_args = 1.., required_unless_present_any = ["role", "health"])]
    watch: Vec<PathBuf>,

    /// Name of this machine; the token's name, and no other
    #[arg(long, value_name = "N")]
    name: Option<String>,

    /// Where the agent keeps its certificate and state [default: /var/lib/vigie-agent for root, else
    /// ~/.local/state/vigie]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// What not to watch, in the syntax of .gitignore; .vigieignore files in the directories count too
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    ignore: Vec<String>,

    /// Group of principal and secondaires to be a member of; a higher priority comes first, 0 unless given
    #[arg(long, value_name = "GROUP[:PRIORITY]", value_parser = role)]
    role: Option<(GroupName, i32)>,

    #[command(flatten)]
    hooks: HookArgs,

    /// Never become principal
    #[arg(long, requires = "role")]
    no_failover: bool,

    /// Answer load balancers on this address, with this machine's role; see `vigie health serve`
    #[arg(long, value_name = "ADDR", value_parser = crate::addresses::with_port, help_heading = "Health")]
    health: Option<SocketAddr>,

    #[command(flatten, next_help_heading = "Health")]
    health_options: HealthOptions,
}

/// `GROUP` or `GROUP:PRIORITY`.
fn role(text: &str) -> Result<(GroupName, i32), String> {
    let (group, priority) = match text.split_once(':') {
        Some((group, priority)) => {
            let number = priority.parse();
            (group, number.map_err(|_| format!("`{priority}` is no priority: a whole number, such as 10"))?)
        }
        None => (text, 0),
    };
    Ok((group.parse().map_err(|e: vigie_role::words::BadGroupName| e.to_string())?, priority))
}

impl AgentArgs {
    /// Refuses what would be without effect, before anything starts.
    fn check(&self) -> Result<(), Failure> {
        if self.role.is_none() && (self.hooks.on_principal.is_some() || self.hooks.on_secondaire.is_some()) {
            return Err(
                Failure::usage("hooks need a group whose roles they follow").hint("give --role GROUP")
            );
        }
        let groups = self.role.iter().map(|(group, _)| group.as_str());
        self.health_options.check(groups, "the group that this machine is a member of: --role GROUP")
    }

    pub(crate) async fn run(self, _context: Context) -> Result<Outcome, Failure> {
        check_hub(&self.hub)?;
        self.check()?;
        let roots = roots::resolve(&self.watch)?;
        let dir = match self.state {
            Some(dir) => dir,
            None => crate::places::agent_state()?,
        };
        let token = token(self.token_file.as_deref(), &dir)?;
        let mut end = EndSignals::listen()?;
        let state = State::open(&dir).map_err(|e| Failure::of(&e))?;
        for remark in roots::leave_out(&roots, &[roots::byte_path(&dir)?])? {
            tracing::info!("{remark}");
        }
        // Load balancers are answered whether or not the hub can be asked who this machine is.
        let health = start_health(self.health, self.health_options, &dir, self.role.as_ref())?;
        let identity = tokio::select! {
            identity = identity(&self.hub, &dir, token, self.name.as_deref()) => identity?,
            () = end.next() => return Ok(Outcome::Done),
        };
        let role = self.role.map(|(group, priority)| RoleConfig {
            hooks: Arc::new(ShellHooks::new(self.hooks, group.clone())),
            nofailover: self.no_failover,
            group,
            priority,
        });
        let config = Config {
            machine: identity.machine(),
            name: identity.name().to_owned(),
            roots,
            ignore: self.ignore,
            exclude: Vec::new(),
            roles: role.into_iter().collect(),
        };
        let clock = Arc::new(SystemClock::default());
        let dial = TlsDial::new(self.hub, identity, dir, clock).map_err(|e| Failure::of(&e))?;
        let service = AgentService::start(config, state, Arc::new(dial), health).await?;
        end.next().await;
        service.announce_stop(&mut end).await;
        tracing::info!("stopping: what was seen is sent first; a second signal stops at once");
        tokio::select! {
            drained = service.stop() => {
                if !drained {
                    tracing::warn!("stopped before all that was seen was on the hub; the next start compares anew");
                }
                Ok(Outcome::Done)
            }
            () = end.next() => Err(Failure::failed("stopped at once, as asked twice")),
        }
    }
}

/// Health answers at `listen`, if they are wanted, and the way of this machine's role to them.
fn start_health(
    listen: Option<SocketAddr>,
    options: HealthOptions,
    state: &Path,
    role: Option<&(GroupName, i32)>,
) -> Result<Option<(HealthPart, OwnRoles)>, Failure> {
    let Some(listen) = listen else { return Ok(None) };
    let roles = OwnRoles::new(role.iter().map(|(group, _)| group));
    let health = options.start(listen, state, roles.subscribe())?;
    tracing::info!(address = %health.service.listening(), "answering load balancers");
    Ok(Some((health, roles)))
}

/// `HOST:PORT` as far as its form tells.
fn check_hub(hub: &str) -> Result<(), Failure> {
    let (host, port) = hub.rsplit_once(':').unwrap_or_default();
    if host.is_empty() || host.contains('/') || port.parse::<u16>().is_err() {
        return Err(Failure::usage(format!("`{hub}` is not HOST:PORT, such as hub.example.org:7700")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_hubs_have_a_port() {
        for good in ["hub:7700", "192.0.2.1:1", "[::1]:7700"] {
            assert!(check_hub(good).is_ok(), "{good} was refused");
        }
        for bad in ["hub", ":7700", "hub:", "hub:http", "hub:70000", "http://hub:7700", ""] {
            assert_eq!(check_hub(bad).unwrap_err().exit_code(), 2, "{bad} was taken");
        }
    }
}
