//! A restart of the agent with nothing changed, until the tree is reconciled; rsync looks at an equal target.

use super::rotated;
use crate::bench::bed::Bed;
use crate::bench::peers::RsyncDaemon;
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit, timed};
use anyhow::Result;

pub(crate) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let tree = bed.tree()?;
    let mut pair = bed.filled_pair("mirror", &tree)?;
    let daemon = RsyncDaemon::start(&bed.place("rsync")?)?;
    daemon.send(&tree)?;
    pair.start_hub()?;

    let (mut vigie, mut rsync) = (Series::new(Unit::Seconds), Series::new(Unit::Seconds));
    for round in 0..bed.settings.rounds {
        bed.begin_round(&tree)?;
        for ours in rotated([true, false], round) {
            bed.settle()?;
            if ours {
                vigie.push_time(pair.reconcile(&tree)?);
                pair.stop_agent()?;
            } else {
                rsync.push_time(timed(|| daemon.send(&tree))?);
            }
        }
    }
    pair.stop()?;
    Ok(vec![Row::beside(
        "restart, nothing changed",
        vigie,
        "rsync -a, nothing changed",
        rsync,
        Target::Ratio(1.0),
    )])
}
