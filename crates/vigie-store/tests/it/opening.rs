//! Taking up what lies there: locks, versions, damage, and an index that can always be made again.

use crate::support::*;
use std::path::{Path, PathBuf};
use vigie_model::*;
use vigie_store::{Batch, OpenError, Options, Store, StoreError};

const R: NodeId = NodeId([1; 16]);

/// A store with some records and blocks, cleanly closed.
pub(crate) fn store(dir: &Path) -> Seq {
    let running = Running::real(dir);
    let mut facts = Facts::new();
    facts.add(root("/srv", R)).commit(&running);
    for i in 0..20u8 {
        facts.add(file(R, &format!("f{i}"), node(10 + i))).add(content(node(10 + i), whole(&[i; 300])));
        running.commit(facts.batch(vec![block(&[i; 300])])).unwrap();
    }
    let last = *running.store.tail().borrow();
    running.stop();
    last
}

fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, Options::default()).map(|(store, _)| store)
}

fn segment(dir: &Path) -> PathBuf {
    files_of(&dir.join("journal")).remove(0)
}

/// Everything that can be asked about the tree.
pub(crate) fn told(store: &Store) -> Vec<String> {
    try_told(store).unwrap()
}

/// As [`told`], of an index that may be damaged.
pub(crate) fn try_told(store: &Store) -> Result<Vec<String>, StoreError> {
    let tail = *store.tail().borrow();
    let mut lines = Vec::new();
    for seq in (1..=tail.0).map(Seq) {
        for (name, node) in store.children(MACHINE, R, seq, None, 1000)? {
            lines.push(format!("{seq} {name:?} {:?}", store.node(MACHINE, node, seq)?));
        }
    }
    lines.push(format!("{:?} {:?}", store.sizes().blocks, store.gaps(MACHINE)?));
    Ok(lines)
}

#[test]
fn a_second_opener_is_kept_out() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let running = Running::real(&dir);
    assert!(matches!(open(&dir), Err(OpenError::Locked(at)) if at == dir));
    let store = running.store.clone();
    running.stop();
    assert!(matches!(open(&dir), Err(OpenError::Locked(_))), "a handle is still there");
    drop(store);
    open(&dir).unwrap();
}

#[test]
fn markers_of_other_formats_are_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    store(&dir);
    assert_eq!(std::fs::read(dir.join("format")).unwrap(), b"vigie-store 1\n");
    std::fs::write(dir.join("format"), "vigie-store 2\n").unwrap();
    assert!(matches!(open(&dir), Err(OpenError::NewerFormat { found: 2, known: 1 })));
    for bad in ["", "vigie-store 1", "vigie-store 0\n", "vigie-store x\n", "something\n"] {
        std::fs::write(dir.join("format"), bad).unwrap();
        assert!(matches!(open(&dir), Err(OpenError::Damaged { .. })), "{bad:?}");
    }
    std::fs::remove_file(dir.join("format")).unwrap();
    assert!(matches!(open(&dir), Err(OpenError::Damaged { .. })), "a journal without a marker");
}

#[test]
fn an_index_that_is_gone_or_garbage_is_made_again() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    store(&dir);
    let whole = told(&open(&dir).unwrap());
    std::fs::remove_dir_all(dir.join("index")).unwrap();
    assert_eq!(told(&open(&dir).unwrap()), whole, "without its directory");
    std::fs::remove_file(dir.join("index.mark")).unwrap();
    assert_eq!(told(&open(&dir).unwrap()), whole, "without its mark");
    let mut pending = vec![dir.join("index")];
    while let Some(at) = pending.pop() {
        for file in files_of(&at) {
            if file.is_dir() {
                pending.push(file);
            } else {
                std::fs::write(&file, b"garbage").unwrap();
            }
        }
    }
    assert_eq!(told(&open(&dir).unwrap()), whole, "of garbage");
}

#[test]
fn a_torn_tail_is_cut_and_damage_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let last = store(&dir);
    let path = segment(&dir);
    let bytes = std::fs::read(&path).unwrap();

    std::fs::write(&path, [&bytes[..], &[0x55; 200]].concat()).unwrap();
    assert_eq!(*open(&dir).unwrap().tail().borrow(), last);
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the tail is cut off");

    for offset in [48, 48 + 8, 48 + 40, bytes.len() / 2] {
        flip(&path, offset);
        let refused = open(&dir);
        assert!(
            matches!(&refused, Err(OpenError::Damaged { file, .. }) if *file == path),
            "{offset}: {refused:?}"
        );
        std::fs::write(&path, &bytes).unwrap();
    }
    flip(&path, 20);
    assert!(matches!(open(&dir), Err(OpenError::Damaged { offset: 0, .. })), "the head of the segment");
}

