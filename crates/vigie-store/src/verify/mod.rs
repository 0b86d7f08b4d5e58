//! Reading everything back. One walk along the journal reads every frame, every block that it names in
//! the order in which the packs hold them, and the rows of the index that come of it ([`compare`]). Only when blocks
//! are damaged, a second walk finds the files that need them.

mod compare;

use crate::body::{Body, Place};
use crate::compress::{check, decompress};
use crate::error::{KvError, StoreError, explain};
use crate::journal::{Damage, Frame};
use crate::limits::AFFECTED_MAX;
use crate::pack::{self, BlockReadError};
use crate::shared::Shared;
use crate::types::{DamagedBlock, DamagedPlace, Progress, VerifyReport};
use compare::Compare;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};
use vigie_model::{BlockList, Digest, FileEvent, MachineId, NodeId, Seq, StoredKind};

/// Blocks between two reports of progress.
const REPORT_EVERY: u64 = 256;

pub(crate) fn verify(
    shared: &Shared,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport::default();
    shared.journal.close_files();
    shared.packs.close_files();
    shared.bundles.clear();
    report.places.extend(shared.journal.damage().iter().map(DamagedPlace::from));
    let mut now = Progress { blocks_total: shared.blocks(), ..Progress::default() };
    let tail = shared.tail();
    // An index of a damaged journal has nothing to be compared with.
    let mut compare = report.places.is_empty().then(|| Compare::new(shared));
    let mut last = None;
    walk(shared, tail, &mut report.places, |frame| {
        report.records += frame.body.records();
        if let Some(Err(why)) = compare.as_mut().map(|compare| compare.frame(frame)) {
            report.index = Some(why);
            compare = None;
        }
        for (digest, place) in &frame.body.blocks {
            let is_first_of_its_bytes =
                last.as_ref().is_none_or(|last: &Stored| !last.place.is_beside(place));
            if is_first_of_its_bytes {
                now.bytes += u64::from(place.stored_len);
                last = Some(Stored::read(shared, place)?);
            }
            let Some(stored) = &last else { continue };
            if let Some(why) = stored.what_is_wrong(shared, digest, place) {
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
            if now.blocks.is_multiple_of(REPORT_EVERY) && !progress(now) {
                return Err(StoreError::Stopped);
            }
        }
        Ok(())
    })?;
    (report.blocks, report.bytes) = (now.blocks, now.bytes);
    check_packs(shared, &report.damaged, &mut report.places)?;
    if let Some(compare) =
        compare.filter(|_| report.places.iter().all(|place| place.file.starts_with("packs")))
    {
        report.index = compare.finish(&mut || progress(now))?;
    }
    if !report.damaged.is_empty() {
        name_files(shared, tail, &mut report)?;
    }
    if let Some(why) = &report.index {
        shared.alarm.raise(why);
    }
    if report.is_whole() {
        shared.packs.all_is_whole();
    }
    if progress(Progress { blocks_total: now.blocks, ..now }) { Ok(report) } else { Err(StoreError::Stopped) }
}

/// Packs that were found missing or cut short when the store was opened, as far as a damaged block is in them; and those
/// whose head is damaged.
fn check_packs(
    shared: &Shared,
    damaged: &[DamagedBlock],
    places: &mut Vec<DamagedPlace>,
) -> Result<(), StoreError> {
    let is_needed = |place: &&DamagedPlace| damaged.iter().any(|block| pack::shown(block.pack) == place.file);
    places.extend(shared.damage.iter().filter(is_needed).cloned());
    for number in shared.packs.numbers() {
        match shared.packs.check_head(number) {
            Ok(()) => {}
            Err(BlockReadError::Damaged(why)) => {
                places.push(DamagedPlace { file: pack::shown(number), offset: 0, why });
            }
            Err(BlockReadError::Store(e)) => return Err(e),
        }
    }
    Ok(())
}

/// Visits every frame up to the tail. Where one cannot be read, that is noted, and the walk goes on with the next one
/// that can.
fn walk(
    shared: &Shared,
    tail: Seq,
    problems: &mut Vec<DamagedPlace>,
    mut visit: impl FnMut(&Frame) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut place = shared.journal.start();
    let mut next = Seq(1);
    loop {
        match shared.journal.read(place) {
            Ok(None) => return Ok(()),
            Ok(Some(frame)) if frame.first > tail.next() => return Ok(()),
            Ok(Some(frame)) => {
                visit(&frame)?;
                place = frame.next;
                next = Seq(frame.first.0 + frame.body.records());
            }
            Err(StoreError::Damaged { file, offset, why }) => {
                let behind = shared.journal.behind(place, next)?;
                let resumed = behind.map(|at| shared.journal.first_of(at)).transpose()?.flatten();
                let damage = Damage { file, offset, why, first: next, next: resumed };
                problems.push(DamagedPlace::from(&damage));
                match behind {
                    Some(behind) => place = behind,
                    None => return Ok(()),
                }
            }
            Err(e) => return Err(e),
        }
    }
}

/// What was read back from one place: a block, or several.
struct Stored {
    place: Place,
    raw: Result<Vec<u8>, String>,
}

impl Stored {
    fn read(shared: &Shared, place: &Place) -> Result<Self, StoreError> {
        let raw = match shared.packs.read(place) {
            Ok(stored) => decompress(place.codec, place.raw_len, &stored).map_err(|e| e.to_string()),
            Err(BlockReadError::Damaged(why)) => Err(why),
            Err(BlockReadError::Store(e)) => return Err(e),
        };
        Ok(Stored { place: *place, raw })
    }

    /// What is wrong with a block of these, if anything is.
    fn what_is_wrong(&self, shared: &Shared, digest: &Digest, place: &Place) -> Option<String> {
        let why = match (&self.raw, place.part) {
            (Err(why), _) => {
                shared.packs.is_lost(place);
                Some(why.clone())
            }
            (Ok(raw), part) => {
                let raw = part.map_or(Some(raw.as_slice()), |part| part.of(raw)).unwrap_or_default();
                let wrong = check(place.block_kind(), raw, digest).err();
                wrong.inspect(|_| shared.packs.is_bad(place)).map(|e| e.to_string())
            }
        };
        if why.is_some() {
            // One that was found damaged before may have been taken again: then that one counts.
            let newest = shared.index.place(digest).ok().flatten();
            if newest.is_some_and(|newest| (newest.pack, newest.offset) > (place.pack, place.offset)) {
                return None;
            }
        }
        why
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
                let Some((_, digest)) = stored.content.root_block() else { continue };
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
            block.files.push((machine, last_path(shared, machine, node, tail)));
        }
    }
    Ok(())
}

