//! Checks and who runs their commands: organs do not know each other, so they meet here.

use crate::failure::Failure;
use async_trait::async_trait;
use vigie_exec::{Command, Ending, Keep, Leftovers};
use vigie_health::limits::CHECKS_MAX;
use vigie_health::{CheckSpec, CommandEnd, CommandReport, CommandRun, RunCommand, Target};

/// Runs the commands of checks with the shell of this machine.
#[derive(Debug)]
pub(crate) struct Shell;

#[async_trait]
impl RunCommand for Shell {
    async fn run(&self, run: CommandRun) -> CommandReport {
        let command = Command::shell(&run.line)
            .time_limit(run.time_limit)
            .keep(Keep::last(run.output_bytes_max))
            // A check looks; what it leaves in the background can only be in the way of the next look.
            .leftovers(Leftovers::Kill);
        match command.run().await {
            Ok(outcome) => CommandReport {
                end: end(outcome.ending),
                stdout: outcome.stdout.bytes().to_vec(),
                stderr: outcome.stderr.bytes().to_vec(),
            },
            Err(error) => CommandReport {
                end: CommandEnd::Lost(error.to_string()),
                stdout: Vec::new(),
                stderr: Vec::new(),
            },
        }
    }
}

fn end(ending: Ending) -> CommandEnd {
    match ending {
        Ending::Exited(code) => CommandEnd::Exited(code),
        Ending::Signalled { signal, .. } => CommandEnd::Signalled(signal),
        Ending::TimedOut { .. } => CommandEnd::TimedOut,
        // Nobody here stops a check but by dropping it.
        Ending::Stopped { .. } | Ending::Unknown => CommandEnd::Lost("its exit code is unknown".to_owned()),
    }
}

/// Refuses checks that could never find anything, before anything starts. `give` says what would tell a role that
/// nothing tells.
pub(crate) fn check_specs<'a>(
    checks: &[CheckSpec],
    groups: impl Iterator<Item = &'a str> + Clone,
    give: &str,
) -> Result<(), Failure> {
    if checks.len() > CHECKS_MAX {
        return Err(Failure::usage(format!("{} checks are too many: at most {CHECKS_MAX}", checks.len())));
    }
    for (index, spec) in checks.iter().enumerate() {
        if checks[..index].iter().any(|other| other.name == spec.name) {
            return Err(
                Failure::usage(format!("two checks are called `{spec}`")).hint("name them: '[name=NAME] …'")
            );
        }
        if let Target::Role { group, .. } = &spec.target
            && !groups.clone().any(|known| known == group)
        {
            return Err(Failure::usage(format!("nothing tells this machine's role in {group}"))
                .hint(format!("give {}", give.replace("GROUP", group))));
        }
    }
    Ok(())
}
