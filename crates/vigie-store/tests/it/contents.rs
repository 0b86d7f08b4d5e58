//! Blocks: given back whole, written once, and never believed when damaged.

use crate::support::*;
use vigie_model::*;
use vigie_store::{Batch, CommitError, NewBlock, ReadError, StoreError};

const R: NodeId = NodeId([1; 16]);

/// A file of three chunks below two levels of lists: its blocks, children first, and its content.
fn big() -> (Vec<NewBlock>, Content, Vec<u8>) {
    let chunks: Vec<Vec<u8>> = (0..3u8).map(|i| vec![i; 70_000 + usize::from(i)]).collect();
    let mut blocks: Vec<NewBlock> = chunks.iter().map(|chunk| block(chunk)).collect();
    let entry = |raw: &[u8]| ListEntry { digest: Digest::of_data(raw), size: raw.len() as u64 };
    let lists = [
        BlockList { level: 0, entries: vec![entry(&chunks[0]), entry(&chunks[1])] },
        BlockList { level: 0, entries: vec![entry(&chunks[2])] },
    ];
    let up = |list: &BlockList| ListEntry { digest: Digest::of_list(&list.encode()), size: list.size() };
    let top = BlockList { level: 1, entries: lists.iter().map(up).collect() };
    for list in lists.iter().chain([&top]) {
        blocks.push(new_block(BlockKind::List, &list.encode()));
    }
    let raw = chunks.concat();
    let digest = Digest::of_list(&top.encode());
    let content = Content { digest, digest_kind: DigestKind::List, size: raw.len() as u64, ..whole(b"") };
    (blocks, content, raw)
}

#[test]
fn contents_come_back_as_they_were() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let (mut blocks, large, raw) = big();
    blocks.push(block(b"small"));
    let mut facts = Facts::new();
    facts.add(root("/srv", R)).add(file(R, "f", node(2))).add(content(node(2), large.clone()));
    facts.add(content(node(3), whole(b"small"))).add(content(node(4), whole(b"")));
    running.commit(facts.batch(blocks)).unwrap();
    assert_eq!(read(&running.store, &large).unwrap(), raw);
    assert_eq!(read(&running.store, &whole(b"small")).unwrap(), b"small");
    assert_eq!(read(&running.store, &whole(b"")).unwrap(), b"");
    let missing = read(&running.store, &whole(b"never stored"));
    assert!(matches!(missing, Err(ReadError::Missing(digest)) if digest == Digest::of_data(b"never stored")));
    let lie = Content { size: 4, ..whole(b"small") };
    assert!(matches!(read(&running.store, &lie), Err(ReadError::Damaged { .. })));
    let empty = (BlockKind::Data, Digest::of_data(b""));
    let asked = [(BlockKind::List, large.digest), (BlockKind::Data, large.digest), empty];
    assert_eq!(running.store.has(&asked).unwrap(), [true, false, true]);
    running.stop();
}

#[test]
fn a_block_is_written_once() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let twice = Batch { blocks: vec![block(&[1; 1000]), block(&[1; 1000])], records: vec![] };
    running.commit(twice.clone()).unwrap();
    let written = (running.store.sizes().pack_bytes, running.store.sizes().journal_bytes);
    running.commit(twice.clone()).unwrap();
    running.stop();
    let running = Running::real(&tmp.path().join("s"));
    running.commit(twice).unwrap();
    let sizes = running.store.sizes();
    assert_eq!((sizes.pack_bytes, sizes.journal_bytes), written, "nothing is written for what is there");
    assert_eq!(sizes.blocks, 1);
    running.stop();
}

#[test]
fn what_names_a_block_that_is_not_there_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let (blocks, large, _) = big();
    let refused = |batch| running.commit(batch).unwrap_err();
    let without_child = Batch { blocks: blocks[1..].to_vec(), records: vec![] };
    assert_eq!(refused(without_child), CommitError::MissingBlock(blocks[0].digest()));
    let mut facts = Facts::new();
    let dangling = facts.add(content(node(2), large.clone())).batch(vec![]);
    assert_eq!(refused(dangling), CommitError::MissingBlock(large.digest));
    assert_eq!(running.store.has(&[(BlockKind::Data, blocks[1].digest())]).unwrap(), [false]);
    assert_eq!(running.store.sizes().pack_bytes, 0, "nothing of a refused batch is kept");
    running.stop();
}

