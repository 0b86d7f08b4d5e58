//! Many addresses: time and memory.

use super::super::report::{Row, Target};
use super::super::roles::bed::quietly;
use super::super::series::{Series, Unit};
use super::Settings;
use super::bed::Bed;
use crate::shell;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Machines in the /24 beside the two ends of the cable.
const LIVE: std::ops::Range<u32> = 20..38;

/// Ports that listen there, among the first thousand.
const OPEN: [u16; 2] = [22, 675];

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
        let mut vigie = bed.command(&settings.vigie);
        vigie.args(["ports", "10.9.0.0/24", "-p", "1-1000", "--json"]);
        ours.push_time(all_found(&mut vigie, |line| {
            let report: Value = serde_json::from_str(line).unwrap_or_default();
            report["counts"]["open"] == OPEN.len()
        })?);
        let mut nmap = bed.command("nmap");
        nmap.args(["-n", "-T4", "-p", "1-1000", "-oG", "-", "10.9.0.0/24"]);
        theirs.push_time(all_found(&mut nmap, |line| {
            OPEN.iter().all(|port| line.contains(&format!("{port}/open/tcp")))
        })?);
    }
    Ok(vec![Row::beside("a /24 with 20 machines", ours, "nmap -T4", theirs, Target::Ratio(1.0))])
}

/// How long a scan took that must find the open ports of all machines but the one that scans.
fn all_found(command: &mut Command, has_all: impl Fn(&str) -> bool) -> Result<Duration> {
    let start = Instant::now();
    let out = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .with_context(|| shell::cannot_start(command))?;
    let took = start.elapsed();
    ensure!(matches!(out.status.code(), Some(0 | 3)), "`{}` ended with {}", shell::line(command), out.status);
    let found = String::from_utf8_lossy(&out.stdout).lines().filter(|line| has_all(line)).count();
    let there = LIVE.len() + 1;
    ensure!(found == there, "`{}` found {found} machines of {there}", shell::line(command));
    Ok(took)
}

/// A /16 of which nobody is there, ten ports each: the peak memory.
pub(super) fn memory(settings: &Settings) -> Result<Vec<Row>> {
    let bed = Bed::near()?;
    quietly("ip", ["-n", &bed.here.name, "addr", "add", "10.40.0.1/16", "dev", "v0"])?;
    let mut vigie = bed.command("sh");
    // The peak is read from the kernel by the shell's own children.
    vigie.args(["-c", r#""$0" "$@" > /dev/null 2>&1 & pid=$!
        peak=0; while [ -r /proc/$pid/status ]; do
        now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$pid/status); [ -n "$now" ] && peak=$now || break
        sleep 0.2; done; wait $pid; echo $peak $?"#]);
    vigie.arg(&settings.vigie).args(["ports", "10.40.0.0/16", "-p", "1-10", "--json"]);
    let out = shell::output(&mut vigie)?;
    let out = String::from_utf8_lossy(&out);
    let (kib, code) = out.trim().split_once(' ').context("no peak")?;
    // Nobody is there, and that is said.
    ensure!(code == "3", "`{}` ended with {code}", shell::line(&vigie));
    let kib: u64 = kib.parse().context("no peak")?;
    Ok(vec![Row::alone(
        "a /16, ten ports: peak memory",
        Series::of(Unit::Bytes, kib * 1024),
        Target::AtMost(50e6),
    )])
}
