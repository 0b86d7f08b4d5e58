//! A 400-byte write until it is durable and a reader of the log has seen it.

use crate::bench::bed::Bed;
use crate::bench::follow::{Follow, PATIENCE};
use crate::bench::pair::Pair;
use crate::bench::peers::Lsyncd;
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit};
use crate::bench::trees;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const WRITE_BYTES: usize = 400;

/// Between two writes: not a whole multiple of any period in the programs measured.
const PAUSE: Duration = Duration::from_millis(17);

/// Milliseconds that are fine while much else goes on.
const BUSY_MS_MAX: f64 = 100.0;

/// With fewer samples a p99 is the worst of them.
const PERCENTILE_WRITES_MIN: usize = 100;

/// Transfers after which a tree is given up that is too small to fit enough writes into.
const BUSY_ROUNDS_MAX: u32 = 20;

/// Writes to files of the generated tree, each file once, while nothing else goes on.
pub(crate) fn idle(bed: &mut Bed) -> Result<Vec<Row>> {
    let tree = bed.generated_tree()?;
    let probes: Vec<PathBuf> = trees::some_generated_files(&tree, bed.settings.files, bed.settings.changes);
    bed.begin_round(&tree)?;

    let mut pair = bed.filled_pair("generated", &tree)?;
    pair.start_both()?;
    let follow = follow(&pair, &tree, &tree.join("warm-up"))?;
    let mut ours = Series::new(Unit::Millis);
    for (number, probe) in probes.iter().enumerate() {
        ours.push_time(ours_once(&follow, probe, number)?);
        std::thread::sleep(PAUSE);
    }
    drop(follow);
    pair.stop()?;

    let lsyncd = Lsyncd::start(&bed.fresh("lsyncd")?, &tree)?;
    let mut theirs = Series::new(Unit::Millis);
    for (number, probe) in probes.iter().enumerate() {
        theirs.push_time(theirs_once(&lsyncd, &tree, probe, number + probes.len())?);
        std::thread::sleep(PAUSE);
    }
    let percentile = |p, most| {
        let what = format!("400-byte write until seen, p{p}, {} files", bed.settings.files);
        let theirs = theirs.percentile(p);
        Row::beside(what, ours.percentile(p), "lsyncd, delay 0", theirs, Target::AtMost(most))
    };
    Ok(vec![percentile(50, 3.0), percentile(99, 15.0)])
}

/// The tree is sent for the first time while another root has small writes. The writes of all rounds count as
/// one series: a transfer is short, and a percentile needs many.
pub(crate) fn during_first_transfer(bed: &mut Bed) -> Result<Vec<Row>> {
    let tree = bed.tree()?;
    let mut series = Series::new(Unit::Millis);
    let mut round = 0;
    while round < bed.settings.rounds || series.len() < PERCENTILE_WRITES_MIN && round < BUSY_ROUNDS_MAX {
        round += 1;
        bed.begin_round(&tree)?;
        let live = bed.fresh("live")?;
        // Enrolled with the quiet root alone, so that the log can be followed before the large one is met.
        let mut pair = bed.fresh_pair("busy", &live)?;
        pair.first_transfer()?;
        pair.stop_agent()?;
        pair.watch(vec![live.clone(), tree.clone()]);
        bed.settle()?;
        pair.start_agent()?;
        while_busy(&pair, &live, &mut series)?;
        pair.stop()?;
    }
    Ok(vec![busy_row("during a first transfer", &series)?])
}

/// A large file appears in the root that has small writes.
pub(crate) fn during_upload(bed: &mut Bed) -> Result<Vec<Row>> {
    let upload = bed.fresh("upload")?.join("file");
    trees::random_file(&upload, bed.settings.upload_bytes, 1)?;
    let live = bed.fresh("live")?;
    let mut pair = bed.fresh_pair("busy", &live)?;
    pair.first_transfer()?;
    bed.settle()?;
    let arrived = live.join("upload");
    std::fs::rename(&upload, &arrived).with_context(|| format!("cannot move to {}", arrived.display()))?;
    let mut series = Series::new(Unit::Millis);
    while_busy(&pair, &live, &mut series)?;
    pair.stop()?;
    bed.remove("busy")?;
    bed.remove("live")?;
    Ok(vec![busy_row("during a large upload", &series)?])
}

fn busy_row(when: &str, series: &Series) -> Result<Row> {
    if series.len() < PERCENTILE_WRITES_MIN {
        bail!("only {} writes fitted into the busy time: too few for a p99", series.len());
    }
    let what = format!("400-byte write until seen, p99, {when} ({} writes)", series.len());
    Ok(Row::alone(what, series.percentile(99), Target::AtMost(BUSY_MS_MAX)))
}

/// Writes new files until everything that was under way when it began is durable.
fn while_busy(pair: &Pair, live: &Path, series: &mut Series) -> Result<()> {
    let follow = follow(pair, live, &live.join("warm-up"))?;
    std::thread::scope(|scope| {
        let flushed = scope.spawn(|| pair.flush());
        let mut number = 0;
        while !flushed.is_finished() {
            series.push_time(ours_once(&follow, &live.join(format!("probe-{number}")), number)?);
            number += 1;
            std::thread::sleep(PAUSE);
        }
        flushed.join().unwrap_or_else(|_| bail!("the thread that flushes panicked"))
    })
}

/// A follower of the contents below `root`, after it has shown that it is up.
fn follow(pair: &Pair, root: &Path, warm_up: &Path) -> Result<Follow> {
    let follow = pair.follow(root, "content")?;
    let start = Instant::now();
    let mut number = 0;
    // Nothing says that a follower has begun to follow: it is shown changes until it tells one.
    while follow.wait_for_path(warm_up, WRITE_BYTES, Duration::from_millis(200))?.is_none() {
        if start.elapsed() > PATIENCE {
            bail!("`vigie log -f` shows no change of {}", warm_up.display());
        }
        write(warm_up, number)?;
        number += 1;
    }
    std::fs::remove_file(warm_up).with_context(|| format!("cannot remove {}", warm_up.display()))?;
    follow.drain();
    Ok(follow)
}

fn ours_once(follow: &Follow, probe: &Path, number: usize) -> Result<Duration> {
    let start = Instant::now();
    write(probe, number)?;
    let seen = follow.wait_for_path(probe, WRITE_BYTES, PATIENCE)?;
    let seen = seen.with_context(|| format!("{} was not seen within {PATIENCE:?}", probe.display()))?;
    Ok(seen.duration_since(start))
}

fn theirs_once(lsyncd: &Lsyncd, tree: &Path, probe: &Path, number: usize) -> Result<Duration> {
    let below = probe.strip_prefix(tree).context("a probe outside of its tree")?;
    let start = Instant::now();
    write(probe, number)?;
    lsyncd.wait_for(below, &content(number))?;
    Ok(start.elapsed())
}

fn write(path: &Path, number: usize) -> Result<()> {
    std::fs::write(path, content(number)).with_context(|| format!("cannot write {}", path.display()))
}

/// 400 bytes that no other number has.
fn content(number: usize) -> Vec<u8> {
    let mut text = format!("{number} {:?} ", std::process::id()).into_bytes();
    text.resize(WRITE_BYTES, b'.');
    text
}
