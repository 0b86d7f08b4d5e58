//! Blocks that lie together.

use crate::support::*;
use vigie_model::*;
use vigie_store::decode::{BlockHead, read_pack};
use vigie_store::{Batch, Damage, NewBlock, ReadError};

const R: NodeId = NodeId([1; 16]);

fn only(blocks: Vec<NewBlock>) -> Batch {
    Batch { blocks, records: vec![] }
}

fn names(raws: &[&[u8]]) -> Vec<(BlockKind, Digest)> {
    raws.iter().map(|raw| (BlockKind::Data, Digest::of_data(raw))).collect()
}

#[test]
fn the_blocks_of_a_bundle_are_in_the_store_as_any_others_are() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let running = Running::real(&dir);
    let raws = [&b"first"[..], b"second", b"second", b"third"];
    running.commit(only(vec![block(b"second")])).unwrap();
    // Readers see what is behind the last record that they see.
    running.commit(Facts::new().add(root("/srv", R)).batch(vec![bundle(&raws)])).unwrap();
    let check = |running: &Running| {
        assert_eq!(running.store.has(&names(&raws)).unwrap(), [true; 4]);
        for raw in raws {
            assert_eq!(read(&running.store, &whole(raw)).unwrap(), raw);
        }
        let report = running.store.verify(&mut |_| true).unwrap();
        assert!(report.is_whole(), "{report:?}");
        assert_eq!(report.blocks, 3, "what was there, or comes twice, is named once");
    };
    check(&running);
    let sizes = || running.store.sizes();
    let written = (sizes().pack_bytes, sizes().journal_bytes);
    assert_eq!(sizes().blocks, 3);
    running.commit(only(vec![bundle(&raws), bundle(&raws[2..])])).unwrap();
    assert_eq!((sizes().pack_bytes, sizes().journal_bytes), written, "nothing is written for what is there");
    running.stop();
    // The journal alone says where they are.
    std::fs::remove_dir_all(dir.join("index")).unwrap();
    let running = Running::real(&dir);
    check(&running);
    running.stop();
}

#[test]
fn of_a_bundle_that_is_mostly_there_only_the_rest_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let noise = |i: u8| (0..100u8).flat_map(|j| Digest::of_data(&[i, j]).0).collect::<Vec<_>>();
    let known: Vec<_> = (0..9).map(noise).collect();
    let mut facts = Facts::new();
    let blocks = known.iter().map(|raw| block(raw)).collect();
    running.commit(facts.add(root("/srv", R)).batch(blocks)).unwrap();
    let before = running.store.sizes();
    let fresh = noise(9);
    let raws: Vec<&[u8]> = known.iter().chain([&fresh]).map(Vec::as_slice).collect();
    running.commit(facts.add(dir(R, "d", node(2))).batch(vec![bundle(&raws)])).unwrap();
    let after = running.store.sizes();
    assert_eq!(after.blocks, before.blocks + 1);
    assert!(after.pack_bytes - before.pack_bytes < 2 * fresh.len() as u64, "{before:?} {after:?}");
    assert_eq!(read(&running.store, &whole(&fresh)).unwrap(), fresh);
    assert!(running.store.verify(&mut |_| true).unwrap().is_whole());
    running.stop();
}

#[test]
fn a_content_may_stand_on_a_block_of_a_bundle_of_the_same_batch() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let mut facts = Facts::new();
    facts.add(root("/srv", R)).add(file(R, "a", node(2))).add(content(node(2), whole(b"two")));
    running.commit(facts.batch(vec![bundle(&[b"one", b"two"])])).unwrap();
    assert_eq!(read(&running.store, &whole(b"two")).unwrap(), b"two");
    running.stop();
}

