//! What a clean stop leaves is used in place of the hub's tree when, and only when, the hub has nothing else.

use crate::hub::{MACHINE, Seen, hub};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vigie_agent::roles::boot_leases;
use vigie_agent::{Agent, CleanStop, Cpu, Dial, Parts, Running};
use vigie_model::{BytePath, Clock, Incarnation, RecordNo, SystemClock, UnixNanos};
use vigie_watch::fakes::FakeFs;
use vigie_watch::{Config, Engine};
use vigie_wire::frame::{CloseCode, LastRecord};

pub(crate) const WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn start(
    fs: &FakeFs,
    dial: Arc<dyn Dial>,
    left: Option<(CleanStop, Vec<u8>)>,
) -> (Agent, Running) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut config = Config::new(MACHINE, vec![BytePath::new(&b"/data"[..]).unwrap()]);
    config.cookies = Some(BytePath::new(&b"/state"[..]).unwrap());
    let (clean_stop, snapshot) = left.unzip();
    let (made_on, made_at) = (fs.clone(), Arc::clone(&clock));
    let parts = Parts {
        machine: MACHINE,
        name: "m".into(),
        make_engine: Box::new(move |wake| {
            let kernel = Box::new(made_on.kernel(1_000, wake));
            Engine::new(config.clone(), kernel, made_on.files(), Arc::clone(&made_at))
        }),
        files: fs.files(),
        clock,
        cpu: Cpu::Inline,
        clean_stop,
        snapshot: snapshot
            .map(|bytes| Box::new(std::io::Cursor::new(bytes)) as Box<dyn std::io::Read + Send>),
        roles: Vec::new(),
        leases: boot_leases(),
    };
    Agent::assemble(parts, dial).unwrap()
}

/// Runs an agent until all is recorded, and stops it.
async fn run(fs: &FakeFs, dial: Arc<dyn Dial>, left: Option<(CleanStop, Vec<u8>)>) -> (CleanStop, Vec<u8>) {
    let (agent, running) = start(fs, dial, left);
    tokio::time::timeout(WITHIN, agent.flush()).await.expect("in time").unwrap();
    let mut stopped = running.shutdown(WITHIN).await.expect("a clean stop");
    let mut snapshot = Vec::new();
    assert!(stopped.write_snapshot(&mut snapshot).unwrap(), "everything is acknowledged");
    (stopped.clean_stop, snapshot)
}

pub(crate) fn tree() -> FakeFs {
    let fs = FakeFs::new(Arc::new(SystemClock::default()));
    fs.mkdir_all(b"/data/a/b").unwrap();
    fs.mkdir_all(b"/state").unwrap();
    fs
}

fn last_of(seen: &Mutex<Seen>) -> LastRecord {
    seen.lock().unwrap().last.unwrap()
}

#[tokio::test]
async fn a_hub_that_has_what_the_stop_left_is_not_asked() {
    let fs = tree();
    let (dial, seen) = hub(None);
    let left = run(&fs, dial.clone(), None).await;
    assert_eq!(seen.lock().unwrap().trees, 1);
    let before = last_of(&seen);
    assert_eq!((before.incarnation, before.n), (left.0.incarnation, left.0.n));
    let left = run(&fs, dial.clone(), Some(left)).await;
    assert_eq!(seen.lock().unwrap().trees, 1, "what is known is not asked for");
    let after = last_of(&seen);
    assert_eq!(after.incarnation, before.incarnation);
    assert_eq!(after.n.0, before.n.0 + 2, "a gap, opened and closed, and nothing else");
    // And once more, from what the second stop left.
    fs.mkdir_all(b"/data/c").unwrap();
    run(&fs, dial, Some(left)).await;
    assert_eq!(seen.lock().unwrap().trees, 1);
    assert!(last_of(&seen).n.0 > after.n.0 + 2);
}

#[tokio::test]
async fn a_hub_that_has_something_else_is_asked() {
    let fs = tree();
    let (dial, seen) = hub(None);
    let (stop, snapshot) = run(&fs, dial, None).await;
    let last = last_of(&seen);
    let others = [
        None,
        Some(LastRecord { n: RecordNo(last.n.0 - 1), ..last }),
        Some(LastRecord { n: RecordNo(last.n.0 + 1), ..last }),
        Some(LastRecord { incarnation: Incarnation(1), n: RecordNo(1), observed: UnixNanos(1) }),
    ];
    for other in others {
        let (dial, seen) = hub(other);
        run(&fs, dial, Some((stop, snapshot.clone()))).await;
        assert_eq!(seen.lock().unwrap().trees, 1, "{other:?}");
        assert_ne!(last_of(&seen).incarnation, stop.incarnation, "{other:?}");
    }
}

#[tokio::test]
async fn a_snapshot_that_is_damaged_or_of_another_stop_is_not_used() {
    let fs = tree();
    let (dial, seen) = hub(None);
    let (early, old) = run(&fs, dial.clone(), None).await;
    let (stop, snapshot) = run(&fs, dial.clone(), Some((early, old.clone()))).await;
    assert_eq!(seen.lock().unwrap().trees, 1);
    let (stop, _) = run(&fs, dial.clone(), Some((stop, old))).await;
    assert_eq!(seen.lock().unwrap().trees, 2, "it is of the stop before");
    run(&fs, dial, Some((stop, snapshot[..snapshot.len() - 1].to_vec()))).await;
    assert_eq!(seen.lock().unwrap().trees, 3, "it is cut short");
    assert_eq!(last_of(&seen).incarnation, stop.incarnation, "the numbers go on all the same");
}

#[tokio::test]
async fn a_hub_that_cannot_tell_its_tree_is_asked_again_over_the_same_link() {
    let fs = tree();
    let (dial, seen) = hub(None);
    seen.lock().unwrap().failing = 2;
    let (agent, _running) = start(&fs, dial, None);
    tokio::time::timeout(WITHIN, agent.flush()).await.expect("in time").unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!((seen.trees, seen.last_words.len()), (3, 0), "in one session, which goes on");
    assert!(seen.last.is_some(), "something is recorded");
}

#[tokio::test]
async fn a_hub_is_told_that_the_agent_stops() {
    let fs = tree();
    let (dial, seen) = hub(None);
    run(&fs, dial, None).await;
    let words = async {
        loop {
            let words = seen.lock().unwrap().last_words.clone();
            if !words.is_empty() {
                return words;
            }
            tokio::task::yield_now().await;
        }
    };
    let words = tokio::time::timeout(WITHIN, words).await.expect("in time");
    assert_eq!(words[0], Some(CloseCode::Shutdown));
}
