//! `vigie log` across the ends of its hub, and beside one that stands still.

use crate::process::{Process, eventually};
use crate::world::{VIGIE, World};
use serde_json::Value;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::Command;

#[test]
fn a_follower_outlives_its_hub_and_misses_nothing() {
    let mut world = World::start();
    let mut alpha = world.agent("alpha");
    world.enrol(&mut alpha);
    let mut command = Command::new(VIGIE);
    command.args(["log", "-f", "--json", "--kind", "content", "-n", "0"]);
    command.env("VIGIE_API", world.data().join("api.sock"));
    let follow = Process::start(&mut command, &world.path("follow.out"));
    let contents = |follow: &Process| -> Vec<String> {
        let printed = follow.printed();
        // The last line may still be on its way.
        let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
        let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| Some(line["path"].as_str()?.rsplit_once('/')?.1.to_owned())).collect()
    };
    // Renamed into the root when it is whole: one that is made there may be read before it is written, and again then.
    let write = |world: &World, name: &str| {
        let outside = world.path("outside");
        std::fs::write(&outside, name).unwrap();
        std::fs::rename(outside, alpha.root.join(name)).unwrap();
        world.flush(&alpha);
    };
    // It says nothing when it begins to follow, so it is given something to see until it sees it.
    let mut round = 0;
    eventually("it follows", || {
        round += 1;
        write(&world, &format!("before-{round}"));
        (!contents(&follow).is_empty()).then_some(())
    });
    world.stop_hub();
    follow.prints("has stopped");
    world.start_hub();
    write(&world, "one");
    world.kill_hub();
    world.start_hub();
    write(&world, "two");
    let told = eventually("it goes on", || {
        let told = contents(&follow);
        told.contains(&"two".to_owned()).then_some(told)
    });
    let told: Vec<_> =
        told.iter().map(String::as_str).skip_while(|name| name.starts_with("before")).collect();
    assert_eq!(told, ["one", "two"], "nothing twice, nothing left out");
    assert!(follow.stop().success(), "a signal is how following ends");
}

#[test]
fn a_hub_that_answers_nothing_keeps_nobody_from_ending() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("mute.sock");
    let mute = UnixListener::bind(&socket).unwrap();
    let mut command = Command::new(VIGIE);
    let log = Process::start(command.arg("log").env("VIGIE_API", &socket), &dir.path().join("log.out"));
    let (mut asking, _) = mute.accept().unwrap();
    assert!(asking.read(&mut [0; 1024]).unwrap() > 0, "it asks, and waits for the answer");
    assert!(log.stop().success(), "nothing was told, and nothing failed");
}
