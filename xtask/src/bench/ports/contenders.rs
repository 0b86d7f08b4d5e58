//! Who scans, with the options that its manual gives for the case, and what it found.

use super::Settings;
use super::bed::{Bed, TARGET, listeners, program};
use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time of one run of a peer.
const PATIENCE: &str = "300";

/// The exit code of `timeout` then.
const TIMED_OUT: i32 = 124;

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    Connect,
    /// With 256 descriptors.
    ConnectFew,
    Syn,
    Bare,
    NmapConnect,
    NmapSyn,
    /// Told to hurry, for silent targets.
    NmapSynRate,
    Masscan,
    Rustscan,
}

/// What one run found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) open: BTreeSet<u16>,
    pub(super) took: Duration,
}

/// The version of rustscan that is measured.
const RUSTSCAN: &str = "2.4.1";

/// The rustscan on the path, or one that cargo makes below the target directory, which takes some minutes once.
pub(super) fn rustscan(target: &Path) -> Result<PathBuf> {
    if shell::is_installed("rustscan") {
        return Ok("rustscan".into());
    }
    let root = target.join("tools");
    let program = root.join("bin/rustscan");
    if !program.exists() {
        let mut install = Command::new("cargo");
        install.args(["install", "rustscan", "--version", RUSTSCAN, "--locked", "--root"]).arg(&root);
        shell::run(&mut install)?;
    }
    Ok(program)
}

impl Found {
    /// Ports that are missing or made up.
    pub(super) fn wrong(&self, asked: u16) -> usize {
        let real: BTreeSet<u16> = listeners().filter(|port| *port <= asked).collect();
        self.open.symmetric_difference(&real).count()
    }
}

impl Contender {
    pub(super) fn name(self) -> &'static str {
        match self {
            Contender::Connect | Contender::ConnectFew => "vigie connect",
            Contender::Syn => "vigie syn",
            Contender::Bare => "bare loop",
            Contender::NmapConnect => "nmap -sT -T4",
            Contender::NmapSyn => "nmap -sS -T4",
            Contender::NmapSynRate => "nmap -sS --min-rate 10000 --max-retries 1",
            Contender::Masscan => "masscan --rate 20000",
            Contender::Rustscan => "rustscan -b 15000",
        }
    }

    /// Scans ports 1 to `last` of the target.
    pub(super) fn scan(self, bed: &Bed, settings: &Settings, last: u16) -> Result<Found> {
        let mut command = self.command(bed, settings, last)?;
        let start = Instant::now();
        let out = command.stdin(Stdio::null()).output().with_context(|| shell::cannot_start(&command))?;
        let took = start.elapsed();
        if out.status.code() == Some(TIMED_OUT) {
            bail!("`{}` took more than {PATIENCE} s", shell::line(&command));
        }
        if !matches!(out.status.code(), Some(0 | 3)) {
            bail!(
                "`{}`: {}: {}",
                shell::line(&command),
                out.status,
                String::from_utf8_lossy(&out.stderr).trim_end()
            );
        }
        let open = self.open(&String::from_utf8_lossy(&out.stdout))?;
        Ok(Found { open, took })
    }

    fn command(self, bed: &Bed, settings: &Settings, last: u16) -> Result<Command> {
        let ports = format!("1-{last}");
        let limited = |program: &Path, args: &[&str]| {
            let mut command = bed.command("timeout");
            command.arg(PATIENCE).arg(program).args(args);
            command
        };
        let nmap = |args: &[&str]| {
            let common = ["-n", "-Pn", "-p", &ports, "-oG", "-"];
            limited(Path::new("nmap"), &[args, &common, &[TARGET]].concat())
        };
        let vigie =
            |engine| limited(&settings.vigie, &["ports", TARGET, "-p", &ports, "--engine", engine, "--json"]);
        Ok(match self {
            Contender::Connect => vigie("connect"),
            Contender::ConnectFew => {
                let mut command = bed.command("sh");
                command.args(["-c", r#"ulimit -n 256 && exec "$0" "$@""#]).arg(&settings.vigie);
                command.args(["ports", TARGET, "-p", &ports, "--engine", "connect", "--json"]);
                command
            }
            Contender::Syn => vigie("syn"),
            Contender::Bare => limited(&program()?, &["ports-bare", TARGET]),
            Contender::NmapConnect => nmap(&["-sT", "-T4"]),
            Contender::NmapSyn => nmap(&["-sS", "-T4"]),
            Contender::NmapSynRate => nmap(&["-sS", "--min-rate", "10000", "--max-retries", "1"]),
            Contender::Masscan => {
                let mac = bed.hardware()?;
                let args = [
                    "-p",
                    &ports,
                    "--rate",
                    "20000",
                    "--wait",
                    "2",
                    "--interface",
                    "v0",
                    "--router-mac",
                    &mac,
                    "-oL",
                    "-",
                    TARGET,
                ];
                limited(Path::new("masscan"), &args)
            }
            Contender::Rustscan => {
                let program = settings.rustscan.as_deref().context("rustscan is not here")?;
                let args =
                    ["--no-config", "-g", "-b", "15000", "--ulimit", "20000", "-r", &ports, "-a", TARGET];
                limited(program, &args)
            }
        })
    }

    /// The open ports in what it printed.
    fn open(self, out: &str) -> Result<BTreeSet<u16>> {
        Ok(match self {
            Contender::Connect | Contender::ConnectFew | Contender::Syn => vigie_open(out)?,
            Contender::Bare => listeners().take(out.trim().parse().context("no count")?).collect(),
            Contender::NmapConnect | Contender::NmapSyn | Contender::NmapSynRate => {
                out.split([' ', '\t']).filter_map(|word| word.split_once("/open/")?.0.parse().ok()).collect()
            }
            Contender::Masscan => out
                .lines()
                .filter_map(|line| line.strip_prefix("open tcp ")?.split(' ').next()?.parse().ok())
                .collect(),
            Contender::Rustscan => {
                let list = out.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
                list.map_or("", |(list, _)| list)
                    .split(',')
                    .filter_map(|port| port.trim().parse().ok())
                    .collect()
            }
        })
    }
}

/// The open ports in one object of `vigie ports --json`.
fn vigie_open(out: &str) -> Result<BTreeSet<u16>> {
    let line = out.lines().find(|line| line.contains("\"ports\"")).context("no report in the output")?;
    let report: Value = serde_json::from_str(line).context("cannot read the report")?;
    let ports = report["ports"].as_array().context("no ports in the report")?;
    let open = ports.iter().filter(|port| port["state"] == "open");
    Ok(open.filter_map(|port| port["port"].as_u64()).filter_map(|port| u16::try_from(port).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_prints_is_read() {
        let of =
            |contender: Contender, out: &str| contender.open(out).unwrap().into_iter().collect::<Vec<_>>();
        let vigie = r#"{"target":"a","ports":[{"port":22,"state":"open"},{"port":23,"state":"filtered"}]}"#;
        assert_eq!(of(Contender::Connect, vigie), [22]);
        let nmap =
            "Host: 10.9.0.2 ()\tPorts: 22/open/tcp//ssh///, 675/open/tcp/////\tIgnored State: closed (9)";
        assert_eq!(of(Contender::NmapSyn, nmap), [22, 675]);
        assert_eq!(of(Contender::Masscan, "#masscan\nopen tcp 22 10.9.0.2 1700000000\n# end\n"), [22]);
        assert_eq!(of(Contender::Rustscan, "10.9.0.2 -> [22,675]\n"), [22, 675]);
        assert_eq!(of(Contender::Rustscan, ""), [0; 0]);
    }
}
