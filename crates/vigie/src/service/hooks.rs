//! Hooks of roles: `sh -c COMMAND`, by the organ that runs commands.

use crate::instant;
use async_trait::async_trait;
use clap::Args;
use std::io::Write;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use vigie_exec::{Command, Ending, Leftovers};
use vigie_role::{GroupName, HookCall, HookError, HookRunner, Role};

/// The commands of both roles, as options.
#[derive(Args, Clone, Debug)]
pub(crate) struct HookArgs {
    /// Command to run on becoming principal
    #[arg(long, value_name = "CMD")]
    pub(crate) on_principal: Option<String>,

    /// Command to run on becoming secondaire
    #[arg(long, value_name = "CMD")]
    pub(crate) on_secondaire: Option<String>,

    /// How long a hook may run before it is killed
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = instant::span)]
    pub(crate) hook_timeout: Duration,
}

/// The commands of both roles in a group.
#[derive(Clone, Debug)]
pub(crate) struct ShellHooks {
    args: HookArgs,
    group: GroupName,
}

impl ShellHooks {
    pub(crate) fn new(args: HookArgs, group: GroupName) -> Self {
        ShellHooks { args, group }
    }
}

#[async_trait]
impl HookRunner for ShellHooks {
    async fn run(&self, call: &HookCall, cancel: CancellationToken) -> Result<(), HookError> {
        let command = match call.role {
            Role::Principal => &self.args.on_principal,
            Role::Secondaire => &self.args.on_secondaire,
        };
        let Some(command) = command.clone() else { return Ok(()) };
        let limit = self.args.hook_timeout;
        // What a hook put into the background and left there is part of it, and ends with it.
        let shell = Command::shell(&command).time_limit(limit).leftovers(Leftovers::Kill);
        let variables = call.environment(&self.group).into_iter();
        let shell = variables.fold(shell, |shell, (name, value)| shell.env(name, value));
        let outcome = match shell.run_until(cancel.cancelled()).await {
            Ok(outcome) => outcome,
            Err(error) => return Err(HookError::Start { command, why: error.to_string() }),
        };
        // What a hook prints is no answer of this program.
        for output in [&outcome.stdout, &outcome.stderr] {
            let _nobody_reads = std::io::stderr().write_all(output.bytes());
        }
        match outcome.ending {
            Ending::Exited(0) => Ok(()),
            Ending::TimedOut { .. } => Err(HookError::Timeout { command, limit }),
            Ending::Stopped { .. } => Err(HookError::Cancelled { command }),
            Ending::Exited(code) => Err(HookError::Status { command, how: format!("exit code {code}") }),
            Ending::Signalled { signal, .. } => {
                Err(HookError::Status { command, how: format!("signal {signal}") })
            }
            Ending::Unknown => Err(HookError::Status { command, how: "an unknown exit code".into() }),
        }
    }
}
