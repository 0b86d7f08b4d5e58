//! The seeded simulation: an agent and a hub in one process, on a clock, a disk, a link, a kernel and a file
//! system that a die rules. Whatever happens to them, what comes back must be what was there.
//!
//! In reading order: [`dice`] · [`world`] what there is, and how it is broken · [`deeds`] what happens to files ·
//! [`judge`] "restore equals the model".

mod deeds;
mod dice;
mod judge;
mod world;

use clap::Parser;
use std::ops::Range;
use std::process::ExitCode;

/// Simulates an agent and a hub; the same seed is the same story.
#[derive(Parser)]
struct Args {
    /// Seeds from A up to, not including, B.
    #[arg(long, value_name = "A..B", default_value = "0..100", value_parser = parse_range)]
    seeds: Range<u64>,
    /// Steps of each story.
    #[arg(long, default_value_t = 120)]
    steps: u32,
    /// Tell what happens, step by step; with RUST_LOG also what the parts say.
    #[arg(long)]
    tell: bool,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("expected A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|e| format!("`{text}`: {e}"));
    Ok(number(from)?..number(to)?)
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.tell {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    }
    let (mut passed, mut failed) = (0u64, 0u64);
    for seed in args.seeds {
        match story(seed, args.steps, args.tell) {
            Ok(()) => passed += 1,
            Err(why) => {
                failed += 1;
                eprintln!("seed {seed}: {why:#}");
            }
        }
    }
    println!("simulation: {passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Plays one seed on a runtime of its own, whose time passes only when everyone waits for it.
fn story(seed: u64, steps: u32, tell: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(world::play(seed, steps, tell))
}
