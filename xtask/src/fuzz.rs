//! `cargo xtask fuzz`: every decoder of bytes from outside, under libFuzzer.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Runs fuzz targets for a while, two at a time; what they print goes to `fuzz/logs`.
///
/// A finding is kept in `fuzz/artifacts` and ends this with 1. Installs cargo-fuzz if it is missing, and needs
/// no nightly toolchain.
#[derive(clap::Args)]
pub(crate) struct FuzzArgs {
    /// Only these targets; all without one.
    targets: Vec<String>,
    /// Time for each target, in seconds.
    #[arg(long, value_name = "N", default_value_t = 600)]
    seconds: u32,
    /// Targets that run at the same time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Builds the targets and runs none.
    #[arg(long)]
    build_only: bool,
}

pub(crate) fn run(args: &FuzzArgs) -> Result<()> {
    if !shell::is_installed("cargo-fuzz") {
        shell::run(shell::cargo().args(["install", "--locked", "cargo-fuzz"]))?;
    }
    shell::run(cargo_fuzz().arg("build"))?;
    if args.build_only {
        return Ok(());
    }
    let known = shell::output(cargo_fuzz().arg("list"))?;
    let known: Vec<&str> =
        std::str::from_utf8(&known).context("cargo fuzz list is not text")?.lines().collect();
    if let Some(odd) = args.targets.iter().find(|target| !known.contains(&target.as_str())) {
        bail!("there is no fuzz target {odd}; there are: {}", known.join(" "));
    }
    let chosen =
        if args.targets.is_empty() { known } else { args.targets.iter().map(String::as_str).collect() };
    let logs = shell::workspace().join("fuzz/logs");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let findings = run_all(&chosen, args, &logs)?;
    if !findings.is_empty() {
        bail!("there are findings in: {}", findings.join(" "));
    }
    println!("fuzz: {} targets ran {} s each without a finding", chosen.len(), args.seconds);
    Ok(())
}

/// Runs the targets, `jobs` at a time, and gives those with a finding.
fn run_all(targets: &[&str], args: &FuzzArgs, logs: &Path) -> Result<Vec<String>> {
    let waiting = Mutex::new(targets.iter());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next().copied());
    std::thread::scope(|scope| {
        let work = || -> Result<Vec<String>> {
            let mut findings = Vec::new();
            while let Some(target) = next() {
                if !run_one(target, args.seconds, logs.join(format!("{target}.log")))? {
                    findings.push(target.to_owned());
                }
            }
            Ok(findings)
        };
        let workers: Vec<_> = (0..args.jobs).map(|_| scope.spawn(work)).collect();
        let mut findings = Vec::new();
        for worker in workers {
            findings.extend(worker.join().unwrap_or_else(|_| bail!("a thread that runs targets panicked"))?);
        }
        Ok(findings)
    })
}

/// Whether the target ran to its end without a finding.
fn run_one(target: &str, seconds: u32, log: PathBuf) -> Result<bool> {
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = file.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = cargo_fuzz();
    command.args(["run", target, "--", "-print_final_stats=1", &format!("-max_total_time={seconds}")]);
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    let status = command.status().with_context(|| shell::cannot_start(&command))?;
    let verdict = if status.success() { "no finding" } else { "ended with a failure" };
    println!("fuzz: {target}: {verdict}, see {}", log.display());
    Ok(status.success())
}

/// cargo-fuzz passes flags that only a nightly compiler takes, or one that is told to take them.
fn cargo_fuzz() -> Command {
    let mut command = shell::cargo();
    command.arg("fuzz").env("RUSTC_BOOTSTRAP", "1");
    command
}
