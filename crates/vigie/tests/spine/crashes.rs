//! The plug is pulled, on either side, in the middle of work.

use crate::log;
use crate::tree::{assert_same, keep, sh, unpack_debian};
use crate::world::{Agent, World};
use std::path::Path;

/// Files of all sizes, new, renewed and removed, one directory a call.
fn churn(tree: &Path, name: &str) {
    sh(
        tree,
        &format!(
            "mkdir {name} && cd {name} && for i in $(seq 200); do echo $i > f$i; done && \
             head -c 9000000 /dev/urandom > large && cp large larger && rm f1?? && mv f2 g2 && \
             for i in $(seq 50); do echo again >> f$i.log; mv f$i.log log$i; done"
        ),
    );
}

#[test]
fn a_killed_hub_has_lost_nothing_that_it_acknowledged() {
    let mut world = World::start();
    let mut alpha = world.agent("alpha");
    unpack_debian(&alpha.root);
    world.enrol(&mut alpha);
    let first = log::newest(&log::all(&world, &alpha));
    let before = world.path("before");
    keep(&alpha.root, &before);

    // Killed while the agent sends: how far it came is different each time, and must not matter.
    std::thread::scope(|scope| {
        let work = scope.spawn(|| (0..4).for_each(|i| churn(&alpha.root, &format!("during-{i}"))));
        world.kill_hub();
        work.join().unwrap();
    });
    churn(&alpha.root, "while-away");
    world.start_hub();
    churn(&alpha.root, "after");
    world.flush(&alpha);

    assert_same(&alpha.root, &world.restore(&alpha, None, "now"));
    assert_same(&before, &world.restore(&alpha, Some(&first), "then"));
    assert_eq!(world.run(["verify"]).code, 0);
}

#[test]
fn a_killed_agent_says_what_it_may_have_missed_and_catches_up() {
    let mut world = World::start();
    let mut alpha = world.agent("alpha");
    unpack_debian(&alpha.root);
    world.enrol(&mut alpha);

    std::thread::scope(|scope| {
        let root = alpha.root.clone();
        let work = scope.spawn(move || churn(&root, "during"));
        alpha.kill();
        work.join().unwrap();
    });
    sh(&alpha.root, "rm -r usr/share && mv usr/lib library && echo new > file && ln file hard");
    world.start_agent(&mut alpha, &[]);
    world.flush(&alpha);
    assert_same(&alpha.root, &world.restore(&alpha, None, "after-kill"));
    let opened = log::all(&world, &alpha).iter().filter(|line| line["kind"] == "gap-opened").count();
    assert!(opened >= 2, "the first scan and the time away are both gaps, not {opened}");

    // An ordered stop and start of both, with nothing changed, tells nothing twice.
    alpha.stop();
    world.stop_hub();
    world.start_hub();
    let facts = |alpha: &Agent| {
        let lines = log::all(&world, alpha);
        lines.iter().filter(|line| !line["kind"].as_str().unwrap().starts_with("gap-")).count()
    };
    let before = facts(&alpha);
    world.start_agent(&mut alpha, &[]);
    world.flush(&alpha);
    assert_eq!(facts(&alpha), before, "a restart with nothing changed records no change");
    assert_same(&alpha.root, &world.restore(&alpha, None, "after-restart"));
}
