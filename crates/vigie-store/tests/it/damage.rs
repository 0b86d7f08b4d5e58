//! A store that was damaged behind our back: a damaged index heals by itself and never lies meanwhile, and of a damaged
//! journal all that is whole can be read, and nothing is made worse.

use crate::opening::{store, told, try_told};
use crate::support::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vigie_model::*;
use vigie_store::{
    Batch, CommitError, Health, InstantError, OpenError, Options, ReadError, Store, StoreError,
};

const R: NodeId = NodeId([1; 16]);

/// All files below a directory.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let (dirs, mut files): (Vec<_>, Vec<_>) = files_of(dir).into_iter().partition(|path| path.is_dir());
    files.extend(dirs.iter().flat_map(|dir| files_below(dir)));
    files
}

/// All files below a directory, with their bytes.
fn bytes_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files_below(dir).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Asks until the index has been mended, if it must be.
fn settled<T>(running: &Running, ask: impl Fn(&Store) -> Result<T, StoreError>) -> T {
    loop {
        match ask(&running.store) {
            Ok(answer) => return answer,
            Err(StoreError::Index(_)) => std::thread::yield_now(),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// What may happen to a file.
fn damages(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut all = vec![None, Some(Vec::new()), Some(bytes[..bytes.len() / 2].to_vec())];
    for part in [0, 1, 3, 5, 7] {
        let mut bad = bytes.to_vec();
        let at = bad.len() * part / 8;
        if let Some(byte) = bad.get_mut(at) {
            *byte ^= 4;
            all.push(Some(bad));
        }
    }
    all
}

/// Whether fjall still needs a file: of the versions of a table, it needs the last one.
fn is_in_use(path: &Path, all: &BTreeMap<PathBuf, Vec<u8>>) -> bool {
    let version = |path: &Path| path.file_name()?.to_str()?.strip_prefix('v')?.parse::<u64>().ok();
    let newer = |other: &PathBuf| other.parent() == path.parent() && version(other) > version(path);
    version(path).is_none() || !all.keys().any(newer)
}

#[test]
fn whatever_happens_to_a_file_of_the_index_it_tells_the_same_or_heals() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    store(&dir);
    let running = Running::real(&dir);
    let whole_tree = told(&running.store);
    running.stop();
    let index = bytes_below(&dir.join("index"));
    assert!(index.len() > 10, "{:?}", index.keys());
    let mut healed = 0;
    for (path, bytes) in index.iter().filter(|(path, _)| is_in_use(path, &index)) {
        for damage in damages(bytes).into_iter().step_by(5) {
            // As it was left, but for one file.
            std::fs::remove_dir_all(dir.join("index")).unwrap();
            for (path, bytes) in &index {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
            match &damage {
                Some(damaged) => std::fs::write(path, damaged).unwrap(),
                None => std::fs::remove_file(path).unwrap(),
            }
            let running = Running::real(&dir);
            let what = format!("{} as {:?}", path.display(), damage.as_ref().map(Vec::len));
            assert_eq!(settled(&running, try_told), whole_tree, "{what}");
            let all: Vec<_> = (0..20u8).map(|i| (BlockKind::Data, Digest::of_data(&[i; 300]))).collect();
            assert!(settled(&running, |store| store.has(&all)).iter().all(|has| *has), "{what}");
            let report = running.store.verify(&mut |_| true).unwrap();
            assert!(report.damaged.is_empty() && report.places.is_empty(), "{what}: {report:?}");
            healed += usize::from(report.index.is_some());
            settled(&running, |store| match store.verify(&mut |_| true)?.index {
                None => Ok(()),
                Some(_) => Err(StoreError::Index(vigie_store::KvError::Away)),
            });
            assert_eq!(running.store.health(), Health::Ok, "{what}");
            running.stop();
            let running = Running::real(&dir);
            assert_eq!(told(&running.store), whole_tree, "{what}, after the next start");
            running.stop();
        }
    }
    println!("{healed} of the damages were found by reading everything alone");
}

#[test]
fn an_index_that_fails_while_the_store_runs_is_built_anew_and_commits_go_on() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    store(&dir);
    // Every table but the first, which fjall reads itself.
    for path in files_below(&dir.join("index/keyspaces")) {
        let is_table = path.parent().is_some_and(|dir| dir.ends_with("tables"));
        if is_table && !path.starts_with(dir.join("index/keyspaces/0")) {
            flip(&path, 40);
        }
    }
    let running = Running::real(&dir);
    let tree = settled(&running, try_told);
    assert_eq!(tree.iter().filter(|line| line.starts_with("41 ")).count(), 20, "{tree:?}");
    let mut facts = Facts::after(&running.store);
    facts.add(file(R, "later", node(200))).add(content(node(200), whole(b"later")));
    running.commit(facts.batch(vec![block(b"later")])).unwrap();
    assert_eq!(read(&running.store, &whole(b"later")).unwrap(), b"later");
    assert_eq!(running.store.health(), Health::Ok);
    running.stop();
    assert!(std::fs::read_to_string(dir.join("index.mark")).unwrap().starts_with("clean"));
}

fn read_only() -> Options {
    Options { read_only: true, seal_bytes: 2000, ..Options::default() }
}

/// A store of several segments: a root and 40 files of one record each.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let running = Running::open(dir, Options { seal_bytes: 2000, ..Options::default() }).unwrap();
    let mut facts = Facts::new();
    facts.add(root("/srv", R)).commit(&running);
    for i in 0..40u8 {
        facts.add(file(R, &format!("f{i}"), node(10 + i))).commit(&running);
    }
    running.stop();
    files_of(&dir.join("journal"))
}

fn names(store: &Store, at: Seq) -> usize {
    store.children(MACHINE, R, at, None, 1000).unwrap().len()
}

#[test]
fn a_damaged_journal_is_refused_and_read_before_and_behind_the_damage() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let files = segments(&dir);
    assert!(files.len() > 2, "{files:?}");
    let bytes = std::fs::read(&files[1]).unwrap();
    flip(&files[1], bytes.len() / 2);
    for with_index in [true, false] {
        if !with_index {
            std::fs::remove_dir_all(dir.join("index")).unwrap();
            let refused = Store::open(&dir, Options::default()).map(|_| ());
            assert!(
                matches!(&refused, Err(OpenError::Damaged { file, .. }) if *file == files[1]),
                "{refused:?}"
            );
            assert!(!dir.join("index").exists(), "no index is made of half a journal");
        }
        let before = (bytes_below(&dir.join("journal")), bytes_below(&dir.join("packs")));
        let running = Running::open(&dir, read_only()).unwrap();
        let store = &running.store;
        let damage = store.damage();
        let [place] = &damage[..] else { panic!("{damage:?}") };
        let name = files[1].file_name().unwrap().to_str().unwrap();
        assert!(place.file.ends_with(name) && place.why.contains("is lost"), "{place:?}");

        let tail = *store.tail().borrow();
        let records = store.records(Seq(1), 1000).unwrap();
        assert_eq!((tail, records.len()), (Seq(41), 40), "all but the one that is lost");
        let lost = (1..=41).map(Seq).find(|seq| !records.iter().any(|record| record.seq == *seq)).unwrap();
        // An index that was whole still knows it; one that is made of what is left says what it cannot know.
        assert_eq!(names(store, tail), if with_index { 40 } else { 39 });
        let inside = |at| store.resolve(MACHINE, Instant::Seq(at)).unwrap().inside;
        assert!(inside(Seq(lost.0 - 1)).is_empty());
        let gaps = [inside(lost), inside(tail)].concat();
        assert_eq!(gaps.len(), if with_index { 0 } else { 2 }, "{gaps:?}");
        assert!(gaps.iter().all(|gap| gap.cause == GapCause::JournalDamaged && gap.closed.is_none()));

        let report = store.verify(&mut |_| true).unwrap();
        assert_eq!((report.places, report.records, report.index), (damage.clone(), 40, None));
        let refused = running.commit(Batch { blocks: vec![block(b"new")], records: vec![] });
        assert!(matches!(refused, Err(CommitError::Poisoned(_))), "{refused:?}");
        running.stop();
        let after = (bytes_below(&dir.join("journal")), bytes_below(&dir.join("packs")));
        assert_eq!(before, after, "what is damaged is not touched");
    }
    // With the segment put back, all of it is there again.
    std::fs::write(&files[1], bytes).unwrap();
    let running = Running::open(&dir, Options { seal_bytes: 2000, ..Options::default() }).unwrap();
    assert_eq!(names(&running.store, Seq(41)), 40);
    assert!(running.store.verify(&mut |_| true).unwrap().is_whole());
    running.stop();
}

