//! A machine that is away: what it told is given, and that it is not all is said.

use crate::log;
use crate::process::eventually;
use crate::tree::sh;
use crate::world::World;
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn answers_about_a_machine_that_is_away_say_so() {
    let mut world = World::start();
    let mut alpha = world.agent("alpha");
    sh(&alpha.root, "echo content > file && mkdir dir");
    world.enrol(&mut alpha);
    let newest = log::newest(&log::all(&world, &alpha));
    assert_eq!(world.ok(["cat".into(), alpha.at("file")]), "content\n");

    alpha.stop();
    let said = eventually("the hub has noticed", || {
        let said = world.run(["cat".into(), alpha.at("file")]);
        (said.code == 3).then_some(said)
    });
    assert_eq!(said.out, "content\n", "what it told last is given");
    assert!(said.err.contains("what happened on alpha after ") && said.err.contains(&newest), "{}", said.err);
    eventually("the hub tells why", || {
        world.hub_printed().contains("session ended: the agent closed it: the agent stops").then_some(())
    });

    let target = world.path("restored");
    let restore = ["restore".into(), alpha.place(), target.clone().into_os_string()];
    assert_eq!(world.run(restore).code, 3);
    assert_eq!(std::fs::read(target.join("file")).unwrap(), b"content\n");
    let said = world.run(["ls".into(), alpha.place(), "--json".into()]);
    assert_eq!((said.code, said.out.lines().count()), (3, 2), "{}", said.err);
    let warning: Value = serde_json::from_str(&said.err).unwrap();
    assert!(warning["warning"].as_str().unwrap().contains("alpha"), "{warning}");
    let said = world.run(["ls".into(), alpha.at("new")]);
    assert_eq!(said.code, 3, "it may be there by now: {}", said.err);

    // What it told last is known: as of its last record, and of a time before it left.
    world.ok(["ls".into(), alpha.place(), "--at".into(), newest.clone().into()]);
    let status: Value = serde_json::from_str(&world.ok(["status", "--json"])).unwrap();
    assert!(status["machines"][0]["away_since_unix_ns"].is_i64(), "{status}");

    // Nor does a hub that starts anew take silence for peace.
    world.stop_hub();
    world.start_hub();
    assert_eq!(world.run(["ls".into(), alpha.place()]).code, 3);
    world.ok(["ls".into(), alpha.place(), "--at".into(), newest.into()]);
    world.start_agent(&mut alpha, &[]);
    world.flush(&alpha);
    world.ok(["ls".into(), alpha.place()]);
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one_wish() {
    let mut world = World::start();
    let mut alpha = world.agent("alpha");
    world.enrol(&mut alpha);
    // Without its hub an agent waits a moment before it gives up: a second wish would cut that short.
    world.kill_hub();
    alpha.stop_with(&[Signal::INT, Signal::TERM]);
}

#[test]
fn a_flush_waits_for_an_agent_that_is_just_coming() {
    let world = World::start();
    let mut alpha = world.agent("alpha");
    world.enrol(&mut alpha);
    alpha.stop();
    std::fs::write(alpha.root.join("late"), "x").unwrap();
    let asking = std::thread::scope(|scope| {
        let flushing = scope.spawn(|| world.run(["flush", "alpha", "--timeout", "100s"]));
        world.start_agent(&mut alpha, &[]);
        flushing.join().unwrap()
    });
    assert_eq!(asking.code, 0, "{}{}", asking.out, asking.err);
}
