//! A whole tree until it is durable: for Vigie until `vigie flush` returns, for the peers until they end.

use super::rotated;
use crate::bench::bed::Bed;
use crate::bench::peers::{Restic, RsyncDaemon};
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit, timed};
use crate::bench::trees;
use anyhow::Result;

#[derive(Clone, Copy)]
enum Contender {
    Vigie,
    Rsync,
    Restic,
}

pub(crate) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let tree = bed.tree()?;
    let seconds = || Series::new(Unit::Seconds);
    let (mut vigie, mut rsync, mut restic) = (seconds(), seconds(), seconds());
    let (mut our_store, mut their_store) = (Series::new(Unit::Bytes), Series::new(Unit::Bytes));
    for round in 0..bed.settings.rounds {
        bed.begin_round(&tree)?;
        for contender in rotated([Contender::Vigie, Contender::Rsync, Contender::Restic], round) {
            bed.settle()?;
            match contender {
                Contender::Vigie => {
                    let mut pair = bed.fresh_pair("mirror", &tree)?;
                    vigie.push_time(timed(|| pair.first_transfer())?);
                    pair.stop()?;
                    our_store.push(trees::allocated(&pair.data())?);
                }
                Contender::Rsync => {
                    let daemon = RsyncDaemon::start(&bed.fresh("rsync")?)?;
                    rsync.push_time(timed(|| daemon.send(&tree))?);
                }
                Contender::Restic => {
                    let repository = Restic::create(&bed.fresh("restic")?)?;
                    restic.push_time(timed(|| repository.backup(&tree))?);
                    their_store.push(trees::allocated(repository.dir())?);
                }
            }
        }
    }
    Ok(vec![
        Row::beside("first transfer", vigie.clone(), "rsync -a to a daemon", rsync, Target::Ratio(0.35)),
        Row::beside("first transfer", vigie, "restic backup", restic, Target::Ratio(0.6)),
        Row::beside("store, allocated", our_store, "restic repository", their_store, Target::Ratio(1.05)),
    ])
}
