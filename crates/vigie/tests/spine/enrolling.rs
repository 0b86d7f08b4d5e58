//! Becoming a machine of the hub's, and being one from then on.

use crate::process::eventually;
use crate::world::{Agent, World};
use serde_json::Value;
use std::ffi::OsStr;

/// What the agent's own socket says, once it says anything.
fn status(world: &World, agent: &Agent) -> Value {
    let args = [OsStr::new("status"), "--json".as_ref(), "--agent-api".as_ref()];
    eventually("the agent answers on its socket", || {
        let said = world.run(args.into_iter().chain([agent.socket().as_os_str()]));
        (said.code == 0).then(|| serde_json::from_str(&said.out).unwrap())
    })
}

#[test]
fn an_agent_that_waits_to_enrol_says_why() {
    let mut world = World::start();
    let mut alpha = world.agent("alpha");
    let token = world.path("token");
    std::fs::write(&token, world.invite("alpha")).unwrap();
    world.stop_hub();
    world.start_agent(&mut alpha, &["--token-file".as_ref(), token.as_ref()]);
    let link = eventually("a try was in vain", || {
        let status = status(&world, &alpha);
        assert_eq!(status["machine"], "alpha", "{status}");
        status["link"]["why"].is_string().then(|| status["link"].clone())
    });
    assert_eq!(link["state"], "enrolling", "{link}");
    assert!(link["why"].as_str().unwrap().contains(&world.address().to_string()), "{link}");
    let socket = alpha.socket();
    let said = world.run(["flush".as_ref(), "--agent-api".as_ref(), socket.as_os_str()]);
    assert!(said.code == 3 && said.out.contains("it is not enrolled yet: "), "{}{}", said.out, said.err);

    world.start_hub();
    world.flush(&alpha);
    world.stop_hub();
    assert_ne!(status(&world, &alpha)["link"]["state"], "enrolling", "the agent itself has taken over");

    // A token is needed once: that it is gone by the next start is as it should be.
    std::fs::remove_file(&token).unwrap();
    alpha.stop();
    world.start_hub();
    world.start_agent(&mut alpha, &["--token-file".as_ref(), token.as_ref()]);
    world.flush(&alpha);
}
