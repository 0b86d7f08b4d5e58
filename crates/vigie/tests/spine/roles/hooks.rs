//! Hooks that do not do their work.

use super::{Group, LONG, SHORT, SHORT_MS, told};
use crate::process::eventually;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn who_fails_to_become_principal_is_out_of_the_line_until_the_group_is_resumed() {
    let mut group = Group::start(LONG);
    let repaired = group.path("repaired");
    let [begin, _] = group.hooks("alpha");
    let fails = format!("[ -e {} ] && {begin}", repaired.display());
    let mut alpha = group.join("alpha", &["--on-principal", &fails]);
    group.until("alpha", "end", 1);
    eventually("alpha is out of the line", || group.member("alpha")?["nofailover"].as_bool()?.then_some(()));
    let mut beta = group.join("beta", &[]);
    group.until_begins("beta", 2);
    assert_eq!(told(&group.judge()), ["alpha end 1 hook-failed", "beta begin 2 hook-failed"]);
    let barred = group.records("role-barred");
    assert_eq!((&barred[0]["member"], &barred[0]["cause"]), (&"alpha".into(), &"hook-failed".into()));
    assert_eq!(alpha.status().unwrap()["roles"][0]["barred"], true);
    alpha.prints("ended with exit code 1");

    beta.stop();
    eventually("nobody is principal", || group.show()["principal"].is_null().then_some(()));
    // The hub forgets who failed and why; the member does not.
    group.world.kill_hub();
    group.world.start_hub();
    eventually("alpha is back", || group.member("alpha")?["connected"].as_bool()?.then_some(()));
    assert_eq!(group.member("alpha").unwrap()["nofailover"], true);

    std::fs::write(repaired, "").unwrap();
    group.world.ok(["role", "resume", "db"]);
    group.until_begins("alpha", 3);
    eventually("it is in the line", || (alpha.status()?["roles"][0]["barred"] == false).then_some(()));
    group.judge();
    alpha.stop();
}

#[test]
fn a_hook_that_hangs_is_killed_with_all_that_it_started() {
    let group = Group::start(LONG);
    let pid = group.path("pid");
    let hangs = format!("sleep 1000 & echo $! >{}; wait", pid.display());
    let alpha = group.join("alpha", &["--on-principal", &hangs, "--hook-timeout", "5s"]);
    let _beta = group.join("beta", &[]);
    group.until_begins("beta", 2);
    let sleeper = std::fs::read_to_string(&pid).unwrap();
    let sleeper = Path::new("/proc").join(sleeper.trim());
    eventually("what the hook started is gone", || (!sleeper.exists()).then_some(()));
    alpha.prints("ran for more than 5000 ms and was killed");
    assert_eq!(told(&group.judge()), ["alpha end 1 hook-failed", "beta begin 2 hook-failed"]);
}

#[test]
fn a_demotion_that_takes_its_time_is_waited_for_and_the_role_with_it() {
    let group = Group::start(SHORT);
    let [_, end] = group.hooks("alpha");
    let gate = group.path("gate");
    let waits = format!(
        "[ \"$VIGIE_OLD_ROLE\" = principal ] || exit 0; while ! [ -e {} ]; do sleep 0.05; done; {end}",
        gate.display()
    );
    let alpha = group.join("alpha", &["--on-secondaire", &waits]);
    group.until_begins("alpha", 1);
    let _beta = group.join("beta", &[]);
    group.world.ok(["role", "step-down", "db"]);
    // As long as it renews, its demotion may last: longer than a lease, here.
    let asked = Instant::now();
    eventually("a lease would be over", || {
        let principal = &group.show()["principal"];
        assert_eq!(principal["machine"], "alpha", "{principal}");
        assert_eq!(principal["asked"], "stepped-down", "{principal}");
        (asked.elapsed() > Duration::from_millis(2 * SHORT_MS)).then_some(())
    });
    assert_eq!(told(&group.lines()), ["alpha begin 1 first"]);
    std::fs::write(gate, "").unwrap();
    group.until_begins("beta", 2);
    assert_eq!(told(&group.judge())[1..], ["alpha end 1 stepped-down", "beta begin 2 stepped-down"]);
    drop(alpha);
}

#[test]
fn a_hook_that_is_missing_is_a_hook_that_failed() {
    let group = Group::start(LONG);
    let alpha = group.join("alpha", &["--on-principal", "/no/such/hook"]);
    group.until("alpha", "end", 1);
    eventually("alpha is out of the line", || group.member("alpha")?["nofailover"].as_bool()?.then_some(()));
    alpha.prints("/no/such/hook");
}