#[test]
fn a_journal_that_lost_acknowledged_records_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let last = store(&dir);
    let path = segment(&dir);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let refused = open(&dir);
    assert!(
        matches!(refused, Err(OpenError::IndexAhead { applied, journal, .. }) if applied == last && journal < last),
        "{refused:?}"
    );
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(open(&dir), Err(OpenError::IndexAhead { journal: Seq(0), .. })));
}

#[test]
fn sealed_segments_and_packs_are_a_chain() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let options = || Options { seal_bytes: 2000, ..Options::default() };
    let running = Running::open(&dir, options()).unwrap();
    let mut facts = Facts::new();
    for i in 0..60u8 {
        let raw: Vec<u8> = (0..8).flat_map(|j| Digest::of_data(&[i, j]).0).collect();
        facts.add(file(R, &format!("f{i}"), node(10 + i))).add(content(node(10 + i), whole(&raw)));
        running.commit(facts.batch(vec![block(&raw)])).unwrap();
    }
    let last = *running.store.tail().borrow();
    let report = running.store.verify(&mut |_| true).unwrap();
    assert!(report.is_whole() && report.blocks == 60 && report.records == 120, "{report:?}");
    running.stop();
    let segments = files_of(&dir.join("journal"));
    assert!(segments.len() > 3 && files_of(&dir.join("packs")).len() > 3, "{segments:?}");
    let store = Store::open(&dir, options()).unwrap().0;
    assert_eq!(store.records(Seq(1), 1000).unwrap().len() as u64, last.0, "reading goes across segments");
    drop(store);

    let unborn = dir.join(format!("journal/{:020}.seg", last.0 + 1));
    for len in [0, 20, 48] {
        std::fs::write(&unborn, vec![0; len]).unwrap();
        let running = Running::open(&dir, options()).unwrap();
        assert_eq!(*running.store.tail().borrow(), last, "a segment without frames is no segment");
        assert_eq!(running.store.last_of(MACHINE).unwrap().map(|head| head.seq), Some(last));
        running.stop();
        assert!(!unborn.exists());
    }

    let second = std::fs::read(&segments[1]).unwrap();
    flip(&segments[1], 100);
    let store = open(&dir).unwrap();
    let report = store.verify(&mut |_| true).unwrap();
    let name = segments[1].file_name().unwrap().to_string_lossy();
    assert!(matches!(&report.places[..], [place] if place.file.ends_with(&*name)), "{report:?}");
    assert!(store.records(Seq(1), 1000).is_err(), "damage is no end");
    drop(store);
    std::fs::remove_dir_all(dir.join("index")).unwrap();
    assert!(matches!(open(&dir), Err(OpenError::Damaged { .. })), "an index cannot be made of it");
    std::fs::write(&segments[1], &second[..second.len() - 1]).unwrap();
    assert!(matches!(open(&dir), Err(OpenError::Damaged { .. })), "a shortened segment");
    std::fs::remove_file(&segments[1]).unwrap();
    assert!(matches!(open(&dir), Err(OpenError::Damaged { .. })), "a missing segment");
    std::fs::write(&segments[1], second).unwrap();
    std::fs::remove_file(files_of(&dir.join("packs")).remove(1)).unwrap();
    let damage = open(&dir).unwrap().damage();
    assert!(matches!(&damage[..], [place] if place.file == "packs/00000002.pack"), "{damage:?}");
}

#[test]
fn bytes_that_the_journal_does_not_name_are_cut_off_the_last_pack() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    store(&dir);
    let pack = dir.join("packs/00000001.pack");
    let bytes = std::fs::read(&pack).unwrap();
    std::fs::write(&pack, [&bytes[..], b"never named"].concat()).unwrap();
    std::fs::write(dir.join("packs/00000002.pack"), b"never named either").unwrap();
    open(&dir).unwrap();
    assert_eq!(std::fs::read(&pack).unwrap(), bytes);
    assert_eq!(files_of(&dir.join("packs")).len(), 1);
    std::fs::write(&pack, &bytes[..bytes.len() - 1]).unwrap();
    let running = Running::real(&dir);
    let report = running.store.verify(&mut |_| true).unwrap();
    let [damaged] = &report.damaged[..] else { panic!("{report:?}") };
    assert_eq!(damaged.files[..], [(MACHINE, b"/srv/f19".to_vec())]);
    assert!(matches!(&report.places[..], [place] if place.why.contains("it ends at")), "{report:?}");
    assert_eq!(
        read(&running.store, &whole(&[18; 300])).unwrap(),
        [18; 300],
        "what lies before the cut is whole"
    );
    running.commit(Batch { blocks: vec![block(b"later")], records: vec![] }).unwrap();
    running.stop();
    assert_eq!(std::fs::read(&pack).unwrap(), &bytes[..bytes.len() - 1], "a damaged pack is left as it is");
    assert!(dir.join("packs/00000002.pack").exists());
    let store = open(&dir).unwrap();
    assert_eq!(read(&store, &whole(b"later")).unwrap(), b"later");
}