#[test]
fn a_damaged_block_is_named_with_the_files_that_need_it() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let running = Running::real(&dir);
    let (mut blocks, large, raw) = big();
    blocks.push(block(b"another file"));
    let mut facts = Facts::new();
    facts.add(root("/srv", R)).add(file(R, "big", node(2))).add(content(node(2), large.clone()));
    facts.add(file(R, "gone", node(3))).add(content(node(3), large.clone())).add(removed(R, "gone", node(3)));
    facts.add(file(R, "fine", node(4))).add(content(node(4), whole(b"another file")));
    running.commit(facts.batch(blocks.clone())).unwrap();
    assert!(running.store.verify(&mut |_| true).unwrap().is_whole());

    flip(&dir.join("packs/00000001.pack"), 24 + 16 + 3);
    let mut progress = Vec::new();
    let report = running.store.verify(&mut |now| {
        progress.push(now);
        true
    });
    let report = report.unwrap();
    assert!(matches!(running.store.verify(&mut |_| false), Err(StoreError::Stopped)));
    assert_eq!(progress.last().map(|now| (now.blocks, now.blocks_total)), Some((7, 7)));
    let [damaged] = &report.damaged[..] else { panic!("{report:?}") };
    assert_eq!((damaged.digest, damaged.pack, damaged.offset), (blocks[0].digest(), 1, 24));
    let files: Vec<_> = damaged.files.iter().map(|(_, path)| String::from_utf8_lossy(path)).collect();
    assert_eq!(files, ["/srv/big", "/srv/gone"]);
    assert_eq!(damaged.files_total, 2);
    let got = read(&running.store, &large);
    assert!(
        matches!(got, Err(ReadError::Damaged { digest, pack: 1, offset: 24, .. }) if digest == blocks[0].digest())
    );
    assert_eq!(read(&running.store, &whole(b"another file")).unwrap(), b"another file");

    std::fs::remove_file(dir.join("packs/00000001.pack")).unwrap();
    running.stop();
    // Without the pack nothing of it can be given, and all that was acknowledged is still told.
    let running = Running::real(&dir);
    assert!(matches!(read(&running.store, &large), Err(ReadError::Damaged { .. })));
    let damage = running.store.damage();
    assert!(matches!(&damage[..], [place] if place.file == "packs/00000001.pack"), "{damage:?}");
    let report = running.store.verify(&mut |_| true).unwrap();
    assert_eq!((report.damaged.len(), report.blocks, report.index), (blocks.len(), 7, None));
    // Whoever has the blocks is asked for them, and then all of it is whole again.
    let asked: Vec<_> = blocks.iter().flat_map(NewBlock::blocks).collect();
    assert!(running.store.has(&asked).unwrap().iter().all(|has| !has));
    let mut facts = Facts::after(&running.store);
    running.commit(facts.add(chmod(node(2), 1)).batch(blocks)).unwrap();
    assert_eq!(read(&running.store, &large).unwrap(), raw);
    running.stop();
    assert!(dir.join("packs/00000002.pack").exists());
    let running = Running::real(&dir);
    let report = running.store.verify(&mut |_| true).unwrap();
    assert!(report.is_whole(), "nothing needs the missing pack any more: {report:?}");
    assert_eq!(read(&running.store, &large).unwrap(), raw);
    running.stop();
}

#[test]
fn packs_can_be_read_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let running = Running::real(&dir);
    let (blocks, ..) = big();
    running.commit(Batch { blocks: blocks.clone(), records: vec![] }).unwrap();
    running.stop();
    let bytes = std::fs::read(dir.join("packs/00000001.pack")).unwrap();
    let (found, bad) = vigie_store::decode::read_pack(&bytes);
    assert_eq!(bad, None);
    for ((_, head, stored), block) in found.iter().zip(&blocks) {
        let (kind, digest) = (head.kind, block.digest());
        let checked = vigie_store::compress::check_stored(kind, head.codec, head.raw_len, stored, &digest);
        assert!(checked.is_ok());
    }
    assert_eq!(found.len(), blocks.len());
}
