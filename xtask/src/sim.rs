//! `cargo xtask sim`: the seeded simulation of agent, hub, disk, kernel and link.

use crate::shell;
use anyhow::Result;

/// Runs the simulation over a range of seeds; a seed that fails is named and runs alone with `A..A+1`.
#[derive(clap::Args)]
pub(crate) struct SimArgs {
    /// Seeds from A up to, not including, B.
    #[arg(long, value_name = "A..B", default_value = "0..1000")]
    seeds: String,
    /// Anything else for the simulation's own command line.
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &SimArgs) -> Result<()> {
    seeds(&args.seeds, &args.rest)
}

/// Runs the seeds of one range.
pub(crate) fn seeds(range: &str, rest: &[String]) -> Result<()> {
    let mut cargo = shell::cargo();
    cargo.args(["run", "--quiet", "--package", "sim", "--", "--seeds", range]).args(rest);
    shell::run(&mut cargo)
}