#[test]
fn every_kind_of_damage_to_a_segment_leaves_the_others_readable() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let files = segments(&dir);
    let whole = bytes_below(&dir.join("journal"));
    let count = |path: &Path| -> u64 {
        let first = |path: &Path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
        let next = files.iter().map(|path| first(path)).find(|next| *next > first(path));
        next.unwrap_or(42) - first(path)
    };
    for path in &files {
        for damage in damages(&whole[path]) {
            match &damage {
                Some(damaged) => std::fs::write(path, damaged).unwrap(),
                None => std::fs::remove_file(path).unwrap(),
            }
            std::fs::remove_dir_all(dir.join("index")).ok();
            let before = bytes_below(&dir.join("journal"));
            let what = format!("{} as {:?}", path.display(), damage.as_ref().map(Vec::len));
            let store = Store::open(&dir, read_only()).unwrap().0;
            let records = store.records(Seq(1), 1000).unwrap();
            let least = 41 - count(path);
            assert!(records.len() as u64 >= least, "{what}: {} of {least}", records.len());
            assert!(records.is_sorted_by_key(|record| record.seq), "{what}");
            assert!(records.iter().all(|record| record.fact.observed.0 == record.seq.0 as i64), "{what}");
            let is_last = path == files.last().unwrap();
            assert!(is_last || !store.damage().is_empty(), "{what}");
            let is_known = !store.machines().unwrap().is_empty() || store.damage().is_empty() || is_last;
            assert!(
                is_known || records.first().is_some_and(|first| first.seq == Seq(1)),
                "{what}: by its id at least"
            );
            let report = store.verify(&mut |_| true).unwrap();
            assert_eq!((report.records, report.places), (records.len() as u64, store.damage()), "{what}");
            drop(store);
            assert_eq!(bytes_below(&dir.join("journal")), before, "{what}");
            std::fs::write(path, &whole[path]).unwrap();
        }
    }
}

