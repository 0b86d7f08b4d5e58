//! Default directories and sockets, and the names of this machine.

use crate::failure::Failure;
use crate::service::agent::MOUNT_PROC;
use std::path::{Path, PathBuf};
use vigie_model::machines::check_machine_name;

/// The hub's socket, in its data directory.
pub(crate) const HUB_SOCKET: &str = "api.sock";

/// The agent's socket, in its state directory.
pub(crate) const AGENT_SOCKET: &str = "agent.sock";

/// The socket of `vigie health serve`, in its state directory.
pub(crate) const HEALTH_SOCKET: &str = "health.sock";

/// Where a hub keeps its data: `/var/lib/vigie` for root, else below `$XDG_DATA_HOME`.
pub(crate) fn hub_data() -> Result<PathBuf, Failure> {
    default_dir("/var/lib/vigie", "XDG_DATA_HOME", ".local/share", "--data")
}

/// Where an agent keeps its state: `/var/lib/vigie-agent` for root, else below `$XDG_STATE_HOME`.
pub(crate) fn agent_state() -> Result<PathBuf, Failure> {
    default_dir("/var/lib/vigie-agent", "XDG_STATE_HOME", ".local/state", "--state")
}

/// Where values of a meter wait for their databases: `/var/lib/vigie-meter` for root, else below `$XDG_STATE_HOME`.
pub(crate) fn meter_spool() -> Result<PathBuf, Failure> {
    let base = default_dir("/var/lib/vigie-meter", "XDG_STATE_HOME", ".local/state", "--spool")?;
    Ok(if rustix::process::geteuid().is_root() { base } else { base.join("meter") })
}

/// Where the agent inside `vigie up` keeps its state.
pub(crate) fn agent_state_of_up(data: &Path) -> PathBuf {
    data.join("agent")
}

/// Where what can be asked again is kept for a while: below `$XDG_CACHE_HOME`, for root, too.
pub(crate) fn cache() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("vigie"))
}

fn default_dir(for_root: &str, variable: &str, below_home: &str, option: &str) -> Result<PathBuf, Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from(for_root));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .map(|base| base.join("vigie"))
        .ok_or_else(|| {
            Failure::usage("HOME is not set, so there is no default directory")
                .hint(format!("give {option} DIR"))
        })
}

/// The host name, as a machine's name.
pub(crate) fn host_name() -> Result<String, Failure> {
    const FILE: &str = "/proc/sys/kernel/hostname";
    let text = std::fs::read_to_string(FILE).map_err(|e| {
        Failure::failed(format!("cannot read the host name from {FILE}")).because(&e).hint(MOUNT_PROC)
    })?;
    let name = text.trim().to_owned();
    match check_machine_name(&name) {
        Ok(()) => Ok(name),
        Err(error) => Err(Failure::failed(format!("the host name `{name}` cannot be used")).because(&error)),
    }
}
