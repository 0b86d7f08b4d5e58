//! `cargo xtask bench mirror`: a directory on its way to the hub and back.

use super::bed::{Bed, Settings};
use super::built;
use super::report::{Report, Row};
use super::steps::{Step, bytes, first_transfer, latency, memory, restart, restore};
use crate::setup;
use anyhow::Result;
use clap::ValueEnum;
use std::path::PathBuf;

/// Sends a tree to a hub on loopback and brings it back, beside rsync, restic, lsyncd and cp.
///
/// Builds the release binary, starts every peer by itself, and prints a table with medians, ratios and
/// targets. Ends with 1 when a target is missed.
#[derive(clap::Args)]
pub(crate) struct MirrorArgs {
    /// The tree to send instead of Debian's linux-source-6.1.
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Only these steps, separated by commas.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<Step>,
    /// How often each figure is taken; the table shows the median.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Changes of which the latency is measured on an idle machine.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..))]
    changes: u32,
    /// Files in the generated tree, for latency and memory.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    files: u32,
    /// Size of the file that is uploaded while latency is measured.
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = size)]
    upload_size: u64,
    /// Size of the file that one byte is inserted into, and one megabyte appended to.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = size)]
    delta_size: u64,
    /// Where to work, on a real disk; needs room for some 30 GB with the default sizes.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measures this binary and builds none.
    #[arg(long, value_name = "PROGRAM")]
    vigie: Option<PathBuf>,
    /// Prints the table as Markdown.
    #[arg(long)]
    markdown: bool,
}

pub(crate) fn run(args: &MirrorArgs) -> Result<()> {
    setup::run(&setup::SetupArgs::for_bench())?;
    let target = built::target_dir()?;
    let mut bed = Bed::open(Settings {
        vigie: args.vigie.clone().map_or_else(|| built::release_binary(&target), Ok)?.canonicalize()?,
        dir: args.dir.clone().unwrap_or_else(|| target.join("bench")),
        tree: args.tree.clone(),
        rounds: args.rounds,
        changes: args.changes,
        files: args.files,
        upload_bytes: args.upload_size,
        delta_bytes: args.delta_size,
    })?;

    let mut report = Report::default();
    let steps = Step::value_variants().iter().copied();
    for step in steps.filter(|step| args.only.is_empty() || args.only.contains(step)) {
        report.take(&step.name(), || measure(step, &mut bed));
    }
    report.notes = bed.notes()?;
    bed.clear()?;
    report.close(args.markdown)
}

fn measure(step: Step, bed: &mut Bed) -> Result<Vec<Row>> {
    match step {
        Step::FirstTransfer => first_transfer::run(bed),
        Step::Restart => restart::run(bed),
        Step::Restore => restore::run(bed),
        Step::Memory => memory::run(bed),
        Step::Latency => latency::idle(bed),
        Step::LatencyTransfer => latency::during_first_transfer(bed),
        Step::LatencyUpload => latency::during_upload(bed),
        Step::Bytes => bytes::run(bed),
    }
}

/// Reads `10G`, `512M`, `64K` or bytes; a K is 1024.
fn size(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.char_indices().next_back() {
        Some((at, 'G')) => (&text[..at], 30),
        Some((at, 'M')) => (&text[..at], 20),
        Some((at, 'K')) => (&text[..at], 10),
        _ => (text, 0),
    };
    let number: u64 = number.parse().map_err(|_| "expected a size such as 10G, 512M or 4096".to_owned())?;
    number.checked_mul(1 << shift).filter(|n| *n > 0).ok_or_else(|| "the size is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("10G"), Ok(10 << 30));
        assert_eq!(size("3"), Ok(3));
        for bad in ["", "G", "-1", "1T", "0", "99999999999G"] {
            assert!(size(bad).is_err(), "{bad} was taken");
        }
    }
}
