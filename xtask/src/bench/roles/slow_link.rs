//! A first transfer fills a link of 1 Mbit/s, and the renewals of a lease of 3 s must get through beside it.

use super::bed::Bed;
use super::cluster::{Hub, lasting_port};
use super::link::Link;
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit};
use crate::bench::trees;
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

/// 1 Mbit/s.
const BYTES_PER_SECOND: u32 = 125_000;

/// From one look to the next: several in a lease.
const LOOK: Duration = Duration::from_millis(250);

/// The share of the link that has to be in use for the transfer to count as running.
const BUSY_SHARE: f64 = 0.8;

pub(super) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let dir = bed.fresh("slow-link")?;
    let watched = Duration::from_secs(bed.settings.slow_seconds);
    let tree = bed.fresh("slow-tree")?;
    // More than passes, in files of a megabyte that neither compress nor repeat.
    let megabytes = watched.as_secs() * u64::from(BYTES_PER_SECOND) / 1_000_000 * 3 / 2 + 10;
    for number in 0..megabytes {
        trees::random_file(&tree.join(format!("file-{number}")), 1_000_000, number + 1)?;
    }
    let hub = Hub::start_new(&bed.settings.vigie, &dir, lasting_port()?)?;
    hub.set_ttl("3s")?;
    let link = Link::start(hub.address, Some(BYTES_PER_SECOND))?;
    let mut plan = hub.invite("slow")?;
    plan.hub = link.address;
    plan.watch = Some(tree);
    let mut slow = plan.start()?;
    let (_, mut epoch) = hub.until_settled(1)?;
    let mut other = hub.invite("near")?.start()?;
    hub.until_settled(2)?;

    let (start, sent) = (Instant::now(), link.sent());
    let mut least = u64::MAX;
    let mut lost = 0;
    while start.elapsed() < watched {
        std::thread::sleep(LOOK);
        slow.check()?;
        other.check()?;
        let group = hub.show()?.context("the hub does not answer")?;
        least = least.min(group["principal"]["lease_left_ms"].as_u64().unwrap_or(0));
        // Whoever gets the role next, the same one again included, has a higher epoch.
        let now = group["epoch"].as_u64().context("a group without an epoch")?;
        lost += now - epoch;
        epoch = now;
    }
    let share = (link.sent() - sent) as f64 / start.elapsed().as_secs_f64() / f64::from(BYTES_PER_SECOND);
    bed.remark(format!(
        "1 Mbit/s: the transfer used {:.0} % of it; the least that was left of the lease of 3 s, as the hub counts: {least} ms",
        share * 100.0
    ));
    if share < BUSY_SHARE {
        bail!("the link was idle: the transfer was over, or did not run");
    }
    let what = format!("roles lost in {} s of a first transfer over 1 Mbit/s, lease 3 s", watched.as_secs());
    Ok(vec![Row::alone(what, Series::of(Unit::Count, lost), Target::AtMost(0.0))])
}
