//! The whole tree back from the hub into a new directory.

use super::rotated;
use crate::bench::bed::Bed;
use crate::bench::peers::{self, Restic};
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit, timed};
use anyhow::Result;

#[derive(Clone, Copy)]
enum Contender {
    Vigie,
    Restic,
    Cp,
}

pub(crate) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let tree = bed.tree()?;
    let mut pair = bed.filled_pair("mirror", &tree)?;
    let restic = Restic::filled(&bed.place("restic")?, &tree)?;
    pair.start_hub()?;
    let at = pair.newest()?;

    let seconds = || Series::new(Unit::Seconds);
    let (mut ours, mut theirs, mut cp) = (seconds(), seconds(), seconds());
    for round in 0..bed.settings.rounds {
        bed.begin_round(&tree)?;
        for contender in rotated([Contender::Vigie, Contender::Restic, Contender::Cp], round) {
            let target = bed.fresh("restored")?.join("tree");
            bed.settle()?;
            match contender {
                Contender::Vigie => ours.push_time(timed(|| pair.restore(&tree, &target, at))?),
                Contender::Restic => theirs.push_time(timed(|| restic.restore(&target))?),
                Contender::Cp => cp.push_time(timed(|| peers::cp(&tree, &target))?),
            }
        }
    }
    bed.fresh("restored")?;
    pair.stop()?;
    Ok(vec![
        Row::beside("restore", ours.clone(), "restic restore", theirs, Target::Ratio(0.35)),
        Row::beside("restore", ours, "cp -a", cp, Target::Ratio(1.6)),
    ])
}
