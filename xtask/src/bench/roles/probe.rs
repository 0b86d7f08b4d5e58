//! `xtask role-probe`: the hook of the bench. It notes when it ran, by the clock of leases, and writes behind the
//! fence.

use super::boot;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A hook of `cargo xtask bench roles`: notes the moment, and the role from the variables of hooks.
#[derive(clap::Args)]
pub(crate) struct ProbeArgs {
    /// The log to add a line to.
    #[arg(long)]
    log: PathBuf,
    /// The role, where no variable says it.
    #[arg(long)]
    role: Option<String>,
    /// On becoming principal, pass this fence first.
    #[arg(long, requires = "vigie")]
    fence: Option<PathBuf>,
    /// The binary that has the fence.
    #[arg(long)]
    vigie: Option<PathBuf>,
}

/// A line of the log of hooks: what ended when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) at: Duration,
    pub(super) principal: bool,
    /// None where there are none, as with keepalived.
    pub(super) epoch: Option<u64>,
}

/// A write that asked the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fenced {
    pub(super) epoch: u64,
    pub(super) begun: Duration,
    pub(super) ended: Duration,
    pub(super) accepted: bool,
}

pub(crate) fn run(args: &ProbeArgs) -> Result<()> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let role = args.role.clone().or_else(|| variable("VIGIE_ROLE")).context("no role is given")?;
    let epoch = variable("VIGIE_EPOCH");
    let first = line(boot::now(), &role, epoch.as_deref());
    append(&args.log, &first)?;
    if let (Some(fence), Some(vigie), "principal", Some(epoch)) =
        (&args.fence, &args.vigie, role.as_str(), &epoch)
    {
        let write = write_fenced(vigie, fence, epoch.parse().context("an epoch is a number")?)?;
        append(&args.log, &write.line())?;
    }
    Ok(())
}

fn line(at: Duration, role: &str, epoch: Option<&str>) -> String {
    format!("hook {} {role} {}\n", boot::nanos(at), epoch.unwrap_or("-"))
}

/// One write, so that lines of several hooks never mix.
fn append(log: &Path, line: &str) -> Result<()> {
    let writing = || format!("cannot write {}", log.display());
    let mut file = File::options().create(true).append(true).open(log).with_context(writing)?;
    file.write_all(line.as_bytes()).with_context(writing)
}

/// Asks the fence as a script would.
pub(super) fn write_fenced(vigie: &Path, fence: &Path, epoch: u64) -> Result<Fenced> {
    let mut command = Command::new(vigie);
    command.args(["role", "fence", "--epoch", &epoch.to_string(), "--file"]).arg(fence);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = boot::now();
    let status = command.status().context("cannot start the fence")?;
    let ended = boot::now();
    match status.code() {
        Some(code @ (0 | 75)) => Ok(Fenced { epoch, begun, ended, accepted: code == 0 }),
        _ => bail!("the fence neither let epoch {epoch} pass nor refused it: {status}"),
    }
}

impl Fenced {
    fn line(&self) -> String {
        let (begun, ended) = (boot::nanos(self.begun), boot::nanos(self.ended));
        format!("write {begun} {ended} {} {}\n", self.epoch, self.accepted)
    }
}

/// Reads such a log; one that does not exist yet is empty.
pub(super) fn read(log: &Path) -> Result<(Vec<Noted>, Vec<Fenced>)> {
    let text = match std::fs::read_to_string(log) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", log.display())),
    };
    let (mut hooks, mut writes) = (Vec::new(), Vec::new());
    for line in text.lines() {
        parse(line, &mut hooks, &mut writes).with_context(|| format!("{}: {line}", log.display()))?;
    }
    Ok((hooks, writes))
}

fn parse(line: &str, hooks: &mut Vec<Noted>, writes: &mut Vec<Fenced>) -> Result<()> {
    let time = |text: &str| text.parse().map(Duration::from_nanos).context("no time");
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["hook", at, role, epoch] => {
            let epoch = (epoch != "-").then(|| epoch.parse().context("no epoch")).transpose()?;
            hooks.push(Noted { at: time(at)?, principal: role == "principal", epoch });
        }
        ["write", begun, ended, epoch, accepted] => writes.push(Fenced {
            epoch: epoch.parse().context("no epoch")?,
            begun: time(begun)?,
            ended: time(ended)?,
            accepted: accepted == "true",
        }),
        _ => bail!("not a line of a hook"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let at = Duration::from_nanos(7);
        let write = Fenced { epoch: 3, begun: at, ended: at * 2, accepted: true };
        let (mut hooks, mut writes) = (Vec::new(), Vec::new());
        for line in [line(at, "principal", Some("3")), line(at, "secondaire", None), write.line()] {
            parse(line.trim_end(), &mut hooks, &mut writes).unwrap();
        }
        assert_eq!(hooks[0], Noted { at, principal: true, epoch: Some(3) });
        assert_eq!(hooks[1], Noted { at, principal: false, epoch: None });
        assert_eq!(writes, [write]);
        assert!(parse("hook 7 principal", &mut hooks, &mut writes).is_err());
    }
}
