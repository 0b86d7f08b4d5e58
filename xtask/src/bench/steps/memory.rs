//! Peak resident memory of both sides after the first transfer of the generated tree, as the kernel kept it.

use crate::bench::bed::Bed;
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit};
use anyhow::Result;

pub(crate) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let tree = bed.generated_tree()?;
    let (mut agent, mut hub) = (Series::new(Unit::Bytes), Series::new(Unit::Bytes));
    for _ in 0..bed.settings.rounds {
        bed.begin_round(&tree)?;
        bed.settle()?;
        let mut pair = bed.fresh_pair("generated", &tree)?;
        pair.first_transfer()?;
        let peak = pair.peak_bytes()?;
        agent.push(peak.agent);
        hub.push(peak.hub);
        pair.stop()?;
    }
    let files = bed.settings.files;
    Ok(vec![
        Row::alone(format!("agent, peak resident, {files} files"), agent, Target::AtMost(60e6)),
        Row::alone(
            format!("hub, peak resident, first transfer of {files} files"),
            hub,
            Target::AtMost(200e6),
        ),
    ])
}
