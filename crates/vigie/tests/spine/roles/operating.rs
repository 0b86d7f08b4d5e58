//! What people ask of a group.

use super::{Group, LONG, told};
use crate::process::eventually;

#[test]
fn stepping_down_gives_the_role_to_whom_it_is_meant_for() {
    let (group, [mut alpha, _beta, mut gamma]) = Group::with(LONG, ["alpha", "beta", "gamma"]);
    group.world.ok(["role", "step-down", "db", "--to", "gamma"]);
    group.until_begins("gamma", 2);
    let expected = ["alpha begin 1 first", "alpha end 1 stepped-down", "gamma begin 2 stepped-down"];
    assert_eq!(told(&group.judge()), expected, "the demotion has ended before the promotion begins");

    let code = |args: &[&str]| group.world.run([&["role", "step-down"], args].concat()).code;
    assert_eq!(code(&["db", "--to", "gamma"]), 3, "it is principal already");
    assert_eq!(code(&["db", "--to", "nobody"]), 4, "there is no such machine");
    assert_eq!(code(&["web"]), 4, "there is no such group");
    assert_eq!(code(&["a b"]), 2, "that is no group's name");

    // Who stepped down is last in line.
    gamma.stop();
    group.until_begins("beta", 3);
    alpha.stop();
    assert_eq!(code(&["db"]), 3, "there is nobody else");
    let history = |args: &[&str]| group.world.run([&["role", "history"], args].concat());
    assert_eq!(history(&["web"]).code, 4, "nothing is recorded of such a group");
    assert_eq!(history(&["a b"]).code, 2, "that is no group's name");
    let newest = history(&["db", "-n", "1"]);
    assert!(newest.out.lines().count() == 1 && newest.out.contains("role-granted"), "{}", newest.out);
    let asked = group.records("role-asked");
    assert_eq!((asked.len(), &asked[0]["cause"]), (1, &"stepped-down".into()), "{asked:?}");
    group.judge();
}

#[test]
fn a_paused_group_promotes_nobody() {
    let (mut group, [mut alpha, _beta]) = Group::with(LONG, ["alpha", "beta"]);
    group.world.ok(["role", "pause", "db"]);
    assert_eq!(group.world.run(["role", "step-down", "db"]).code, 3);
    alpha.stop();
    group.until("alpha", "end", 1);
    eventually("nobody is principal", || group.show()["principal"].is_null().then_some(()));
    // Nor after a restart of the hub.
    group.world.kill_hub();
    group.world.start_hub();
    eventually("beta is back", || group.member("beta")?["connected"].as_bool()?.then_some(()));
    let show = group.show();
    assert!(show["principal"].is_null() && show["paused"] == true, "{show}");
    assert!(group.world.ok(["role", "show", "db"]).contains("nobody is principal"));

    group.world.ok(["role", "resume", "db"]);
    group.until_begins("beta", 2);
    group.judge();
    let said = group.world.run(["role", "pause", "web"]);
    assert_eq!(said.code, 4, "there is no such group: {}", said.err);
}

#[test]
fn what_is_set_must_be_possible() {
    let group = Group::start(LONG);
    let code = |args: &[&str]| group.world.run([&["role", "set"], args].concat()).code;
    assert_eq!(code(&["db", "--ttl", "499ms"]), 2);
    assert_eq!(code(&["db", "--ttl", "2h"]), 2);
    assert_eq!(code(&["../db", "--ttl", "1s"]), 2);
    assert_eq!(code(&["db", "--mode", "fastest"]), 2);
    assert_eq!(code(&["db", "--mode", "fast", "--ttl", "500ms", "--preempt", "on"]), 0);
    let show = group.show();
    assert_eq!(
        (&show["mode"], &show["ttl_ms"], &show["preempt"]),
        (&"fast".into(), &500.into(), &true.into())
    );
}