/// Nothing of it shows in what is known in memory, and what is read is what counts.
#[test]
fn a_journal_that_is_damaged_under_a_running_store_is_verified_to_its_end() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let files = segments(&dir);
    let whole = bytes_below(&dir.join("journal"));
    let middle = &files[files.len() / 2];
    for path in [&files[0], middle, files.last().unwrap()] {
        for damage in damages(&whole[path]) {
            let running = Running::open(&dir, Options { seal_bytes: 2000, ..Options::default() }).unwrap();
            match &damage {
                Some(damaged) => std::fs::write(path, damaged).unwrap(),
                None => std::fs::remove_file(path).unwrap(),
            }
            let what = format!("{} as {:?}", path.display(), damage.as_ref().map(Vec::len));
            let report = running.store.verify(&mut |_| true).unwrap();
            // Of a segment's own head nothing is read while the store runs.
            let is_read = damage.as_ref().is_none_or(|bytes| bytes.get(48..) != whole[path].get(48..));
            let name = path.file_name().unwrap().to_str().unwrap();
            let names = report.places.iter().any(|place| place.file.ends_with(name));
            assert_eq!(names, is_read, "{what}: {report:?}");
            assert!(report.records >= 20, "{what}: {report:?}");
            running.stop();
            std::fs::write(path, &whole[path]).unwrap();
        }
    }
}

#[test]
fn what_the_last_segment_lost_is_told_by_the_index_and_never_cut_off() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let files = segments(&dir);
    let last = files.last().unwrap();
    let bytes = std::fs::read(last).unwrap();
    flip(last, bytes.len() - 3);
    let damaged = std::fs::read(last).unwrap();
    let refused = Store::open(&dir, Options::default()).map(|_| ());
    assert!(matches!(refused, Err(OpenError::IndexAhead { applied: Seq(41), .. })), "{refused:?}");
    assert_eq!(std::fs::read(last).unwrap(), damaged, "damage is no torn tail");
    let store = Store::open(&dir, read_only()).unwrap().0;
    assert_eq!(names(&store, Seq(41)), 40, "the index knows what the journal lost");
    assert!(
        matches!(&store.damage()[..], [place] if place.why.contains("record #41 is lost")),
        "{:?}",
        store.damage()
    );
    assert!(matches!(store.resolve(MACHINE, Instant::Seq(Seq(42))), Err(InstantError::Future { .. })));
    assert_eq!(std::fs::read(last).unwrap(), damaged);
}

#[test]
fn a_store_without_its_marker_can_be_read() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    segments(&dir);
    std::fs::write(dir.join("format"), "garbage").unwrap();
    assert_eq!(names(&Store::open(&dir, read_only()).unwrap().0, Seq(41)), 40);
    std::fs::write(dir.join("format"), "vigie-store 2\n").unwrap();
    assert!(
        matches!(Store::open(&dir, read_only()), Err(OpenError::NewerFormat { .. })),
        "nor can this version"
    );
    assert!(matches!(Store::open(&tmp.path().join("none"), read_only()), Err(OpenError::Io { .. })));
    assert!(!tmp.path().join("none").exists());
}

#[test]
fn a_block_found_damaged_is_taken_again() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let running = Running::real(&dir);
    let mut facts = Facts::new();
    running.commit(facts.add(chmod(R, 1)).batch(vec![block(b"some bytes")])).unwrap();
    flip(&dir.join("packs/00000001.pack"), 24 + 16 + 2);
    let id = [(BlockKind::Data, Digest::of_data(b"some bytes"))];
    assert!(matches!(read(&running.store, &whole(b"some bytes")), Err(ReadError::Damaged { .. })));
    assert_eq!(running.store.has(&id).unwrap(), [false]);
    running.commit(facts.add(chmod(R, 2)).batch(vec![block(b"some bytes")])).unwrap();
    assert_eq!(read(&running.store, &whole(b"some bytes")).unwrap(), b"some bytes");
    assert!(running.store.verify(&mut |_| true).unwrap().is_whole());
    running.stop();
}