/// Adds the lists of a frame that name damaged blocks.
fn spread(shared: &Shared, body: &Body, taint: &mut Taint) {
    for (digest, place) in body.blocks.iter().filter(|(_, place)| place.kind == StoredKind::LIST) {
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

/// Longest wait for an index that is being built anew.
const INDEX_WAIT_MAX: Duration = Duration::from_secs(600);
/// How often it is looked at meanwhile.
const INDEX_LOOK: Duration = Duration::from_millis(20);

/// The path a node has now, or had when it last had one. Where the index cannot tell, it is told from it once it was
/// built anew.
fn last_path(shared: &Shared, machine: MachineId, node: NodeId, tail: Seq) -> Vec<u8> {
    let start = Instant::now();
    loop {
        let why = match ask_path(shared, machine, node, tail) {
            Ok(Some(path)) => return path,
            Ok(None) => return format!("(node {node}, whose path is not known)").into_bytes(),
            Err(why) => explain(&why),
        };
        let is_hopeless = shared.alarm.why().is_none() && shared.index.kv().is_ok();
        if is_hopeless || start.elapsed() > INDEX_WAIT_MAX {
            return format!("(node {node}, whose path cannot be read: {why})").into_bytes();
        }
        std::thread::sleep(INDEX_LOOK);
    }
}

fn ask_path(
    shared: &Shared,
    machine: MachineId,
    node: NodeId,
    tail: Seq,
) -> Result<Option<Vec<u8>>, KvError> {
    if let Some(path) = shared.index.path_of(machine, node, tail)? {
        return Ok(Some(path));
    }
    for seq in shared.index.named_at(machine, node)? {
        if let Some(path) = shared.index.path_of(machine, node, seq)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
