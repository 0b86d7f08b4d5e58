//! Whether everything is found, each time: ports missed or made up, and runs that differ from each other.

use super::super::report::{Row, Target};
use super::super::series::{Series, Unit};
use super::Settings;
use super::bed::{Bed, listeners};
use super::contenders::Contender;
use anyhow::Result;
use std::time::Duration;

/// Round trips, in microseconds.
pub(super) const RTTS_US: [u64; 4] = [100, 20_000, 100_000, 250_000];

/// Percent lost each way.
const LOSSES: [u32; 3] = [0, 1, 5];

/// The ports of these runs: all of them for ours; so many for everybody where the way is limited.
const ALL: u16 = u16::MAX;
const LIMITED: u16 = 6000;

/// A limit in the way, in SYNs a second.
const LIMIT: &str = "tcp flags & (syn | ack) == syn limit rate over 500/second burst 5 packets drop";

/// What is wrong in some runs, all ports together, and how long the longest took.
struct Tally {
    wrong: usize,
    differ: usize,
    longest: Duration,
}

fn tally(contender: Contender, bed: &Bed, settings: &Settings, last: u16, runs: u32) -> Result<Tally> {
    let mut tally = Tally { wrong: 0, differ: 0, longest: Duration::ZERO };
    let mut first = None;
    for _ in 0..runs {
        let found = contender.scan(bed, settings, last)?;
        tally.wrong += found.wrong(last);
        tally.longest = tally.longest.max(found.took);
        tally.differ += usize::from(*first.get_or_insert_with(|| found.open.clone()) != found.open);
    }
    Ok(tally)
}

/// Delays and losses, the others closed.
pub(super) fn run(settings: &Settings) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &rtt_us in &settings.rtts_us {
        for loss in LOSSES {
            let bed = Bed::far(Duration::from_micros(rtt_us))?;
            bed.lose(loss)?;
            let what = format!("{} ms, {loss} % lost each way", rtt_us as f64 / 1000.0);
            let found = lines(&what, &bed, settings, ALL, loss)?;
            // The whole table takes long.
            found.iter().for_each(|row| eprintln!("bench: so far: {}", row.line()));
            rows.extend(found);
        }
    }
    Ok(rows)
}

/// A limit in the way.
pub(super) fn limit(settings: &Settings) -> Result<Vec<Row>> {
    let bed = Bed::near()?;
    bed.filter(LIMIT)?;
    lines("500 SYN/s in the way", &bed, settings, LIMITED, 0)
}

/// Ours beside the peers on one line each: wrong ports of all runs together.
fn lines(what: &str, bed: &Bed, settings: &Settings, last: u16, loss: u32) -> Result<Vec<Row>> {
    let count = |n: usize| Series::of(Unit::Count, n as u64);
    let mut rows = Vec::new();
    let expected = listeners().filter(|port| *port <= last).count() * settings.runs as usize;
    for (ours, peer) in [(Contender::Connect, Contender::Rustscan), (Contender::Syn, Contender::NmapSyn)] {
        let tallied = tally(ours, bed, settings, last, settings.runs)?;
        let what = format!("{what}: {}", ours.name());
        // Of five percent each way, one port in a thousand may be missed.
        let allowed = if loss >= 5 { expected as f64 / 1000.0 } else { 0.0 };
        let wrong = format!(
            "{what}: wrong ports in {} runs (longest {:.1} s)",
            settings.runs,
            tallied.longest.as_secs_f64()
        );
        let is_here = settings.peer_runs > 0 && (peer != Contender::Rustscan || settings.rustscan.is_some());
        rows.push(match is_here.then(|| tally(peer, bed, settings, last, settings.peer_runs)) {
            Some(Ok(theirs)) => {
                let wrong = format!(
                    "{wrong}, peer's in {} (longest {:.1} s)",
                    settings.peer_runs,
                    theirs.longest.as_secs_f64()
                );
                Row::beside(
                    wrong,
                    count(tallied.wrong),
                    peer.name(),
                    count(theirs.wrong),
                    Target::AtMost(allowed),
                )
            }
            Some(Err(error)) => {
                settings.gave_up(&format!("{}, {what}", peer.name()), &error);
                let none = Series::new(Unit::Count);
                Row::beside(wrong, count(tallied.wrong), peer.name(), none, Target::AtMost(allowed))
            }
            None => Row::alone(wrong, count(tallied.wrong), Target::AtMost(allowed)),
        });
        if loss < 5 {
            rows.push(Row::alone(
                format!("{what}: runs that differ"),
                count(tallied.differ),
                Target::AtMost(0.0),
            ));
        }
    }
    Ok(rows)
}
