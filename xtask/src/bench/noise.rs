//! The machine: what it is, and how quiet it is: the same piece of work, timed before every round.

use super::series::{Series, Unit};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Rounds of the fixed work: some 100 ms.
const TURNS: u64 = 100_000_000;

/// Times of work that never changes.
pub(crate) struct Noise {
    cpu: Series,
    disk: Series,
}

impl Noise {
    pub(crate) fn new() -> Self {
        Noise { cpu: Series::new(Unit::Millis), disk: Series::new(Unit::Millis) }
    }

    /// Takes one sample of each.
    pub(crate) fn sample(&mut self, dir: &Path) -> Result<()> {
        let start = Instant::now();
        let mut x = 1u64;
        for turn in 0..TURNS {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(turn);
        }
        std::hint::black_box(x);
        self.cpu.push_time(start.elapsed());

        let path = dir.join("noise");
        let writing = || format!("cannot write {}", path.display());
        let mut file = File::create(&path).with_context(writing)?;
        file.write_all(&[0; 4096]).with_context(writing)?;
        let start = Instant::now();
        file.sync_data().with_context(writing)?;
        self.disk.push_time(start.elapsed());
        Ok(())
    }

    /// For the notes below the table.
    pub(crate) fn notes(&self) -> Vec<String> {
        vec![
            format!("the same computation before every round: {}", self.cpu.summary()),
            format!("the same fdatasync before every round: {}", self.disk.summary()),
        ]
    }
}

/// Processor, cores, memory and kernel.
pub(crate) fn machine() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    let cpuinfo = read("/proc/cpuinfo")?;
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let memory = field(&read("/proc/meminfo")?, "MemTotal");
    let kernel = read("/proc/sys/kernel/osrelease")?;
    Ok(format!("{} × {cores}, {memory}, Linux {}", field(&cpuinfo, "model name"), kernel.trim()))
}
