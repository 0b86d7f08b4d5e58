//! Many addresses: time and memory.

use super::super::report::{Row, Target};
use super::super::roles::bed::quietly;
use super::super::series::{Series, Unit, timed};
use super::Settings;
use super::bed::Bed;
use crate::shell;
use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Machines in the /24 beside the two ends of the cable.
const LIVE: std::ops::Range<u32> = 20..38;

/// A /24 with 20 machines, the thousand likeliest ports, beside nmap.
pub(super) fn subnet(settings: &Settings) -> Result<Vec<Row>> {
    let bed = Bed::near()?;
    for (space, address) in [(&bed.here, "10.9.0.1/24"), (&bed.there, "10.9.0.2/24")] {
        quietly("ip", ["-n", &space.name, "addr", "add", address, "dev", "v0"])?;
    }
    for last in LIVE {
        quietly("ip", ["-n", &bed.there.name, "addr", "add", &format!("10.9.0.{last}/24"), "dev", "v0"])?;
    }
    let (mut ours, mut theirs) = (Series::new(Unit::Seconds), Series::new(Unit::Seconds));
    for _ in 0..settings.rounds {
        ours.push_time(timed(|| {
            let mut vigie = bed.command(&settings.vigie);
            done(vigie.args(["ports", "10.9.0.0/24", "-p", "1-1000", "--json"]))
        })?);
        theirs.push_time(timed(|| {
            let mut nmap = bed.command("nmap");
            done(nmap.args(["-n", "-T4", "-p", "1-1000", "10.9.0.0/24"]))
        })?);
    }
    Ok(vec![Row::beside("a /24 with 20 machines", ours, "nmap -T4", theirs, Target::Ratio(1.0))])
}

fn done(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status.with_context(|| shell::cannot_start(command))?.code() {
        Some(0 | 3) => Ok(()),
        code => bail!("`{}` ended with {code:?}", shell::line(command)),
    }
}

/// A /16 of which nobody is there, ten ports each: the peak memory.
pub(super) fn memory(settings: &Settings) -> Result<Vec<Row>> {
    let bed = Bed::near()?;
    quietly("ip", ["-n", &bed.here.name, "addr", "add", "10.40.0.1/16", "dev", "v0"])?;
    let mut vigie = bed.command("sh");
    // The peak is read from the kernel by the shell's own children.
    vigie.args(["-c", r#""$0" "$@" > /dev/null & pid=$!
        peak=0; while [ -r /proc/$pid/status ]; do
        now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$pid/status); [ -n "$now" ] && peak=$now || break
        sleep 0.2; done; wait $pid; echo $peak"#]);
    vigie.arg(&settings.vigie).args(["ports", "10.40.0.0/16", "-p", "1-10", "--json"]);
    let out = shell::output(&mut vigie)?;
    let kib: u64 = String::from_utf8_lossy(&out).trim().parse().context("no peak")?;
    Ok(vec![Row::alone(
        "a /16, ten ports: peak memory",
        Series::of(Unit::Bytes, kib * 1024),
        Target::AtMost(50e6),
    )])
}