#[test]
fn a_damaged_bundle_damages_its_blocks_until_each_was_taken_again() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    let running = Running::real(&dir);
    let raws = [&b"the first file"[..], b"the second file", b"the third file"];
    let mut facts = Facts::new();
    facts.add(root("/srv", R));
    for (i, raw) in raws.iter().enumerate() {
        let id = node(2 + i as u8);
        facts.add(file(R, &format!("f{i}"), id)).add(content(id, whole(raw)));
    }
    running.commit(facts.batch(vec![bundle(&raws), block(b"beside them")])).unwrap();
    flip(&dir.join("packs/00000001.pack"), 24 + 16 + 3);
    let report = running.store.verify(&mut |_| true).unwrap();
    let files: Vec<_> = report.damaged.iter().flat_map(|damaged| &damaged.files).collect();
    let files: Vec<_> = files.iter().map(|(_, path)| String::from_utf8_lossy(path)).collect();
    assert_eq!(files, ["/srv/f0", "/srv/f1", "/srv/f2"]);
    for raw in raws {
        let got = read(&running.store, &whole(raw));
        assert!(matches!(got, Err(ReadError::Damaged { pack: 1, offset: 24, .. })), "{got:?}");
    }
    assert_eq!(read(&running.store, &whole(b"beside them")).unwrap(), b"beside them");
    assert_eq!(running.store.found_damaged(), Damage { packs: 0, blocks: 1 }, "a bundle is lost once");

    // Whoever has them is asked for them; another bundle will do, or a block alone.
    assert_eq!(running.store.has(&names(&raws)).unwrap(), [false; 3]);
    running.commit(only(vec![bundle(&raws[1..])])).unwrap();
    assert_eq!(running.store.has(&names(&raws)).unwrap(), [false, true, true]);
    running.commit(facts.add(chmod(node(2), 0o640)).batch(vec![block(raws[0])])).unwrap();
    for raw in raws {
        assert_eq!(read(&running.store, &whole(raw)).unwrap(), raw);
    }
    assert!(running.store.verify(&mut |_| true).unwrap().is_whole());
    assert_eq!(running.store.found_damaged(), Damage::default(), "what was damaged is not needed any more");
    running.stop();
}

/// Flips a bit in the first block of a pack, and makes its checksum fit: whatever wrote it was wrong already.
fn spoil(pack: &std::path::Path, at: usize) {
    let mut bytes = std::fs::read(pack).unwrap();
    let (start, head, mut stored) = {
        let (blocks, _) = read_pack(&bytes);
        let (start, head, stored) = blocks[0];
        (start as usize, head, stored.to_vec())
    };
    stored[at] ^= 1;
    let head = BlockHead::encode(head.kind, head.codec, head.raw_len, &stored);
    bytes[start..][..head.len()].copy_from_slice(&head);
    bytes[start + head.len()..][..stored.len()].copy_from_slice(&stored);
    std::fs::write(pack, bytes).unwrap();
}

#[test]
fn one_wrong_block_of_a_bundle_takes_no_other_along() {
    let raws = [&b"the first file"[..], b"the second file", b"the third file"];
    for verified in [false, true] {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("s");
        let running = Running::real(&dir);
        let mut facts = Facts::new();
        facts.add(root("/srv", R)).add(file(R, "f", node(2))).add(content(node(2), whole(raws[1])));
        running.commit(facts.batch(vec![bundle(&raws)])).unwrap();
        spoil(&dir.join("packs/00000001.pack"), raws[0].len());
        if verified {
            let report = running.store.verify(&mut |_| true).unwrap();
            let damaged: Vec<_> = report.damaged.iter().map(|damaged| damaged.digest).collect();
            assert_eq!(damaged, [Digest::of_data(raws[1])]);
        } else {
            let got = read(&running.store, &whole(raws[1]));
            assert!(matches!(got, Err(ReadError::Damaged { pack: 1, offset: 24, .. })), "{got:?}");
        }
        assert_eq!(running.store.has(&names(&raws)).unwrap(), [true, false, true], "verified: {verified}");

        let before = running.store.sizes();
        running.commit(facts.add(chmod(node(2), 0o640)).batch(vec![bundle(&raws)])).unwrap();
        assert_eq!(running.store.sizes().blocks, before.blocks + 1, "the others are not taken again");
        for raw in raws {
            assert_eq!(read(&running.store, &whole(raw)).unwrap(), raw);
        }
        assert!(running.store.verify(&mut |_| true).unwrap().is_whole());
        running.stop();
    }
}
