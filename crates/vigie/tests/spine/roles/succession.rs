//! The principal goes, in every way, and the next in line comes.

use super::{Group, SHORT, SHORT_MS, told};

#[test]
fn the_next_in_line_is_promoted_after_a_stop_and_after_a_kill() {
    let (group, [mut alpha, mut beta, _gamma]) = Group::with(SHORT, ["alpha", "beta", "gamma"]);

    alpha.stop();
    group.until_begins("beta", 2);
    // A clean stop gives the role back first: nobody waits for a lease.
    assert_eq!(told(&group.judge()), ["alpha begin 1 first", "alpha end 1 left", "beta begin 2 left"]);

    beta.kill();
    group.note_gone("beta", 2);
    group.until_begins("gamma", 3);
    assert_eq!(told(&group.judge())[4..], ["gamma begin 3 connection-lost"]);

    // Who comes back stands behind whoever is there.
    group.launch(&mut alpha, &[]);
    let show = group.show();
    assert_eq!(show["principal"]["machine"], "gamma");
    assert_eq!(show["principal"]["epoch"], 3);
    assert_eq!(show["principal"]["cause"], "connection-lost");
    assert_eq!((&show["mode"], &show["ttl_ms"]), (&"safe".into(), &SHORT_MS.into()));
    assert_eq!(show["last_ended"]["machine"], "beta");

    let granted = group.records("role-granted");
    let who = |line: &serde_json::Value| format!("{} {} {}", line["member"], line["epoch"], line["cause"]);
    let granted: Vec<_> = granted.iter().map(who).collect();
    assert_eq!(granted, ["\"alpha\" 1 \"first\"", "\"beta\" 2 \"left\"", "\"gamma\" 3 \"connection-lost\""]);
    let ended = group.records("role-ended");
    assert_eq!(ended[0]["detection_ms"], 0, "a clean stop is announced: {}", ended[0]);
    let detection = ended[1]["detection_ms"].as_u64().unwrap();
    assert!(detection >= SHORT_MS, "the lease of a killed principal is waited for: {}", ended[1]);
    assert_eq!(group.records("role-barred").len(), 0, "who leaves is not barred");

    // The history of the group is the same story.
    let history = group.world.ok(["role", "history", "db", "--json"]);
    let kinds: Vec<String> = history
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().into())
        .collect();
    let expected = ["role-set", "role-granted", "role-ended", "role-granted", "role-ended", "role-granted"];
    assert_eq!(kinds, expected, "{history}");
    assert_eq!(group.world.run(["role", "show", "web"]).code, 4, "there is no such group");
}

#[test]
fn a_killed_agent_that_comes_back_at_once_is_promoted_again_and_never_beside_itself() {
    let (group, [mut alpha]) = Group::with(SHORT, ["alpha"]);
    for epoch in 2..5 {
        alpha.kill();
        group.note_gone("alpha", epoch - 1);
        group.launch(&mut alpha, &[]);
        assert_eq!(group.until_begins("alpha", epoch), epoch);
    }
    group.judge();
}

#[test]
fn priority_counts_when_the_role_is_free_and_nofailover_never() {
    let group = Group::start(SHORT);
    let mut alpha = group.join("alpha", &[]);
    group.until_begins("alpha", 1);
    let _never = group.join("never", &["--role", "db:99", "--no-failover"]);
    let _beta = group.join("beta", &[]);
    let mut gamma = group.join("gamma", &["--role", "db:5"]);
    alpha.stop();
    group.until_begins("gamma", 2);
    gamma.stop();
    group.until_begins("beta", 3);

    // A group that preempts has the higher priority take over at once.
    group.world.ok(["role", "set", "db", "--preempt", "on"]);
    group.launch(&mut gamma, &["--role".as_ref(), "db:5".as_ref()]);
    let taken = group.until("gamma", "begin", 4);
    assert_eq!(taken.reason, "priority");
    let lines = group.judge();
    assert_eq!(lines.iter().filter(|line| line.name == "never").count(), 0);
}
