//! The runner of hooks: `sh -c COMMAND` in a process group of its own.

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::{ExitStatus, Stdio};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vigie_role::{GroupName, HookCall, HookError, HookRunner, Role};

/// The commands of both roles.
#[derive(Clone, Debug)]
pub(super) struct ShellHooks {
    pub(super) on_principal: Option<String>,
    pub(super) on_secondaire: Option<String>,
    pub(super) limit: Duration,
    pub(super) group: GroupName,
}

#[async_trait]
impl HookRunner for ShellHooks {
    async fn run(&self, call: &HookCall, cancel: CancellationToken) -> Result<(), HookError> {
        let command = match call.role {
            Role::Principal => &self.on_principal,
            Role::Secondaire => &self.on_secondaire,
        };
        let Some(command) = command.clone() else { return Ok(()) };
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(&command).envs(call.environment(&self.group));
        // What the hook prints is no answer of this program.
        shell.stdin(Stdio::null()).stdout(std::io::stderr()).process_group(0).kill_on_drop(true);
        let mut child = shell
            .spawn()
            .map_err(|error| HookError::Start { command: command.clone(), why: error.to_string() })?;
        let _whole_group = GroupKiller(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let ended = tokio::select! {
            ended = timeout(self.limit, child.wait()) => ended,
            () = cancel.cancelled() => return Err(HookError::Cancelled { command }),
        };
        match ended {
            Err(_) => Err(HookError::Timeout { command, limit: self.limit }),
            Ok(Err(error)) => Err(HookError::Status { command, how: error.to_string() }),
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(HookError::Status { command, how: how(status) }),
        }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Ends whatever of a hook still runs, however the hook is left: what it put into the background is part of it. (The
/// number of the group cannot have been given to another one while a member of it lives; when none does, there is
/// nobody to hit.)
struct GroupKiller(Option<Pid>);

impl Drop for GroupKiller {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Gone already, most often.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
