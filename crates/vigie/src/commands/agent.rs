//! `vigie agent`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::service::agent::AgentService;
use crate::service::hooks::{HookArgs, ShellHooks};
use crate::service::{roots, token};
use crate::signals::EndSignals;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vigie_agent::{Config, RoleConfig, State, TlsDial};
use vigie_model::{Clock, SystemClock};
use vigie_role::GroupName;
use vigie_wire::frame::RefuseCode;
use vigie_wire::{Backoff, ConnectError, EnrolError, EnrolKey, Identity, Token};

/// Run the agent of this machine: watch directories and tell the hub
///
/// The first time it needs a token from `vigie hub invite`; then it has a certificate of its own. The token
/// is read from a file, standard input or VIGIE_TOKEN, never from the command line, where others see it.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie agent --hub hub.example.org:7700 --token-file web01.token --watch /etc /srv
  vigie agent --hub hub.example.org:7700 --watch /etc /srv --ignore '*.tmp' 'cache/'
  vigie agent --hub hub.example.org:7700 --role db --on-principal 'systemctl start app' \
    --on-secondaire 'systemctl stop app'")]
pub(crate) struct AgentArgs {
    /// The hub
    #[arg(long, value_name = "HOST:PORT")]
    hub: String,

    /// File with the token, or - for standard input
    #[arg(long, value_name = "F|-")]
    token_file: Option<PathBuf>,

    /// Directories to watch
    #[arg(long, value_name = "DIR", num_args = 1.., required_unless_present = "role")]
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
    pub(crate) async fn run(self, _context: Context) -> Result<Outcome, Failure> {
        check_hub(&self.hub)?;
        if self.role.is_none() && (self.hooks.on_principal.is_some() || self.hooks.on_secondaire.is_some()) {
            return Err(
                Failure::usage("hooks need a group whose roles they follow").hint("give --role GROUP")
            );
        }
        let roots = roots::resolve(&self.watch)?;
        let token = token::read(self.token_file.as_deref())?;
        let dir = match self.state {
            Some(dir) => dir,
            None => crate::places::agent_state()?,
        };
        let mut end = EndSignals::listen()?;
        let state = State::open(&dir).map_err(|e| Failure::of(&e))?;
        for remark in roots::leave_out(&roots, &[roots::byte_path(&dir)?])? {
            tracing::info!("{remark}");
        }
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
        let service = AgentService::start(config, state, Arc::new(dial)).await?;
        end.next().await;
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

/// `HOST:PORT` as far as its form tells.
fn check_hub(hub: &str) -> Result<(), Failure> {
    let (host, port) = hub.rsplit_once(':').unwrap_or_default();
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(Failure::usage(format!("`{hub}` is not HOST:PORT, such as hub.example.org:7700")));
    }
    Ok(())
}

/// Who this machine is: what its state directory says, or, the first time, what the token brings.
async fn identity(
    hub: &str,
    state: &Path,
    token: Option<Token>,
    name: Option<&str>,
) -> Result<Identity, Failure> {
    let known = Identity::load(state).map_err(|e| Failure::of(&e))?;
    let now = SystemClock::default().wall();
    let is_usable = |known: &Identity, token: &Token| {
        known.authority() == token.authority() && known.card().not_after > now
    };
    let identity = match (known, token) {
        (Some(known), Some(token)) if !is_usable(&known, &token) => enrol(hub, state, &token, name).await?,
        (Some(known), token) => {
            if token.is_some() {
                tracing::info!("this machine is enrolled already: the token is not used");
            }
            known
        }
        (None, Some(token)) => enrol(hub, state, &token, name).await?,
        (None, None) => {
            return Err(Failure::usage("this machine is not enrolled, and there is no token")
                .hint(format!("make one on the hub with {}, and give it with --token-file", invite(name))));
        }
    };
    check_name(identity.name(), name)?;
    Ok(identity)
}

fn check_name(real: &str, wanted: Option<&str>) -> Result<(), Failure> {
    match wanted {
        Some(wanted) if wanted != real => {
            Err(Failure::usage(format!("this machine is called {real}, not {wanted}"))
                .hint("a machine's name is that of its token; leave --name away, or invite the other name"))
        }
        _ => Ok(()),
    }
}

/// Enrols, and tries again while that can help.
async fn enrol(hub: &str, state: &Path, token: &Token, name: Option<&str>) -> Result<Identity, Failure> {
    check_name(token.name(), name)?;
    let key = EnrolKey::load_or_create(state).map_err(|e| Failure::of(&e))?;
    let mut backoff = Backoff::new();
    loop {
        match vigie_wire::enrol(hub, token, &key, Arc::new(SystemClock::default())).await {
            Ok(identity) => {
                identity.save(state).map_err(|e| Failure::of(&e))?;
                tracing::info!(name = identity.name(), "enrolled");
                return Ok(identity);
            }
            Err(error) if is_worth_another_try(&error) => {
                let wait = backoff.next_wait();
                tracing::warn!("not enrolled yet, trying again in {wait:.1?}: {error}");
                tokio::time::sleep(wait).await;
            }
            Err(error) => return Err(refused(token.name(), &error)),
        }
    }
}

/// Why there is no identity, and what can be done about it.
fn refused(name: &str, error: &EnrolError) -> Failure {
    let failure = Failure::of(error);
    let EnrolError::Refused(refuse) = error else { return failure };
    match refuse.code {
        RefuseCode::TokenUsed | RefuseCode::TokenExpired | RefuseCode::TokenWrong => {
            failure.hint(format!("make a new one on the hub with {}", invite(Some(name))))
        }
        _ => failure,
    }
}

/// The command that makes a token for this machine.
fn invite(name: Option<&str>) -> String {
    let name = name.map(str::to_owned).or_else(|| crate::places::host_name().ok());
    format!("`vigie hub invite {}`", name.as_deref().unwrap_or("NAME"))
}

fn is_worth_another_try(error: &EnrolError) -> bool {
    match error {
        EnrolError::Connect(ConnectError::Tls { .. } | ConnectError::Identity(_)) => false,
        EnrolError::Connect(_) | EnrolError::Wire(_) => true,
        EnrolError::Refused(refuse) => refuse.code == RefuseCode::Unavailable,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_wire::frame::Refuse;

    #[test]
    fn a_token_that_opens_nothing_is_to_be_made_anew() {
        let told = |code| {
            refused("web01", &EnrolError::Refused(Refuse { code, reason: "no".into() })).as_json()["hint"]
                .clone()
        };
        for code in [RefuseCode::TokenUsed, RefuseCode::TokenExpired, RefuseCode::TokenWrong] {
            assert_eq!(told(code), "make a new one on the hub with `vigie hub invite web01`");
        }
        assert!(told(RefuseCode::Version).is_null());
    }

    #[test]
    fn addresses_of_hubs_have_a_port() {
        for good in ["hub:7700", "192.0.2.1:1", "[::1]:7700"] {
            assert!(check_hub(good).is_ok(), "{good} was refused");
        }
        for bad in ["hub", ":7700", "hub:", "hub:http", "hub:70000", ""] {
            assert_eq!(check_hub(bad).unwrap_err().exit_code(), 2, "{bad} was taken");
        }
    }
}
