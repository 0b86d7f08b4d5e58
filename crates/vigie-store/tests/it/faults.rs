//! A full disk, a failed sync, and numbers that do not follow: nothing is acknowledged that is not durable.

use crate::support::*;
use vigie_model::*;
use vigie_store::disk::{SimDisk, SimFault, SyncSite};
use vigie_store::{Batch, CommitError, Health, MemIndex, NewRecord};

const R: NodeId = NodeId([1; 16]);

#[test]
fn a_full_disk_refuses_all_and_recovers_alone() {
    for room in [0, 10, 24, 60, 100, 500, 1100, 1200] {
        let disk = SimDisk::new(room);
        let index = MemIndex::default();
        let running = Running::sim(&disk, &index);
        let mut facts = Facts::new();
        facts.add(root("/srv", R)).commit(&running);
        let files = disk.files();

        let raw: Vec<u8> = (0..1000).map(|_| disk.roll() as u8).collect();
        facts.add(file(R, "f", node(2))).add(content(node(2), whole(&raw)));
        let batch = facts.batch(vec![block(&raw)]);
        disk.fault(SimFault::Room(room));
        assert_eq!(running.commit(batch.clone()), Err(CommitError::DiskFull), "room {room}");
        assert_eq!(running.store.health(), Health::DiskFull);
        assert_eq!(running.store.has(&[(BlockKind::Data, Digest::of_data(&raw))]).unwrap(), [false]);
        let left: Vec<_> = disk.files().into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
        let were: Vec<_> = files.into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
        assert_eq!(left, were, "partial bytes are cut away again");

        disk.make_room();
        running.commit(batch).unwrap();
        assert_eq!(running.store.health(), Health::Ok);
        running.stop();
        disk.crash();
        index.lose_power(|| true);
        let running = Running::sim(&disk, &index);
        assert_eq!(read(&running.store, &whole(&raw)).unwrap(), raw);
        running.stop();
    }
}

#[test]
fn a_failed_sync_poisons_until_the_store_is_opened_again() {
    for site in [
        SyncSite::PackData,
        SyncSite::PackDir,
        SyncSite::SegmentHead,
        SyncSite::SegmentDir,
        SyncSite::SegmentData,
    ] {
        let disk = SimDisk::new(3);
        let index = MemIndex::default();
        let running = Running::sim(&disk, &index);
        let mut facts = Facts::new();
        let is_first = matches!(site, SyncSite::SegmentHead | SyncSite::SegmentDir);
        if !is_first {
            facts.add(root("/srv", R)).commit(&running);
        }
        let before = *running.store.tail().borrow();
        disk.fault(SimFault::FailSync(site));
        facts.add(dir(R, "d", node(2))).add(content(node(3), whole(b"lost")));
        let doubtful = running.commit(facts.batch(vec![block(b"lost")]));
        assert!(matches!(doubtful, Err(CommitError::Poisoned(_))), "{site:?}: {doubtful:?}");
        assert!(matches!(running.store.health(), Health::Poisoned(_)));
        let again = running.commit(Batch { blocks: vec![block(b"more")], records: vec![] });
        assert!(matches!(again, Err(CommitError::Poisoned(_))), "no retry");
        running.stop();

        disk.restart();
        let running = Running::sim(&disk, &index);
        assert_eq!(
            *running.store.tail().borrow(),
            before,
            "{site:?}: what the medium does not hold is not believed"
        );
        let mut facts = Facts::after(&running.store);
        let next = facts.add(dir(R, "e", node(4))).commit(&running);
        assert_eq!(next, before.next());
        running.stop();
    }
}

#[test]
fn numbers_must_follow() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let record = |incarnation, n| NewRecord {
        origin: Origin { machine: MACHINE, incarnation: Incarnation(incarnation), n: RecordNo(n) },
        fact: root("/srv", R).encode(UnixNanos(1)),
    };
    let commit = |records| running.commit(Batch { blocks: vec![block(b"rides along")], records });
    let number = |incarnation, n, expected| CommitError::Number {
        machine: MACHINE,
        incarnation: Incarnation(incarnation),
        n: RecordNo(n),
        expected: RecordNo(expected),
    };
    assert_eq!(commit(vec![record(1, 2)]), Err(number(1, 2, 1)));
    assert_eq!(commit(vec![record(1, 1), record(1, 3)]), Err(number(1, 3, 2)));
    assert_eq!(running.store.sizes().blocks, 0, "nothing of a refused batch is written");
    commit(vec![record(1, 1), record(1, 2)]).unwrap();
    assert_eq!(commit(vec![record(1, 2)]), Err(number(1, 2, 3)), "a replay");
    commit(vec![record(2, 1)]).unwrap();
    let old = CommitError::OldIncarnation { machine: MACHINE, incarnation: Incarnation(1) };
    assert_eq!(commit(vec![record(1, 3)]), Err(old.clone()));
    let twice = CommitError::OldIncarnation { machine: MACHINE, incarnation: Incarnation(3) };
    assert_eq!(commit(vec![record(3, 1), record(4, 1), record(3, 1)]), Err(twice));
    running.stop();

    let running = Running::real(&tmp.path().join("s"));
    let last = running.store.last_of(MACHINE).unwrap().unwrap();
    assert_eq!((last.incarnation, last.n, last.seq), (Incarnation(2), RecordNo(1), Seq(3)));
    assert_eq!(running.commit(Batch { blocks: vec![], records: vec![record(1, 1)] }), Err(old));
    running.stop();
}

#[test]
fn a_batch_beyond_all_bounds_is_refused_and_a_closed_store_says_so() {
    let tmp = tempfile::tempdir().unwrap();
    let running = Running::real(&tmp.path().join("s"));
    let fact = AgentRecord { payload: vec![0; 1 << 20], ..root("/srv", R).encode(UnixNanos(1)) };
    let mut facts = Facts::new();
    for _ in 0..40 {
        facts.fact(fact.clone());
    }
    assert!(matches!(running.commit(facts.batch(vec![])), Err(CommitError::TooLarge(_))));
    let store = running.store.clone();
    running.stop();
    let closed = block_on(store.commit(Batch { blocks: vec![block(b"late")], records: vec![] }));
    assert_eq!(closed, Err(CommitError::Closed));
    assert_eq!(store.has(&[(BlockKind::Data, Digest::of_data(b"late"))]).unwrap(), [false]);
}

#[test]
fn what_waits_together_becomes_durable_together() {
    let disk = SimDisk::new(1);
    let index = MemIndex::default();
    let (store, committer) = vigie_store::Store::open(SIM_DIR.as_ref(), sim_options(&disk, &index)).unwrap();
    let before = disk.operations();
    block_on(async {
        let mut facts = Facts::new();
        let batches: Vec<_> =
            (0..50).map(|i| facts.add(chmod(R, i)).batch(vec![block(&[i as u8; 9])])).collect();
        let waiting: Vec<_> = batches
            .into_iter()
            .map(|batch| {
                let store = store.clone();
                tokio::spawn(async move { store.commit(batch).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(
            store.has(&[(BlockKind::Data, Digest::of_data(&[7; 9]))]).unwrap(),
            [true],
            "queued counts"
        );
        let committer = tokio::spawn(committer.run());
        for (at, one) in waiting.into_iter().enumerate() {
            let committed = one.await.unwrap().unwrap();
            assert_eq!((committed.first, committed.last), (Seq(at as u64 + 1), Seq(at as u64 + 1)));
        }
        store.close();
        committer.await.unwrap();
    });
    assert!(disk.operations() - before < 20, "{} operations for one group", disk.operations() - before);
}
