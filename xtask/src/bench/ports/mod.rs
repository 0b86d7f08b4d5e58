//! `cargo xtask bench ports`: how fast and how surely open ports are found, beside nmap, masscan and rustscan.
//!
//! In reading order: this file the command · `bed` two namespaces and what lies between them · `contenders` who scans ·
//! `times`, `accuracy`, `many` the steps · `listen` what is to be found · `bare` a loop of connect() that decides nothing ·
//! `router` delay, by a router over TUN.

mod accuracy;
pub(crate) mod bare;
mod bed;
mod contenders;
pub(crate) mod listen;
mod many;
pub(crate) mod router;
mod times;

use super::built;
use super::noise;
use super::report::Report;
use crate::setup;
use anyhow::Result;
use clap::ValueEnum;
use std::cell::RefCell;
use std::path::PathBuf;

/// Scans machines that are quick, silent, far away, lossy and limited, beside nmap, masscan and rustscan.
///
/// Builds the release binary, makes network namespaces, and prints a table with medians and targets. Ends with 1 when
/// a target is missed. Needs root.
#[derive(clap::Args)]
pub(crate) struct PortsArgs {
    /// Only these steps, separated by commas.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<Step>,
    /// Runs of everything that is timed.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Runs on each line of the table of accuracy.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Runs of each peer there: some take minutes; 0 leaves them out.
    #[arg(long, value_name = "N", default_value_t = 3)]
    peer_runs: u32,
    /// Round trips of the table of accuracy, in microseconds.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = accuracy::RTTS_US)]
    rtts_us: Vec<u64>,
    /// Measures this binary and builds none.
    #[arg(long, value_name = "PROGRAM")]
    vigie: Option<PathBuf>,
    /// rustscan 2.4.1; without it, the one on the path, and else one that cargo installs below the target directory.
    #[arg(long, value_name = "PROGRAM")]
    rustscan: Option<PathBuf>,
    /// Prints the table as Markdown.
    #[arg(long)]
    markdown: bool,
}

/// A part of the bench that can be asked for alone.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// All ports; the other 65,435 are closed.
    Closed,
    /// All ports; the others drop.
    Dropped,
    /// All ports, 100 ms away.
    Far,
    /// With 256 descriptors.
    Few,
    /// A /24 with 20 machines in it.
    Subnet,
    /// The memory of a /16.
    Memory,
    /// Delays and losses: is everything found, each time?
    Accuracy,
    /// 500 SYNs a second pass.
    Limit,
}

impl PortsArgs {
    /// What is to be done, in the order in which it is told.
    fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let steps = Step::value_variants().iter().copied();
        steps.filter(|step| self.only.is_empty() || self.only.contains(step))
    }

    /// Whether any of it is measured beside rustscan, which takes minutes to install.
    fn is_beside_rustscan(&self) -> bool {
        self.steps().any(|step| match step {
            Step::Closed | Step::Dropped => true,
            Step::Accuracy | Step::Limit => self.peer_runs > 0,
            Step::Far | Step::Few | Step::Subnet | Step::Memory => false,
        })
    }
}

/// What the steps need to know.
pub(super) struct Settings {
    pub(super) vigie: PathBuf,
    pub(super) rustscan: Option<PathBuf>,
    pub(super) rounds: u32,
    pub(super) runs: u32,
    pub(super) peer_runs: u32,
    pub(super) rtts_us: Vec<u64>,
    /// Peers without a figure, and why.
    remarks: RefCell<Vec<String>>,
}

impl Settings {
    /// A peer that fails, or takes minutes, has no figure; the table says why.
    pub(super) fn gave_up(&self, peer: &str, error: &anyhow::Error) {
        eprintln!("bench: {peer}: {error:#}");
        self.remarks.borrow_mut().push(format!("{peer} not taken: {error:#}"));
    }
}

pub(crate) fn run(args: &PortsArgs) -> Result<()> {
    setup::run(&setup::SetupArgs::for_bench())?;
    let target = built::target_dir()?;
    let vigie = args.vigie.clone().map_or_else(|| built::release_binary(&target), Ok)?;
    let settings = Settings {
        vigie: vigie.canonicalize()?,
        rustscan: match &args.rustscan {
            Some(program) => Some(program.clone()),
            None if !args.is_beside_rustscan() => None,
            None => contenders::rustscan(&target).inspect_err(|error| eprintln!("bench: {error:#}")).ok(),
        },
        rounds: args.rounds,
        runs: args.runs,
        peer_runs: args.peer_runs,
        rtts_us: args.rtts_us.clone(),
        remarks: RefCell::default(),
    };
    let mut report = Report::default();
    for step in args.steps() {
        let name = step.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        report.take(&name, || match step {
            Step::Closed => times::closed(&settings),
            Step::Dropped => times::dropped(&settings),
            Step::Far => times::far(&settings),
            Step::Few => times::few(&settings),
            Step::Subnet => many::subnet(&settings),
            Step::Memory => many::memory(&settings),
            Step::Accuracy => accuracy::run(&settings),
            Step::Limit => accuracy::limit(&settings),
        });
    }
    report.notes = vec![built::commit(), noise::machine()?];
    report.notes.append(&mut settings.remarks.borrow_mut());
    if settings.rustscan.is_none() && args.is_beside_rustscan() {
        report.notes.push("rustscan was not measured: it could not be installed".into());
    }
    report.close(args.markdown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PortsArgs,
    }

    #[test]
    fn rustscan_is_wanted_only_where_it_races() {
        for (line, expected) in [
            ("", true),
            ("--only memory,closed", true),
            ("--only far,few,subnet,memory", false),
            ("--only accuracy", true),
            ("--only accuracy,limit --peer-runs 0", false),
        ] {
            let words = ["ports"].into_iter().chain(line.split_whitespace());
            assert_eq!(Line::parse_from(words).args.is_beside_rustscan(), expected, "{line:?}");
        }
    }
}
