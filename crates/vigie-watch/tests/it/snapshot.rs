//! What a clean stop leaves behind: as good as what the hub would tell, and refused when anything about it is odd.

use crate::driver::{LAST, MACHINE, Rig};
use crate::random::{Random, assert_nothing_looks_gone, operate, seeds};
use crate::replica::path;
use vigie_model::{GapCause, Incarnation, MachineId, Origin, RecordNo};
use vigie_watch::engine::rewrite_snapshot;
use vigie_watch::fakes::FakeFs;
use vigie_watch::{Engine, ReadOutcome, SnapshotError};

fn small_tree(fs: &FakeFs) {
    fs.mkdir_all(b"/data/a/b").unwrap();
    fs.write(b"/data/a/f", b"f").unwrap();
    fs.link(b"/data/a/f", b"/data/a/b/g").unwrap();
    fs.symlink(b"f", b"/data/a/l").unwrap();
    fs.mkfifo(b"/data/a/p").unwrap();
    fs.setxattr(b"/data/a/f", b"user.x", b"y").unwrap();
}

fn rig(prepare: impl FnOnce(&FakeFs)) -> Rig {
    let mut rig = Rig::new(prepare, |_| {});
    rig.settle();
    rig.log();
    rig
}

/// A tree that came about at random, with nothing left to say of it.
fn random_tree(seed: u64) -> (Rig, Random) {
    let mut random = Random(seed);
    let mut rig = rig(|fs| fs.mkdir_all(b"/outside").unwrap());
    (0..80).for_each(|_| operate(&mut random, &rig.fs));
    rig.flush();
    rig.settle();
    (rig, random)
}

#[test]
fn nothing_changed_says_nothing_and_reads_nothing() {
    let mut rig = rig(small_tree);
    rig.restart_from_snapshot(|_| {});
    rig.flush();
    assert_eq!(rig.log(), ["gap-opened /data", "gap-closed /data"]);
    rig.assert_same("after the restart");
}

#[test]
fn it_is_as_good_as_what_the_hub_tells() {
    for seed in seeds() {
        let (mut rig, mut random) = random_tree(seed);
        let snapshot = rig.snapshot();
        if seed % 4 > 0 {
            (0..random.below(40)).for_each(|_| operate(&mut random, &rig.fs));
        }
        let edges = rig.replica.known();
        let recorded = rig.replica.clone();
        let mut logs = Vec::new();
        for told in [true, false] {
            rig.engine = rig.fresh();
            rig.replica = recorded.clone();
            rig.log();
            match told {
                true => edges.iter().for_each(|edge| rig.engine.learn(edge)),
                false => rig.engine.read_snapshot(&LAST, &mut &snapshot[..]).unwrap(),
            }
            rig.engine.start(GapCause::Restart, None);
            rig.flush();
            rig.settle();
            let what = format!("seed {seed}, told: {told}");
            match rig.fs.snapshot(b"/data").values().all(|node| node.meta.mode & 0o400 != 0) {
                true => rig.assert_same(&what),
                false => assert_nothing_looks_gone(&rig, &what),
            }
            let mut log = rig.log();
            // What was missing is looked at in the order in which it was taken in.
            log.sort();
            logs.push(log);
        }
        assert_eq!(logs[0], logs[1], "seed {seed}");
    }
}

#[test]
fn renames_and_changes_that_nobody_saw_are_found() {
    let mut rig = rig(small_tree);
    rig.restart_from_snapshot(|fs| {
        fs.rename(b"/data/a/b", b"/data/b").unwrap();
        fs.write(b"/data/b/g", b"longer").unwrap();
        fs.chmod(b"/data/a/p", 0o600).unwrap();
        fs.unlink(b"/data/a/l").unwrap();
    });
    rig.flush();
    let log = rig.log();
    for expected in ["renamed /data/a/b /data/b", "metadata /data/a/p", "removed /data/a/l"] {
        assert!(log.iter().any(|line| line == expected), "{expected}: {log:?}");
    }
    assert!(log.iter().any(|line| line.starts_with("content")), "{log:?}");
    assert!(!log.iter().any(|line| line.starts_with("created")), "{log:?}");
    rig.assert_same("after the restart");
}

