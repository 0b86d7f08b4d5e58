//! `cargo xtask bench tools`: the echo beside socat and ncat, the datagrams against a relay that tells the truth, the meter with
//! flipped bits and without its database, and every script of Debian's Python.
//!
//! In reading order: `echo` · `load` many clients in one thread · `cast` · `relay` what a network does to datagrams ·
//! `meter` · `inspect`.

mod cast;
mod echo;
mod inspect;
mod load;
mod meter;
mod relay;

use super::built;
use super::noise::{self, Noise};
use super::report::Report;
use super::trees;
use crate::{setup, shell};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::path::PathBuf;
use std::process::Command;

/// Measures the small tools.
#[derive(clap::Args)]
pub(crate) struct ToolsArgs {
    /// Runs only these steps.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<Step>,
    /// Connections of the largest load, and idle ones.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: u32,
    /// How long each load lasts.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Rounds of each load.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
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
    /// Requests a second, beside socat and ncat.
    Echo,
    /// Memory of connections that say nothing.
    EchoIdle,
    /// Counts, against the truth of a relay.
    CastRelay,
    /// 200,000 datagrams a second.
    CastRate,
    /// Every flipped bit of a frame.
    MeterFlips,
    /// A database that is away for a minute.
    MeterOutage,
    /// Every script of Debian's Python.
    Inspect,
}

/// What every step is given.
struct Bench {
    vigie: PathBuf,
    dir: PathBuf,
    connections: usize,
    seconds: u64,
    rounds: u32,
    remarks: Vec<String>,
}

pub(crate) fn run(args: &ToolsArgs) -> Result<()> {
    setup::run(&setup::SetupArgs::default())?;
    let target = built::target_dir()?;
    let vigie = args.vigie.clone().map_or_else(|| built::release_binary(&target), Ok)?;
    let dir = args.dir.clone().unwrap_or_else(|| target.join("bench-tools"));
    trees::remove(&dir)?;
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut bench = Bench {
        vigie: vigie.canonicalize()?,
        dir: dir.canonicalize()?,
        connections: args.connections as usize,
        seconds: args.seconds,
        rounds: args.rounds,
        remarks: Vec::new(),
    };
    let (mut report, mut noise) = (Report::default(), Noise::new());
    let steps = Step::value_variants().iter().copied();
    for step in steps.filter(|step| args.only.is_empty() || args.only.contains(step)) {
        let name = step.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        noise.sample(&bench.dir)?;
        report.take(&name, || match step {
            Step::Echo => echo::throughput(&mut bench),
            Step::EchoIdle => echo::idle(&bench),
            Step::CastRelay => cast::truth(&mut bench),
            Step::CastRate => cast::rate(&bench),
            Step::MeterFlips => meter::flips(),
            Step::MeterOutage => meter::outage(&mut bench),
            Step::Inspect => inspect::all(&mut bench),
        });
    }
    report.notes.push(noise::machine()?);
    report.notes.append(&mut bench.remarks);
    report.notes.extend(noise.notes());
    report.notes.push([version("socat", "-V"), version("ncat", "--version")].join(" · "));
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

/// The line of what a program says of itself that has a number.
fn version(program: &str, option: &str) -> String {
    let Ok(out) = Command::new(program).arg(option).output() else { return format!("{program}: none") };
    let text = [out.stdout, out.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line =
        text.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()) && line.contains("ersion"));
    format!("{program}: {}", line.unwrap_or_default().trim())
}

/// The last lines of a log, for whoever looks for the reason of a failure.
fn tail(path: &std::path::Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

/// A command line that the report can show.
fn shown(command: &Command) -> String {
    shell::line(command)
}
