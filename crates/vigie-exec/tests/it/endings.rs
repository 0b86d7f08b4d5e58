//! How commands end, and what is said of it.

use crate::{TIME_TO_BEGIN, gone, number_in, reaped};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use vigie_exec::{Command, Ending};

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    for code in [0, 1, 3, 75, 127, 255] {
        let outcome = Command::shell(format!("exit {code}")).run().await.unwrap();
        assert_eq!(outcome.ending, Ending::Exited(code));
    }
    let outcome = Command::shell("kill -TERM $$; sleep 60").run().await.unwrap();
    assert_eq!(outcome.ending, Ending::Signalled { signal: 15, core_dumped: false });
    // 143 is what a shell makes of it; by itself it is just a code.
    let outcome = Command::shell("exit 143").run().await.unwrap();
    assert_eq!(outcome.ending, Ending::Exited(143));
}

#[tokio::test]
async fn what_it_used_is_told() {
    let outcome = Command::shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").run().await.unwrap();
    let usage = outcome.usage.unwrap();
    assert!(usage.user > Duration::from_millis(5), "{usage:?}");
    assert!(usage.user + usage.system <= outcome.duration + Duration::from_millis(20), "{outcome:?}");
    assert!(usage.rss_bytes_max > 256 * 1024, "{usage:?}");
}

#[tokio::test]
async fn a_hanging_command_is_ended_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("child");
    let script = "trap 'echo asked; exit 9' TERM; sleep 600 & echo $! > child; wait";
    let command = Command::shell(script).dir(dir.path()).time_limit(TIME_TO_BEGIN);
    let outcome = command.run().await.unwrap();
    assert_eq!(outcome.ending, Ending::TimedOut { killed: false });
    assert_eq!(outcome.stdout.bytes(), b"asked\n");
    assert!(outcome.usage.is_some() && !outcome.left_running, "{outcome:?}");
    gone(number_in(&pids).await).await;
}

#[tokio::test]
async fn who_ignores_the_request_is_killed_after_the_grace() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo $$ > pid; sh -c 'echo $$ > child; while :; do sleep 1; done'";
    let command = Command::shell(script).dir(dir.path());
    let command = command.time_limit(TIME_TO_BEGIN).grace(Duration::from_millis(200));
    let began = Instant::now();
    let outcome = command.run().await.unwrap();
    assert_eq!(outcome.ending, Ending::TimedOut { killed: true });
    assert!(began.elapsed() >= TIME_TO_BEGIN + Duration::from_millis(200), "the grace was not given");
    reaped(number_in(&dir.path().join("pid")).await).await;
    gone(number_in(&dir.path().join("child")).await).await;
}

#[tokio::test]
async fn a_stopped_command_hears_the_request() {
    let command = Command::shell("trap 'exit 0' TERM; kill -STOP $$; sleep 600");
    let outcome = command.time_limit(TIME_TO_BEGIN).run().await.unwrap();
    assert_eq!(outcome.ending, Ending::TimedOut { killed: false });
}

#[tokio::test]
async fn a_caller_can_ask_for_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let command =
        Command::shell("echo $$ > pid; trap 'echo bye; exit 0' TERM; sleep 600 & wait").dir(dir.path());
    let run = tokio::spawn(async move { command.run_until(async { _ = stopped.await }).await.unwrap() });
    let pid = number_in(&dir.path().join("pid")).await;
    // The shell writes the file before it sets the trap; it waits once it has a child. Until that is `sleep`, it is a copy of
    // the shell, which may take the signal as the shell does and then sleep on.
    let child = || {
        let child = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        std::fs::read_to_string(format!("/proc/{}/comm", child.trim()))
    };
    while !child().is_ok_and(|name| name == "sleep\n") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(()).unwrap();
    let outcome = run.await.unwrap();
    assert_eq!((outcome.ending, outcome.stdout.bytes()), (Ending::Stopped { killed: false }, &b"bye\n"[..]));
}

#[tokio::test]
async fn a_dropped_run_leaves_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo $$ > pid; sh -c 'echo $$ > child; while :; do sleep 1; done'";
    let command = Command::shell(script).dir(dir.path());
    let run = tokio::spawn(async move { command.run().await });
    let (pid, child) = (number_in(&dir.path().join("pid")).await, number_in(&dir.path().join("child")).await);
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    reaped(pid).await;
    gone(child).await;
}