#[test]
fn what_was_to_be_read_again_is_read_again() {
    // Recorded as it was while it changed: nothing about the file itself says that it must be read again.
    let mut rig = rig(|_| {});
    rig.fs.write(b"/data/torn", b"torn").unwrap();
    let mut job = None;
    for _ in 0..1_000 {
        rig.engine.step();
        rig.engine.take(usize::MAX).iter().for_each(|fact| rig.replica.apply(fact));
        job = rig.engine.next_read();
        match job.take() {
            Some(last) if last.torn => {
                job = Some(last);
                break;
            }
            Some(early) => assert_eq!(rig.engine.read_done(early, ReadOutcome::Changed), None),
            None => rig.clock.forward(std::time::Duration::from_millis(5)),
        }
    }
    let job = job.expect("the last try");
    rig.read_torn(job);
    rig.settle();
    rig.log();
    rig.restart_from_snapshot(|_| {});
    rig.flush();
    assert_eq!(rig.log(), ["gap-opened /data", "content /data/torn", "gap-closed /data"]);
    // Stated, and not recorded after all.
    let node = rig.replica.tree("/data")[&b"torn"[..]].node;
    rig.engine.requeue(node);
    rig.restart_from_snapshot(|_| {});
    rig.flush();
    assert_eq!(rig.log(), ["gap-opened /data", "content /data/torn", "gap-closed /data"]);
}

#[test]
fn what_could_not_be_read_is_tried_again() {
    let mut rig = rig(|fs| {
        fs.write(b"/data/secret", b"s").unwrap();
        fs.chmod(b"/data/secret", 0o200).unwrap();
    });
    rig.restart_from_snapshot(|_| {});
    rig.settle();
    assert!(rig.log().contains(&"error /data/secret".into()), "a new process says it anew");
    rig.fs.chmod(b"/data/secret", 0o600).unwrap();
    rig.flush();
    rig.assert_same("once allowed");
}

#[test]
fn another_set_of_roots() {
    let mut rig = Rig::new(
        |fs| {
            fs.mkdir_all(b"/other").unwrap();
            fs.write(b"/other/f", b"f").unwrap();
            fs.mkdir_all(b"/data/in").unwrap();
        },
        |config| config.roots.extend([path("/other"), path("/data/in")]),
    );
    rig.settle();
    rig.log();
    rig.restart_from_snapshot(|_| {});
    rig.flush();
    let log = rig.log();
    assert!(log.iter().all(|line| line.starts_with("gap-")), "{log:?}");
    assert!(rig.replica.gaps.is_empty());
    rig.config.roots = vec![path("/data"), path("/third")];
    rig.fs.mkdir_all(b"/third").unwrap();
    rig.restart_from_snapshot(|_| {});
    assert!(rig.engine.take(2).iter().all(|fact| {
        let label = fact.path.clone().unwrap();
        rig.replica.apply(fact);
        fact.event.word() == "gap-opened" && (label == b"/data" || label == b"/third")
    }));
    rig.flush();
    let mut log = rig.log();
    log.sort();
    let expected = [
        "created /third",
        "gap-closed /data",
        "gap-closed /third",
        "gap-opened /data",
        "gap-opened /third",
        "removed /data/in",
        "removed /other",
    ];
    assert_eq!(log, expected);
}

#[test]
fn nothing_is_left_while_facts_wait() {
    let mut rig = rig(small_tree);
    rig.fs.write(b"/data/new", b"n").unwrap();
    rig.clock.forward(std::time::Duration::from_secs(1));
    while rig.engine.step().busy {}
    let mut out = Vec::new();
    assert!(!rig.engine.write_snapshot(&LAST, &mut out).unwrap());
    rig.settle();
    assert!(rig.engine.write_snapshot(&LAST, &mut out).unwrap());
}

