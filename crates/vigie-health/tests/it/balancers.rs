//! HAProxy listens to us, both ways: the agent's line, and `option httpchk`.

use crate::haproxy::{Bystander, Haproxy};
use crate::world::World;
use vigie_health::answers::OnSecondaire;
use vigie_health::{Role, State};

/// One HAProxy with a back end for each way to ask.
async fn haproxy(world: &World, server: &Bystander) -> Haproxy {
    let (ours, port) = (world.address.port(), server.address.port());
    let agent =
        format!("server s1 127.0.0.1:{port} weight 100 check inter 100ms agent-check agent-port {ours}");
    let http = format!("server s1 127.0.0.1:{port} check inter 50ms port {ours} rise 1 fall 1");
    Haproxy::start(&format!(
        "backend agent\n  {agent} agent-inter 50ms\n\
         backend web\n  {agent} agent-inter 50ms agent-send \"web/s1\\n\"\n\
         backend principal\n  option httpchk GET /principal?group=web\n  {http}\n\
         backend ready\n  option httpchk\n  {http}\n\
         backend options\n  option httpchk OPTIONS /ready\n  http-check send hdr Host x\n  {http}"
    ))
    .await
}

const UP: (&str, &str) = ("status", "UP");
const DOWN: (&str, &str) = ("status", "DOWN");
const BY_AGENT: (&str, &str) = ("status", "DOWN (agent)");

#[tokio::test]
async fn haproxy_follows_checks_drain_and_restarts() {
    let target = Bystander::start().await;
    let at = target.address;
    let world = World::start(&[format!("[name=db] tcp:{at}")], OnSecondaire::Down).await;
    let server = Bystander::start().await;
    let haproxy = haproxy(&world, &server).await;
    let said = |text| ("last_agt", text);
    haproxy.until("agent/s1", &[UP, said("via agent : up")]).await;
    haproxy.until("ready/s1", &[UP, ("check_status", "L7OK")]).await;
    haproxy.until("options/s1", &[UP, ("check_status", "L7OK")]).await;
    haproxy.until("principal/s1", &[DOWN]).await;

    // The target goes, and comes back at the same port.
    target.close().await;
    let because = format!("via agent : down (db: cannot connect to {at}: Connection refused (os error 111))");
    haproxy.until("agent/s1", &[BY_AGENT, said(&because)]).await;
    haproxy.until("ready/s1", &[DOWN, ("check_code", "503")]).await;
    let _target = Bystander::start_at(at).await;
    haproxy.until("agent/s1", &[UP]).await;
    haproxy.until("ready/s1", &[UP]).await;

    // A drain survives the next life of ours, and then ends.
    world.service.drain(Some("new kernel")).unwrap();
    let drained = [("status", "DRAIN (agent)"), said("via agent : up (drained: new kernel)")];
    haproxy.until("agent/s1", &drained).await;
    haproxy.until("ready/s1", &[DOWN]).await;
    let world = world.restart().await;
    world.until(State::Up).await;
    haproxy.until("agent/s1", &drained).await;
    haproxy.until("ready/s1", &[DOWN, ("check_status", "L7STS")]).await;
    assert!(world.service.undrain().unwrap());
    haproxy.until("agent/s1", &[UP]).await;
    haproxy.until("ready/s1", &[UP]).await;

    world.service.announce_stop();
    haproxy.until("agent/s1", &[BY_AGENT, said("via agent : stopped (stopping)")]).await;
    haproxy.until("ready/s1", &[DOWN]).await;
    let _world = world.restart().await;
    haproxy.until("agent/s1", &[UP]).await;
    haproxy.until("ready/s1", &[UP]).await;
}

#[tokio::test]
async fn haproxy_follows_roles_under_each_policy() {
    use OnSecondaire::{Down, Drain, Maint, Up, Weight};
    for (policy, status, weight) in [
        (Down, "DOWN (agent)", "100"),
        (Maint, "MAINT", "100"),
        (Drain, "DRAIN (agent)", "100"),
        (Up, "UP", "100"),
        (Weight(10), "UP", "10"),
    ] {
        let world = World::start(&[], policy).await;
        world.role("web", Some(Role::Secondaire), 6);
        let server = Bystander::start().await;
        let haproxy = haproxy(&world, &server).await;
        let standing_by = [("status", status), ("weight", weight)];
        haproxy.until("agent/s1", &standing_by).await;
        haproxy.until("principal/s1", &[DOWN, ("check_code", "503")]).await;
        haproxy.until("ready/s1", &[UP]).await;
        world.role("web", Some(Role::Principal), 7);
        let principal = "via agent : up (role=principal group=web epoch=7)";
        haproxy.until("agent/s1", &[UP, ("weight", "100"), ("last_agt", principal)]).await;
        haproxy.until("principal/s1", &[UP, ("check_code", "200")]).await;
        world.role("web", None, 7);
        haproxy.until("agent/s1", &standing_by).await;
        haproxy.until("principal/s1", &[DOWN]).await;
    }
}

#[tokio::test]
async fn haproxy_names_the_group_by_its_backend() {
    let world = World::start(&[], OnSecondaire::Maint).await;
    world.role("web", Some(Role::Principal), 7);
    world.role("db", Some(Role::Secondaire), 3);
    let server = Bystander::start().await;
    let haproxy = haproxy(&world, &server).await;
    haproxy.until("web/s1", &[UP, ("last_agt", "via agent : up (role=principal group=web epoch=7)")]).await;
    // A backend that is not named has no role here, rather than any.
    haproxy.until("agent/s1", &[("status", "MAINT")]).await;
}
