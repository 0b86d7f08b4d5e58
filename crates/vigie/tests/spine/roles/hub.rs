//! The authority dies and comes back.

use super::{Group, LONG, SHORT};
use crate::process::eventually;

#[test]
fn within_the_lease_nothing_changes() {
    let (mut group, [alpha, beta]) = Group::with(LONG, ["alpha", "beta"]);
    let before = group.lines();
    for _ in 0..2 {
        group.world.kill_hub();
        // The lease outlives the hub.
        let role = &alpha.status().unwrap()["roles"][0];
        assert_eq!((&role["role"], &role["epoch"]), (&"principal".into(), &1.into()), "{role}");
        eventually("who holds no lease does not know", || {
            (beta.status()?["roles"][0]["role"] == "unknown").then_some(())
        });
        group.world.start_hub();
        for name in ["alpha", "beta"] {
            eventually("a member is back", || group.member(name)?["connected"].as_bool()?.then_some(()));
        }
        let principal = &group.show()["principal"];
        assert_eq!((&principal["machine"], &principal["epoch"]), (&"alpha".into(), &1.into()), "{principal}");
    }
    assert_eq!(group.judge(), before, "no hook has run");
    assert_eq!(group.records("role-granted").len(), 1);
}

#[test]
fn beyond_the_lease_the_holder_stops_and_epochs_go_on() {
    let (mut group, [alpha, _beta]) = Group::with(SHORT, ["alpha", "beta"]);
    let mut epoch = 1;
    for _ in 0..3 {
        let holder = group.lines().into_iter().rfind(|line| line.what == "begin").unwrap().name;
        group.world.kill_hub();
        let end = group.until(&holder, "end", epoch);
        assert_eq!(end.reason, "lease-expired", "{holder} stops by itself");
        group.world.start_hub();
        epoch = eventually("there is a principal again", || {
            group.lines().into_iter().find(|line| line.what == "begin" && line.epoch > epoch)
        })
        .epoch;
    }
    group.judge();
    eventually("alpha is told again", || (alpha.status()?["roles"][0]["role"] != "unknown").then_some(()));
}

#[test]
fn a_holder_that_died_with_the_hub_is_waited_for_once() {
    let (mut group, [mut alpha, _beta]) = Group::with(SHORT, ["alpha", "beta"]);
    group.world.kill_hub();
    alpha.kill();
    group.note_gone("alpha", 1);
    group.world.start_hub();
    assert_eq!(group.until("beta", "begin", 2).reason, "hub-restarted");
    group.judge();
}
