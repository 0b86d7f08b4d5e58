//! Commands that would hang, flood or outlive their caller.

use crate::{PATIENCE, gone, number_in};
use std::time::{Duration, Instant};
use vigie_exec::{Command, Ending, Keep, Leftovers};

#[tokio::test]
async fn a_child_that_keeps_the_pipes_open_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let command = Command::shell("sleep 600 & echo $! > child; echo done").dir(dir.path());
    let began = Instant::now();
    let outcome = command.run().await.unwrap();
    assert!(began.elapsed() < PATIENCE);
    assert_eq!((outcome.ending, outcome.stdout.bytes()), (Ending::Exited(0), &b"done\n"[..]));
    assert!(outcome.left_running, "{outcome:?}");
    let child = number_in(&dir.path().join("child")).await;
    assert!(std::path::Path::new(&format!("/proc/{child}")).exists(), "it was to be left");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(child).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();

    let outcome = command.leftovers(Leftovers::Kill).run().await.unwrap();
    assert_eq!((outcome.ending, outcome.left_running), (Ending::Exited(0), false));
    gone(number_in(&dir.path().join("child")).await).await;
}

#[tokio::test]
async fn last_words_of_children_are_heard() {
    // It speaks as soon as its parent has ended; whoever takes long after that is not waited for.
    let until_it_ends = "while read -r stat < /proc/$$/stat; do case $stat in *') Z '*) break;; esac; done";
    let outcome = Command::shell(format!("({until_it_ends}; echo late) & echo early")).run().await.unwrap();
    assert_eq!(outcome.stdout.bytes(), b"early\nlate\n");
}

#[tokio::test]
async fn a_flood_is_bounded_and_ended() {
    let command = Command::new("yes").keep(Keep::both_ends(1000)).time_limit(Duration::from_secs(2));
    let outcome = command.run().await.unwrap();
    assert_eq!(outcome.ending, Ending::TimedOut { killed: false });
    assert_eq!(outcome.stdout.bytes().len(), 1000);
    assert!(outcome.stdout.cut() > 1_000_000, "only {} bytes came", outcome.stdout.len());
}

#[tokio::test]
async fn no_byte_is_lost_up_to_the_bound() {
    let bytes = 3_000_000;
    let script =
        format!("head -c {bytes} /dev/zero | tr '\\0' a; head -c {bytes} /dev/zero | tr '\\0' b >&2");
    let outcome = Command::shell(script).keep(Keep::both_ends(bytes)).run().await.unwrap();
    assert_eq!((outcome.stdout.cut(), outcome.stderr.cut()), (0, 0));
    assert!(outcome.stdout.bytes().len() == bytes && outcome.stdout.bytes().iter().all(|&b| b == b'a'));
    assert!(outcome.stderr.bytes().len() == bytes && outcome.stderr.bytes().iter().all(|&b| b == b'b'));
}

#[tokio::test]
async fn closed_pipes_are_not_the_end() {
    let command = Command::shell("exec >&- 2>&-; sleep 0.2; exit 7");
    assert_eq!(command.run().await.unwrap().ending, Ending::Exited(7));
    let command = Command::shell("exec >&- 2>&-; exec sleep 600").time_limit(Duration::from_millis(100));
    assert_eq!(command.run().await.unwrap().ending, Ending::TimedOut { killed: false });
}

#[tokio::test]
async fn a_fork_bomb_of_some_hundred_is_swept_away() {
    let dir = tempfile::tempdir().unwrap();
    let script = "i=0; while [ $i -lt 300 ]; do sleep 600 & i=$((i+1)); done; echo $! > last; wait";
    let last = dir.path().join("last");
    let all_are_there = async { _ = number_in(&last).await };
    let outcome = Command::shell(script).dir(dir.path()).run_until(all_are_there).await.unwrap();
    assert!(matches!(outcome.ending, Ending::Stopped { .. }), "{outcome:?}");
    gone(number_in(&last).await).await;
}

#[tokio::test]
async fn many_at_once_are_kept_apart() {
    let runs: Vec<_> = (0..50)
        .map(|i| {
            tokio::spawn(async move { Command::shell(format!("echo {i}; exit {i}")).run().await.unwrap() })
        })
        .collect();
    for (i, run) in runs.into_iter().enumerate() {
        let outcome = run.await.unwrap();
        assert_eq!(outcome.ending, Ending::Exited(i32::try_from(i).unwrap()));
        assert_eq!(outcome.stdout.to_text(), format!("{i}\n"));
    }
}
