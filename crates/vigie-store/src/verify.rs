//! Reading everything back. One walk along the journal reads every frame, and every block that it names in
//! the order in which the packs hold them. Only when blocks are damaged, a second walk finds the files
//! that need them.

use crate::body::{Body, Place};
use crate::compress::{decompress, open_block};
use crate::error::StoreError;
use crate::group::root_block;
use crate::journal::Frame;
use crate::limits::AFFECTED_MAX;
use crate::pack::BlockReadError;
use crate::shared::Shared;
use crate::types::{DamagedBlock, DamagedPlace, Progress, VerifyReport};
use std::collections::{BTreeSet, HashMap};
use vigie_model::{BlockKind, BlockList, Digest, FileEvent, MachineId, NodeId, Seq};

/// Blocks between two reports of progress.
const REPORT_EVERY: u64 = 256;

pub(crate) fn verify(
    shared: &Shared,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport::default();
    let mut now = Progress { blocks_total: shared.blocks(), ..Progress::default() };
    let tail = shared.tail();
    walk(shared, tail, &mut report.journal, |frame| {
        report.records += frame.body.records();
        for (digest, place) in &frame.body.blocks {
            if let Some(why) = check(shared, digest, place)? {
                report.damaged.push(DamagedBlock {
                    digest: *digest,
                    pack: place.pack,
                    offset: place.offset,
                    why,
                    files: Vec::new(),
                    files_total: 0,
                });
            }
            now.blocks += 1;
            now.bytes += u64::from(place.stored_len);
            if now.blocks.is_multiple_of(REPORT_EVERY) && !progress(now) {
                return Err(StoreError::Stopped);
            }
        }
        Ok(())
    })?;
    (report.blocks, report.bytes) = (now.blocks, now.bytes);
    if !report.damaged.is_empty() {
        name_files(shared, tail, &mut report)?;
    }
    if progress(Progress { blocks_total: now.blocks, ..now }) { Ok(report) } else { Err(StoreError::Stopped) }
}

/// Visits every frame up to the tail. Where one cannot be read, the rest of its segment cannot be found
/// either: that is noted, and the walk goes on with the next segment.
fn walk(
    shared: &Shared,
    tail: Seq,
    problems: &mut Vec<DamagedPlace>,
    mut visit: impl FnMut(&Frame) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut place = shared.journal.start();
    loop {
        match shared.journal.read(place) {
            Ok(None) => return Ok(()),
            Ok(Some(frame)) if frame.first > tail.next() => return Ok(()),
            Ok(Some(frame)) => {
                visit(&frame)?;
                place = frame.next;
            }
            Err(StoreError::Damaged { file, offset, why }) => {
                problems.push(DamagedPlace { file, offset, why });
                match shared.journal.segment_after(place) {
                    Some(next) => place = next,
                    None => return Ok(()),
                }
            }
            Err(e) => return Err(e),
        }
    }
}

/// Reads one block back; says what is wrong with it.
fn check(shared: &Shared, digest: &Digest, place: &Place) -> Result<Option<String>, StoreError> {
    match shared.packs.read(place) {
        Ok(stored) => {
            let opened = open_block(place.kind, place.codec, place.raw_len, &stored, digest);
            Ok(opened.err().map(|e| e.to_string()))
        }
        Err(BlockReadError::Damaged(why)) => Ok(Some(why)),
        Err(BlockReadError::Store(e)) => Err(e),
    }
}

/// Which damaged blocks each block stands on: itself, and through lists. Lists come after their children in
/// the journal, so one walk finds all of them.
type Taint = HashMap<Digest, BTreeSet<usize>>;

fn name_files(shared: &Shared, tail: Seq, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut taint: Taint = HashMap::new();
    for (at, block) in report.damaged.iter().enumerate() {
        taint.entry(block.digest).or_default().insert(at);
    }
    let mut files: Vec<BTreeSet<(MachineId, NodeId)>> = vec![BTreeSet::new(); report.damaged.len()];
    walk(shared, tail, &mut Vec::new(), |frame| {
        spread(shared, &frame.body, &mut taint);
        for run in &frame.body.runs {
            for fact in &run.facts {
                let Ok(FileEvent::Content(stored)) = FileEvent::decode(fact) else { continue };
                let Some((_, digest)) = root_block(&stored.content) else { continue };
                for at in taint.get(&digest).into_iter().flatten() {
                    files[*at].insert((run.machine, stored.node));
                }
            }
        }
        Ok(())
    })?;
    for (block, files) in report.damaged.iter_mut().zip(files) {
        block.files_total = files.len() as u64;
        for (machine, node) in files.into_iter().take(AFFECTED_MAX) {
            block.files.push((machine, last_path(shared, machine, node, tail)?));
        }
    }
    Ok(())
}

/// Adds the lists of a frame that name damaged blocks.
fn spread(shared: &Shared, body: &Body, taint: &mut Taint) {
    for (digest, place) in body.blocks.iter().filter(|(_, place)| place.kind == BlockKind::List) {
        let list = shared.packs.read(place).ok();
        let list = list.and_then(|stored| decompress(place.codec, place.raw_len, &stored).ok());
        let Some(list) = list.and_then(|raw| BlockList::decode(&raw).ok()) else { continue };
        let below = list.entries.iter().filter_map(|child| taint.get(&child.digest));
        let below: BTreeSet<usize> = below.flatten().copied().collect();
        if !below.is_empty() {
            taint.entry(*digest).or_default().extend(below);
        }
    }
}

/// The path a node has now, or had when it last had one.
fn last_path(shared: &Shared, machine: MachineId, node: NodeId, tail: Seq) -> Result<Vec<u8>, StoreError> {
    if let Some(path) = shared.index.path_of(machine, node, tail)? {
        return Ok(path);
    }
    for seq in shared.index.named_at(machine, node)? {
        if let Some(path) = shared.index.path_of(machine, node, seq)? {
            return Ok(path);
        }
    }
    Ok(format!("(node {node}, whose path is not known)").into_bytes())
}