#[test]
fn it_is_of_one_stop_of_one_machine() {
    let mut rig = rig(small_tree);
    let snapshot = rig.snapshot();
    let others = [
        Origin { machine: MachineId([8; 16]), ..LAST },
        Origin { incarnation: Incarnation(1), ..LAST },
        Origin { n: RecordNo(41), ..LAST },
    ];
    let mut engine = rig.fresh();
    for other in others {
        let refused = engine.read_snapshot(&other, &mut &snapshot[..]);
        assert!(matches!(refused, Err(SnapshotError::Other)), "{other:?}");
        assert_eq!(engine.status().nodes, 0);
    }
    engine.read_snapshot(&LAST, &mut &snapshot[..]).unwrap();
    assert_eq!(engine.status().nodes, 6);
    engine.unlearn();
    assert_eq!(engine.status().nodes, 0);
}

fn refused(engine: &mut Engine, bytes: &[u8], what: &str) {
    assert!(engine.read_snapshot(&LAST, &mut &bytes[..]).is_err(), "{what}");
    assert_eq!(engine.status().nodes, 0, "{what}");
}

#[test]
fn damage_is_refused() {
    let mut rig = rig(small_tree);
    let whole = rig.snapshot();
    let mut engine = rig.fresh();
    for len in 0..whole.len() {
        refused(&mut engine, &whole[..len], &format!("cut to {len} bytes"));
    }
    refused(&mut engine, &[&whole[..], b"\0"].concat(), "a byte too many");
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&mut engine, &bytes, &format!("bit {bit}"));
        // With the right digest it may pass, but then it is another, and no worse.
        let body = bytes.len() - 32;
        let digest = blake3::hash(&bytes[..body]);
        bytes[body..].copy_from_slice(digest.as_bytes());
        if let Ok(again) = rewrite_snapshot(&bytes) {
            assert!(again == bytes, "bit {bit}: there is one way to write it");
        }
    }
}

#[test]
fn golden_bytes() {
    let node = |id: u8, kind: u8, flags: u8, mode: u16, size: u8| {
        let mut node = vec![id; 16];
        node.extend([kind, flags]);
        node.extend(mode.to_le_bytes());
        node.extend([size, 0, 0, 0, 0, 0, 0, 0]);
        // Times: the second one is before 1970.
        node.extend(*b"\x01\x02\0\0\0\0\0\0\x03\0\0\0");
        node.extend(*b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xc9\x9a\x3b");
        node.extend(*b"\xa8\xa7\xa6\xa5\xa4\xa3\xa2\xa1");
        node
    };
    let mut golden: Vec<u8> = [
        &b"VIGIESNP\x01\0\0\0"[..],
        &MACHINE.0,
        b"\x1f\0\0\0\0\0\0\0\x2a\0\0\0\0\0\0\0",
        &[0xcc; 32],
        // One label.
        b"\x01\0\0\0\x05\0/data\0\0\0\0",
        &node(1, 1, 0, 0o755, 0),
        // Three entries of the root: a directory, a file, something else.
        b"\x03\0\0\0\x01a\x01\0\0\0",
        &node(2, 1, 0, 0o1777, 0),
        b"\x01b\x02\0\0\0",
        &node(3, 0, 0b10_1111, 0o644, 9),
        b"\x02c\xff\x03\0\0\0",
        &node(4, 2, 0, 0o777, 0),
        // One entry of the directory: the file once more.
        b"\x01\0\0\0\x01l\x02\0\0\0",
    ]
    .concat();
    golden.extend(blake3::hash(&golden).as_bytes());
    assert_eq!(rewrite_snapshot(&golden).unwrap(), golden);
    let mut engine = rig(|_| {}).fresh();
    engine.read_snapshot(&LAST, &mut &golden[..]).unwrap();
    assert_eq!(engine.status().nodes, 4);
}
