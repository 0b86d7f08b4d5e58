//! Bytes on the wire, both directions together, for a small change of a large file.

use crate::bench::bed::Bed;
use crate::bench::peers::RsyncDaemon;
use crate::bench::proxy::Proxy;
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit};
use crate::bench::trees;
use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;

const APPENDED_BYTES: u64 = 1_000_000;

pub(crate) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let root = bed.fresh("delta")?;
    let file = root.join("large");
    trees::random_file(&file, bed.settings.delta_bytes, 2)?;

    let mut pair = bed.new_pair("delta-pair", &root)?;
    let ours = Proxy::start(pair.hub_port())?;
    pair.connect_through(ours.port());
    pair.start_hub()?;
    pair.first_transfer()?;
    let mut daemon = RsyncDaemon::start(&bed.fresh("rsync-delta")?)?;
    let theirs = Proxy::start(daemon.port())?;
    daemon.connect_through(theirs.port());
    daemon.send(&root)?;

    let counted = |change: &dyn Fn() -> Result<()>| -> Result<(Series, Series)> {
        let (ours_before, theirs_before) = (ours.bytes(), theirs.bytes());
        change()?;
        pair.flush()?;
        let vigie = Series::of(Unit::Bytes, ours.bytes() - ours_before);
        daemon.send(&root)?;
        Ok((vigie, Series::of(Unit::Bytes, theirs.bytes() - theirs_before)))
    };
    let inserted = counted(&|| insert_in_front(&file, &bed.place("delta-new")?.join("new")))?;
    let appended = counted(&|| append(&file))?;
    pair.stop()?;
    bed.remove("delta")?;
    bed.remove("delta-pair")?;
    bed.remove("rsync-delta")?;

    let row = |what: &str, (ours, theirs)| {
        Row::beside(what, ours, "rsync -a to a daemon", theirs, Target::Ratio(1.0))
    };
    Ok(vec![
        row("bytes sent, 1 byte inserted in front", inserted),
        row("bytes sent, 1 MB appended", appended),
    ])
}

/// As editors do it: a new file, renamed over the old one.
fn insert_in_front(file: &Path, new: &Path) -> Result<()> {
    let changing = || format!("cannot rewrite {}", file.display());
    let mut out = std::fs::File::create(new).with_context(changing)?;
    out.write_all(b"x").with_context(changing)?;
    std::io::copy(&mut std::fs::File::open(file).with_context(changing)?, &mut out).with_context(changing)?;
    std::fs::rename(new, file).with_context(changing)
}

fn append(file: &Path) -> Result<()> {
    let changing = || format!("cannot append to {}", file.display());
    let mut out = std::fs::File::options().append(true).open(file).with_context(changing)?;
    trees::random_bytes(&mut out, APPENDED_BYTES, 3).with_context(changing)
}
