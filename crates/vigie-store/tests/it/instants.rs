//! Two clocks: what a time means in the history of a machine whose clock may jump and whose agent may die.

use crate::support::*;
use std::sync::Arc;
use std::time::Duration;
use vigie_model::*;
use vigie_store::limits::OPEN_GAPS_EACH_MAX;
use vigie_store::{InstantError, Options, Store};

const R: NodeId = NodeId([1; 16]);

/// A clock that stands still at a billion nanoseconds after the first fact.
#[derive(Debug)]
pub(crate) struct Still;

impl Clock for Still {
    fn wall(&self) -> UnixNanos {
        UnixNanos(1_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn running(dir: &std::path::Path) -> Running {
    Running::open(dir, Options { clock: Arc::new(Still), ..Options::default() }).unwrap()
}

/// Puts a chmod at this observed time.
fn at(facts: &mut Facts, time: i64) -> &mut Facts {
    facts.observed = time - 1;
    facts.add(chmod(R, 0))
}

fn time(store: &Store, time: i64) -> u64 {
    store.resolve(MACHINE, Instant::Time(UnixNanos(time))).unwrap().seq.0
}

#[test]
fn a_time_is_the_last_record_at_or_before_it() {
    let tmp = tempfile::tempdir().unwrap();
    let running = running(&tmp.path().join("s"));
    let mut facts = Facts::new();
    for when in [100, 200, 200, 150, 300] {
        at(&mut facts, when); // #4 was observed at 150 by a clock that went back: it counts as 200
    }
    facts.commit(&running);
    at(&mut facts, 250).commit(&running); // #6, in a frame of its own: counts as 300
    at(&mut facts, 400).commit(&running);
    let store = &running.store;
    assert_eq!([100, 199, 200, 299, 300, 399, 400, 5000].map(|t| time(store, t)), [1, 1, 4, 4, 6, 6, 7, 7]);
    let early = store.resolve(MACHINE, Instant::Time(UnixNanos(99)));
    assert!(matches!(early, Err(InstantError::BeforeFirst { first: (Seq(1), UnixNanos(100)) })));
    let late = store.resolve(MACHINE, Instant::Time(UnixNanos(1_000_000_001)));
    assert!(matches!(late, Err(InstantError::Future { last: Seq(7) })), "{late:?}");
    assert_eq!(store.last_of(MACHINE).unwrap().unwrap().observed, UnixNanos(400));
    running.stop();
}

#[test]
fn incarnations_are_laid_end_to_end() {
    let tmp = tempfile::tempdir().unwrap();
    let running = running(&tmp.path().join("s"));
    let mut facts = Facts::new();
    at(&mut facts, 100);
    at(&mut facts, 500).commit(&running); // #1 #2
    let mut second = Facts { incarnation: Incarnation(2), ..Facts::new() };
    at(&mut second, 300); // its clock was set back between the two lives
    at(&mut second, 400).commit(&running); // #3 #4
    let store = &running.store;
    assert_eq!([100, 299, 300, 399, 400, 499, 500, 600].map(|t| time(store, t)), [1, 1, 3, 3, 4, 4, 4, 4]);
    running.stop();
}

#[test]
fn numbers_are_instants_too() {
    let tmp = tempfile::tempdir().unwrap();
    let running = running(&tmp.path().join("s"));
    let other = MachineId([9; 16]);
    let enrolled = machines::Enrolled { machine: MACHINE, name: "a".into() }.encode(UnixNanos(1));
    let origin = Origin { machine: other, incarnation: Incarnation(1), n: RecordNo(1) };
    let record = vigie_store::NewRecord { origin, fact: enrolled };
    running.commit(vigie_store::Batch { blocks: vec![], records: vec![record] }).unwrap();
    let resolve = |at| running.store.resolve(MACHINE, at);
    assert!(matches!(resolve(Instant::Now), Err(InstantError::NoRecords(_))));
    at(&mut Facts::new(), 100).commit(&running);
    assert_eq!(resolve(Instant::Now).unwrap().seq, Seq(2));
    assert_eq!(resolve(Instant::Seq(Seq(2))).unwrap().seq, Seq(2));
    assert!(matches!(resolve(Instant::Seq(Seq(1))), Err(InstantError::BeforeFirst { first: (Seq(2), _) })));
    assert!(matches!(resolve(Instant::Seq(Seq(3))), Err(InstantError::Future { last: Seq(2) })));
    running.stop();
}

#[test]
fn gaps_cover_the_time_that_was_not_seen() {
    let tmp = tempfile::tempdir().unwrap();
    let running = running(&tmp.path().join("s"));
    let mut facts = Facts::new();
    at(&mut facts, 100); // #1
    facts.observed = 299;
    facts.add(gap_opened("/a", Some(200))).add(gap_opened("/b", None)); // #2 at 300, #3 at 301
    at(&mut facts, 400); // #4
    facts.observed = 499;
    facts.add(gap_closed("/a")).commit(&running); // #5 at 500
    let store = &running.store;
    let roots = |at| {
        let inside = store.resolve(MACHINE, at).unwrap().inside;
        inside.iter().map(|gap| gap.root.to_string()).collect::<Vec<_>>().join(" ")
    };
    let times = [199, 200, 299, 300, 301, 499, 500].map(|t| roots(Instant::Time(UnixNanos(t))));
    assert_eq!(times, ["", "/a", "/a", "/a", "/a /b", "/a /b", "/b"]);
    let seqs = [1, 2, 3, 4, 5].map(|seq| roots(Instant::Seq(Seq(seq))));
    assert_eq!(seqs, ["", "/a", "/a /b", "/a /b", "/b"]);
    assert_eq!(roots(Instant::Now), "/b");
    running.stop();

    let running = self::running(&tmp.path().join("s"));
    let mut facts = Facts::after(&running.store);
    facts.add(gap_closed("/b")).commit(&running);
    let gaps = running.store.gaps(MACHINE).unwrap();
    assert_eq!(gaps.len(), 2);
    assert!(gaps.iter().all(|gap| gap.closed.is_some()), "a gap is closed after a restart too");
    assert_eq!(gaps[0].closed, Some((Seq(5), UnixNanos(500))));
    running.stop();
}

/// An agent that begins anew without end never closes a gap; what is kept of it must stay small, and cover all the same.
#[test]
fn gaps_of_one_root_that_are_opened_without_end_become_one() {
    let tmp = tempfile::tempdir().unwrap();
    let running = running(&tmp.path().join("s"));
    let mut facts = Facts::new();
    facts.observed = 999;
    facts.add(gap_opened("/b", None));
    for i in 0..100 {
        facts.add(gap_opened("/a", Some(900 - 5 * i)));
    }
    facts.commit(&running);
    let of_a = |store: &Store| {
        let gaps = store.gaps(MACHINE).unwrap();
        gaps.into_iter().filter(|gap| gap.root.as_bytes() == b"/a").collect::<Vec<_>>()
    };
    let inside = |store: &Store, time| {
        let found = store.resolve(MACHINE, Instant::Time(UnixNanos(time))).unwrap();
        found.inside.iter().filter(|gap| gap.root.as_bytes() == b"/a").count()
    };
    assert_eq!(of_a(&running.store).len(), OPEN_GAPS_EACH_MAX);
    assert_eq!(of_a(&running.store).last().unwrap().since, Some(UnixNanos(405)), "the earliest of all");
    assert_eq!(inside(&running.store, 1_050), OPEN_GAPS_EACH_MAX);
    running.stop();

    let running = self::running(&tmp.path().join("s"));
    let mut facts = Facts::after(&running.store);
    facts.add(gap_opened("/a", Some(300))).add(gap_closed("/a")).commit(&running);
    let gaps = of_a(&running.store);
    assert_eq!(gaps.len(), OPEN_GAPS_EACH_MAX, "they are counted after a restart, too");
    assert_eq!(gaps.last().unwrap().since, Some(UnixNanos(300)));
    assert!(gaps.iter().all(|gap| gap.closed.is_some()), "they close together");
    assert!(running.store.verify(&mut |_| true).unwrap().is_whole());
    running.stop();
}
