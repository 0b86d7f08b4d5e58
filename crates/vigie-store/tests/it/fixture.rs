//! Stores of every released format, which every later version must read.

use crate::support::*;
use std::path::{Path, PathBuf};
use vigie_model::*;
use vigie_store::disk::SimDisk;
use vigie_store::{Batch, MemIndex, Store};

const R: NodeId = NodeId([1; 16]);

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-v1")
}

/// A list, a block, a bundle of which a part was there, every kind of file event that changes the tree, an enrolment, a note, two segments.
fn write(running: &Running) {
    let mut facts = Facts::new();
    facts.fact(machines::Enrolled { machine: MACHINE, name: "web01".into() }.encode(UnixNanos(1)));
    facts.add(gap_opened("/srv", None)).add(root("/srv", R)).add(dir(R, "d", node(2)));
    let raw = b"the first line of a small file\n".repeat(4);
    facts.add(file(node(2), "small", node(3))).add(content(node(3), whole(&raw)));
    running.commit(facts.batch(vec![block(&raw)])).unwrap();
    let bundled =
        bundle(&[b"in a bundle".repeat(9).as_slice(), &raw, b"behind what was there".repeat(9).as_slice()]);
    running.commit(Batch { blocks: vec![bundled], records: vec![] }).unwrap();
    let halves = [vec![b'a'; 3000], Digest::of_data(b"seed").0.repeat(100)];
    let entries = halves.iter().map(|raw| ListEntry { digest: Digest::of_data(raw), size: raw.len() as u64 });
    let list = BlockList { level: 0, entries: entries.collect() };
    let mut blocks: Vec<_> = halves.iter().map(|raw| block(raw)).collect();
    blocks.push(new_block(BlockKind::List, &list.encode()));
    let large = Content {
        digest: Digest::of_list(&list.encode()),
        digest_kind: DigestKind::List,
        size: list.size(),
        ..whole(b"")
    };
    facts.add(file(node(2), "large", node(4))).add(content(node(4), large)).add(linked(R, "hard", node(3)));
    running.commit(facts.batch(blocks)).unwrap();
    for i in 0..4u8 {
        let payload: Vec<u8> = (0..40).flat_map(|j| Digest::of_data(&[i, j]).0).collect();
        let note =
            AgentRecord { observed: UnixNanos(9), stream: Stream::NOTES, kind: 1, version: 1, payload };
        facts.fact(note).commit(running);
    }
    facts.add(gap_closed("/srv")).add(chmod(node(3), 0o640)).add(renamed((R, "d"), (R, "e"), node(2)));
    facts.add(removed(R, "hard", node(3))).commit(running);
}

#[test]
fn the_store_of_format_1_is_read() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("s");
    for sub in ["journal", "packs"] {
        std::fs::create_dir_all(dir.join(sub)).unwrap();
        for file in files_of(&fixture().join(sub)) {
            std::fs::copy(&file, dir.join(sub).join(file.file_name().unwrap())).unwrap();
        }
    }
    std::fs::copy(fixture().join("format"), dir.join("format")).unwrap();

    let (store, _committer) = Store::open(&dir, Default::default()).unwrap();
    let tail = *store.tail().borrow();
    assert_eq!(tail, Seq(17));
    assert_eq!(store.machine_named("web01").unwrap(), Some(MACHINE));
    let told = |at: &str, seq| {
        let node = store.lookup(MACHINE, &path(at), seq).unwrap()?;
        let version = store.node(MACHINE, node, seq).unwrap().unwrap();
        let bytes = read(&store, &version.state.content.clone().unwrap()).unwrap();
        Some((version.state.meta.mode, bytes))
    };
    let small = b"the first line of a small file\n".repeat(4);
    assert_eq!(told("/srv/d/small", Seq(9)), Some((0o600, small.clone())));
    assert_eq!(told("/srv/hard", Seq(9)), Some((0o600, small.clone())));
    assert_eq!(told("/srv/e/small", tail), Some((0o640, small)));
    assert_eq!(told("/srv/e/large", tail).map(|(_, bytes)| bytes.len()), Some(6200));
    assert_eq!((told("/srv/d/small", tail), told("/srv/hard", tail)), (None, None));
    for raw in [b"in a bundle".repeat(9), b"behind what was there".repeat(9)] {
        assert_eq!(read(&store, &whole(&raw)).unwrap(), raw);
    }
    assert_eq!(store.gaps(MACHINE).unwrap().len(), 1);
    assert_eq!(store.records(Seq(10), 1).unwrap()[0].fact.stream, Stream::NOTES);
    assert!(store.verify(&mut |_| true).unwrap().is_whole());
}

/// Makes the fixture. The disk is simulated, so that salts are the same every time, and the clock stands
/// still: only another zstd gives other bytes.
#[test]
#[ignore = "writes into the source tree; run it once for each new format, never for an old one"]
fn make_the_fixture() {
    let disk = SimDisk::new(1);
    let options = vigie_store::Options {
        clock: std::sync::Arc::new(crate::instants::Still),
        ..sim_options(&disk, &MemIndex::default())
    };
    let running = Running::open(SIM_DIR.as_ref(), options).unwrap();
    write(&running);
    running.stop();
    for (path, bytes) in disk.files() {
        let path = path.strip_prefix(SIM_DIR).unwrap();
        if path.as_os_str() == "index.mark" {
            continue;
        }
        let to = fixture().join(path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
}
