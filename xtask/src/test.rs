//! `cargo xtask test`: every test of the workspace, then some seeds of the simulation.

use crate::{setup, shell, sim};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// Seeds that every test run tries: a few seconds' worth. `cargo xtask sim` tries a thousand.
const SEEDS: &str = "0..40";

/// Installs what the tests need, runs all tests, then the simulation with a few seeds.
#[derive(clap::Args, Default)]
pub(crate) struct TestArgs {
    /// Only this package, and no simulation; may be repeated.
    #[arg(short, long, value_name = "NAME")]
    package: Vec<String>,
    /// Only tests whose name contains this, and no simulation.
    filter: Option<String>,
    /// Anything else for the test programs, after `--`.
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &TestArgs) -> Result<()> {
    setup::run(&setup::SetupArgs::default())?;
    let tally = cargo_test(args)?;
    let everything = args.package.is_empty() && args.filter.is_none();
    let simulated = if everything { Some(sim::seeds(SEEDS, &[])) } else { None };
    println!("\n{tally}");
    match &simulated {
        None => println!("simulation: not run, because only some of the tests were asked for"),
        Some(Ok(())) => println!("simulation: seeds {SEEDS} passed"),
        Some(Err(_)) => println!("simulation: a seed of {SEEDS} failed"),
    }
    if !tally.all_ok {
        bail!("some tests failed");
    }
    simulated.unwrap_or(Ok(()))
}

/// What the closing lines of all test programs add up to.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    programs: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Cargo itself ended well: it built everything and every program passed.
    all_ok: bool,
}

impl Tally {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        self.programs += 1;
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for count in counts.split("; ") {
            match count.split_once(' ').map(|(number, what)| (number.parse::<u64>(), what)) {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                Some((Ok(number), "ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tally { programs, passed, failed, ignored, .. } = self;
        write!(f, "tests: {passed} passed, {failed} failed, {ignored} ignored, in {programs} test programs")
    }
}

/// Runs `cargo test`, shows its output as it comes, and adds up the closing lines.
fn cargo_test(args: &TestArgs) -> Result<Tally> {
    let mut cargo = shell::cargo();
    cargo.args(["test", "--no-fail-fast"]);
    if args.package.is_empty() {
        cargo.arg("--workspace");
    }
    cargo.args(args.package.iter().flat_map(|package| ["--package", package]));
    cargo.args(&args.filter);
    if !args.rest.is_empty() {
        cargo.arg("--").args(&args.rest);
    }
    println!("$ {}", shell::line(&cargo));
    cargo.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = cargo.spawn().with_context(|| shell::cannot_start(&cargo))?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        relay(BufReader::new(stdout), std::io::stdout(), &mut tally)?;
    }
    tally.all_ok = child.wait().context("cannot wait for cargo")?.success();
    Ok(tally)
}

/// Copies lines and adds them up; bytes, because a test may print anything.
fn relay(mut from: impl BufRead, mut to: impl Write, tally: &mut Tally) -> Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).context("cannot read what cargo prints")? > 0 {
        to.write_all(&line).context("cannot print")?;
        tally.add(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_add_up() {
        let mut tally = Tally::default();
        let printed = b"running 2 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.00s\n\
            \xff\xfe not text\n";
        let mut copied = Vec::new();
        relay(&printed[..], &mut copied, &mut tally).unwrap();
        assert_eq!(copied, printed);
        assert_eq!(tally, Tally { programs: 2, passed: 8, failed: 2, ignored: 1, all_ok: false });
    }
}
