//! Who is frozen does not know that its time is over. The hub does, and so does the fence.

use super::{Group, SHORT, SHORT_MS};
use crate::process::{Process, eventually};
use crate::world::VIGIE;
use rustix::process::Signal;
use std::process::Command;

#[test]
fn a_frozen_principal_is_replaced_and_its_late_write_is_refused() {
    let (group, [alpha, _beta]) = Group::with(SHORT, ["alpha", "beta"]);
    // A writer of alpha's, which has its epoch and is stopped right before it shows it.
    let (fence, verdict) = (group.path("fence"), group.path("verdict"));
    let (fence, verdict) = (fence.display(), verdict.display());
    let write = format!(
        "kill -STOP $$; {VIGIE} role fence --file {fence} --epoch 1; echo $? >{verdict}.new; mv {verdict}.new {verdict}"
    );
    let writer = Process::start(Command::new("sh").args(["-c", &write]), &group.path("writer.out"));
    let state = format!("/proc/{}/stat", writer.id());
    eventually("the writer has stopped itself", || {
        std::fs::read_to_string(&state).unwrap().contains(") T ").then_some(())
    });

    alpha.signal(Signal::STOP);
    group.note_gone("alpha", 1);
    let begun = group.until("beta", "begin", 2);
    assert_eq!(begun.reason, "lease-expired", "a frozen process keeps its connection");
    writer.signal(Signal::CONT);
    let verdict = eventually("the writer was judged", || std::fs::read_to_string(group.path("verdict")).ok());
    assert_eq!(verdict.trim(), "75", "an old epoch does not pass");

    // Awake, it finds out by itself, and demotes.
    alpha.signal(Signal::CONT);
    let end = group.until("alpha", "end", 1);
    assert_eq!(end.reason, "lease-expired");
    group.judge();
    eventually("alpha stands by", || {
        let status = alpha.status()?;
        (status["roles"][0]["role"] == "secondaire").then_some(())
    });
    let ended = &group.records("role-ended")[0];
    assert_eq!(ended["cause"], "lease-expired", "{ended}");
    assert!(ended["detection_ms"].as_u64().unwrap() >= SHORT_MS, "{ended}");
}

#[test]
fn a_promotion_hook_of_a_process_that_was_frozen_for_long_is_undone() {
    let (group, [mut alpha, beta]) = Group::with(SHORT, ["alpha", "beta"]);
    // Frozen before it could be told, it is not chosen: it is silent.
    let _gamma = group.join("gamma", &[]);
    beta.signal(Signal::STOP);
    eventually("beta is silent", || {
        (group.member("beta")?["heard_ms_ago"].as_u64()? > SHORT_MS).then_some(())
    });
    alpha.stop();
    group.until_begins("gamma", 2);
    beta.signal(Signal::CONT);
    group.judge();
    assert!(group.lines().iter().all(|line| line.name != "beta"));
}
