//! A first transfer fills a link of 1 Mbit/s, and the renewals of a lease of 3 s must get through beside it.

use super::bed::Bed;
use super::cluster::Hub;
use super::namespace::Namespace;
use crate::bench::ports::router::{self, Way};
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit};
use crate::bench::trees;
use crate::shell;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// 1 Mbit/s.
const BYTES_PER_SECOND: u32 = 125_000;

/// What may wait before the link, as in a router: half a second.
const QUEUE_BYTES: u32 = 64 * 1024;

/// The two ends of the link.
const AGENT: &str = "10.214.0.2";
const HUB: &str = "10.214.0.1";

/// Where the hub listens, in a namespace of its own.
const PORT: u16 = 21_000;

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
    let (far, near) = (Namespace::new("slow-far")?, Namespace::new("slow-near")?);
    let way = Way { rtt_us: 0, bytes_per_second: BYTES_PER_SECOND, queue_bytes: QUEUE_BYTES };
    let _router = router::join([(&far, AGENT), (&near, HUB)], way)?;
    let listen = SocketAddr::from(([0, 0, 0, 0], PORT));
    let hub = Hub::start_inside(Some(near.name.clone()), &bed.settings.vigie, &dir, listen)?;
    hub.set_ttl("3s")?;
    let mut plan = hub.invite("slow")?;
    plan.hub.set_ip(HUB.parse().context("an address")?);
    plan.watch = Some(tree);
    plan.inside = Some(far.name.clone());
    let mut slow = plan.start()?;
    let (_, mut epoch) = hub.until_settled(1)?;
    let mut plan = hub.invite("near")?;
    plan.hub.set_ip(HUB.parse().context("an address")?);
    plan.inside = Some(near.name.clone());
    let mut other = plan.start()?;
    hub.until_settled(2)?;

    let (start, sent) = (Instant::now(), received(&near)?);
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
    let share =
        (received(&near)? - sent) as f64 / start.elapsed().as_secs_f64() / f64::from(BYTES_PER_SECOND);
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

/// Bytes that came through the link to this end of it.
fn received(end: &Namespace) -> Result<u64> {
    let out = shell::output(Command::new("ip").args(["-n", &end.name, "-j", "-s", "link", "show", "tun0"]))?;
    let links: serde_json::Value = serde_json::from_slice(&out).context("ip prints no JSON")?;
    links[0]["stats64"]["rx"]["bytes"].as_u64().context("ip does not say what was received")
}
