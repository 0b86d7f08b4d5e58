//! `cargo xtask bench ssh`: one command on many machines, beside ClusterShell, Ansible and parallel-ssh; and the same ports
//! from everywhere.
//!
//! In reading order: this file the command · `bed` an sshd with very many addresses · `tools` who asks them · `fleet` all of
//! them, some of them dead · `from` ports seen from several places.

mod bed;
mod fleet;
mod from;
mod tools;

use super::noise::{self, Noise};
use super::report::Report;
use super::{built, trees};
use crate::setup;
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::path::PathBuf;

/// Runs a command on 200 addresses beside clush, ansible and parallel-ssh, with dead ones among 300, and compares ports.
///
/// Builds the release binary and starts sshd by itself, as Debian sets it up; prints a table with medians and targets. Ends
/// with 1 when a target is missed. Needs root, for network namespaces.
#[derive(clap::Args)]
pub(crate) struct SshArgs {
    /// Runs only these steps.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<Step>,
    /// Rounds of everything that is timed.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Runs with a lossy place, in `from`.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Where to work.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measures this binary and builds none.
    #[arg(long, value_name = "PROGRAM")]
    vigie: Option<PathBuf>,
    /// Prints the table as Markdown.
    #[arg(long)]
    markdown: bool,
}

/// A part of the bench that can be asked for alone.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// A command on 200 addresses, beside the peers.
    Fleet,
    /// The same on 300, of which 20 do not answer.
    Dead,
    /// Ports from four places.
    From,
}

/// What every step is given.
struct Bench {
    vigie: PathBuf,
    dir: PathBuf,
    rounds: u32,
    remarks: Vec<String>,
}

pub(crate) fn run(args: &SshArgs) -> Result<()> {
    setup::run(&setup::SetupArgs::for_bench())?;
    let target = built::target_dir()?;
    let vigie = args.vigie.clone().map_or_else(|| built::release_binary(&target), Ok)?;
    let dir = args.dir.clone().unwrap_or_else(|| target.join("bench-ssh"));
    trees::remove(&dir)?;
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let (vigie, dir) = (vigie.canonicalize()?, dir.canonicalize()?);
    let mut bench = Bench { vigie, dir, rounds: args.rounds, remarks: Vec::new() };
    let (mut report, mut noise) = (Report::default(), Noise::new());
    let steps = Step::value_variants().iter().copied();
    for step in steps.filter(|step| args.only.is_empty() || args.only.contains(step)) {
        let name = step.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        noise.sample(&bench.dir)?;
        report.take(&name, || match step {
            Step::Fleet => fleet::all(&mut bench, &tools::ansible(&target)?),
            Step::Dead => fleet::some_dead(&mut bench),
            Step::From => {
                let dir = bench.dir.join("from");
                std::fs::create_dir_all(&dir)?;
                from::run(&bench.vigie, &dir, bench.rounds, args.runs)
            }
        });
    }
    report.notes.push(noise::machine()?);
    report.notes.append(&mut bench.remarks);
    report.notes.extend(noise.notes());
    report.notes.push(built::commit());
    if report.failures.is_empty() {
        trees::remove(&bench.dir)?;
    }
    report.close(args.markdown)
}

impl Bench {
    /// Something to be said below the table.
    fn remark(&mut self, remark: String) {
        eprintln!("bench: {remark}");
        self.remarks.push(remark);
    }
}
