//! `cargo xtask bench roles`: how fast, how surely and for how many a principal is found.
//!
//! In reading order: this file the command · `bed` where it happens · `serve` · `safe` · `rounds` · `slow_link` ·
//! `many` · `haproxy` the steps, one each · `cluster` a hub and its agents · `plain` a `role serve` · `namespace` a machine on
//! a cable of its own · `keepalived` the peer · `link` a connection that can be cut or slow · `judge` who was principal
//! when, from the logs · `probe` what the hooks run · `web` a server behind HAProxy · `load` those who ask it ·
//! `boot` the clock.

pub(crate) mod bed;
mod boot;
mod cluster;
mod haproxy;
mod judge;
mod keepalived;
mod link;
mod load;
mod many;
pub(crate) mod namespace;
mod plain;
pub(crate) mod probe;
mod rounds;
mod safe;
mod serve;
mod slow_link;
pub(crate) mod web;

use super::built;
use super::report::{Report, Row};
use crate::setup;
use anyhow::Result;
use bed::{Bed, Settings};
use clap::ValueEnum;
use std::path::PathBuf;

/// Kills, freezes and cuts off principals, beside keepalived and behind HAProxy.
///
/// Builds the release binary, starts everything by itself, and prints a table with medians and targets. Ends
/// with 1 when a target is missed. Needs root, for network namespaces.
#[derive(clap::Args)]
pub(crate) struct RolesArgs {
    /// Only these steps, separated by commas.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<Step>,
    /// Kills of the principal of plain clients.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
    /// Faults of each kind in `safe`, and as many for keepalived.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    faults: u32,
    /// Rounds of random faults.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Groups that go through their rounds side by side, each with a hub and three agents.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=50))]
    groups: u32,
    /// Where the random faults begin: the same number, the same faults.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How long the slow link is watched.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(5..))]
    slow_seconds: u64,
    /// Plain clients at once.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=19_000))]
    clients: u32,
    /// How many of them leave, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    leaves: u32,
    /// Failovers of each kind behind HAProxy.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    failovers: u32,
    /// Requests a second meanwhile.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2000))]
    requests: u32,
    /// Where to work, on a real disk.
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
    /// Plain clients: the principal is killed.
    Serve,
    /// Agents with leases: the principal is frozen, or cut off; and keepalived.
    Safe,
    /// Random faults: never two principals at once.
    Rounds,
    /// A first transfer over 1 Mbit/s costs no role.
    SlowLink,
    /// Very many plain clients.
    Many,
    /// What the users of a web server notice of failovers.
    Haproxy,
}

impl Step {
    /// The name that `--only` takes.
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

pub(crate) fn run(args: &RolesArgs) -> Result<()> {
    setup::run(&setup::SetupArgs::for_bench())?;
    let target = built::target_dir()?;
    let vigie = args.vigie.clone().map_or_else(|| built::release_binary(&target), Ok)?;
    let settings = Settings {
        vigie: vigie.canonicalize()?,
        dir: args.dir.clone().unwrap_or_else(|| target.join("bench-roles")),
        kills: args.kills,
        faults: args.faults,
        rounds: args.rounds,
        groups: args.groups,
        seed: args.seed,
        slow_seconds: args.slow_seconds,
        clients: args.clients,
        leaves: args.leaves.min(args.clients - 1),
        failovers: args.failovers,
        requests: args.requests,
    };
    let mut bed = Bed::open(settings)?;
    let mut report = Report::default();
    let steps = Step::value_variants().iter().copied();
    for step in steps.filter(|step| args.only.is_empty() || args.only.contains(step)) {
        report.take(&step.name(), || measure(step, &mut bed));
    }
    report.notes = bed.notes()?;
    if report.failures.is_empty() {
        bed.clear()?;
    }
    report.close(args.markdown)
}

fn measure(step: Step, bed: &mut Bed) -> Result<Vec<Row>> {
    bed.begin_step()?;
    match step {
        Step::Serve => serve::run(bed),
        Step::Safe => safe::run(bed),
        Step::Rounds => rounds::run(bed),
        Step::SlowLink => slow_link::run(bed),
        Step::Many => many::run(bed),
        Step::Haproxy => haproxy::run(bed),
    }
}
