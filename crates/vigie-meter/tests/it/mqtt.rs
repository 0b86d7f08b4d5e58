//! A real Mosquitto, and its own client to listen with.

use crate::world::{PATIENCE, Peer, free_port, listens, program, reached, sample};
use std::process::{Command, Stdio};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout};
use vigie_meter::sinks::Delivery;
use vigie_meter::sinks::mqtt::Mqtt;
use vigie_meter::sinks::record::Form;

struct World {
    dir: tempfile::TempDir,
    port: u16,
}

impl World {
    fn new() -> Self {
        World { dir: tempfile::tempdir().unwrap(), port: free_port() }
    }

    async fn start(&self) -> Option<Peer> {
        self.start_at(self.port).await
    }

    async fn start_at(&self, port: u16) -> Option<Peer> {
        let mosquitto = program("mosquitto")?;
        let config = self.dir.path().join("mosquitto.conf");
        std::fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).unwrap();
        let peer = Peer::start(Command::new(mosquitto).arg("-c").arg(&config));
        listens(port).await;
        Some(peer)
    }

    /// From now on our own port leads to another one, where the broker is.
    async fn lead_to(&self, port: u16) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                let mut there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut here, &mut there).await });
            }
        });
    }

    fn deliver(&self) -> Delivery {
        let broker = format!("mqtt://127.0.0.1:{}", self.port).parse().unwrap();
        let mqtt = Mqtt::start(broker, "here.example", None);
        Delivery::start(mqtt, &self.dir.path().join("spool")).unwrap()
    }

    /// Everything that is published from now on, as lines `TOPIC PAYLOAD`.
    async fn subscribe(&self) -> Option<Subscriber> {
        self.subscribe_at(self.port).await
    }

    async fn subscribe_at(&self, port: u16) -> Option<Subscriber> {
        // A subscriber does not say when it is one; but then it is told what was retained.
        let mut command = Command::new(program("mosquitto_pub")?);
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1"]);
        let told = command.args(["-r", "-t", "test", "-m", "retained"]).status().unwrap();
        assert!(told.success(), "{told}");
        let mut subscriber = self.subscribe_late(port)?;
        subscriber.until(|line| line == "test retained").await;
        Some(subscriber)
    }

    /// What is retained, and what is published some time from now on.
    fn subscribe_late(&self, port: u16) -> Option<Subscriber> {
        let mut command = tokio::process::Command::new(program("mosquitto_sub")?);
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-v", "-t", "#", "-q", "1"]);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Subscriber { _child: child, lines })
    }
}

struct Subscriber {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Subscriber {
    async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let line =
                tokio::time::timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap().unwrap();
            if wanted(&line) {
                return line;
            }
            assert!(start.elapsed() < PATIENCE, "only other things came");
        }
    }
}

fn give(delivery: &Delivery, turn: i64) {
    let record = Form::Json.encode(&sample(1_718_454_600_000 + 1500 * turn)).unwrap();
    assert!(delivery.hand_over(record));
}

#[tokio::test]
async fn home_assistant_learns_what_there_is_needs_mosquitto() {
    let world = World::new();
    let Some(_peer) = world.start().await else { return };
    let Some(mut heard) = world.subscribe().await else { return };
    let delivery = world.deliver();
    give(&delivery, 0);
    let online = heard.until(|line| line.starts_with("vigie/meter/status/")).await;
    assert_eq!(online, "vigie/meter/status/here_example online");
    let config = heard.until(|line| line.contains("/PAPP/config ")).await;
    let (topic, config) = config.split_once(' ').unwrap();
    let config: serde_json::Value = serde_json::from_str(config).unwrap();
    let meter = sample(0).meter.unwrap();
    assert_eq!(topic, format!("homeassistant/sensor/vigie_{meter}/PAPP/config"));
    assert_eq!(config["unique_id"], format!("vigie_{meter}_PAPP"));
    assert_eq!(
        (&config["device_class"], &config["unit_of_measurement"]),
        (&"apparent_power".into(), &"VA".into())
    );
    assert_eq!(config["availability_topic"], "vigie/meter/status/here_example");
    let state_topic = config["state_topic"].as_str().unwrap().to_owned();
    let state = heard.until(|line| line.starts_with(&state_topic)).await;
    let state: serde_json::Value = serde_json::from_str(state.split_once(' ').unwrap().1).unwrap();
    assert_eq!(state["values"]["PAPP"]["value"], 1289);
    delivery.finish().await;
    heard.until(|line| line == "vigie/meter/status/here_example offline").await;
    // Whoever comes later learns it, too: the announcements were retained.
    let mut late = world.subscribe_late(world.port).unwrap();
    late.until(|line| line.contains("/HCHP/config ")).await;
}

#[tokio::test]
async fn a_broker_that_is_stopped_and_started_again_misses_no_frame_needs_mosquitto() {
    let world = World::new();
    let Some(peer) = world.start().await else { return };
    let delivery = world.deliver();
    give(&delivery, 0);
    reached(&delivery, |p| p.sent == 1).await;
    drop(peer);
    for turn in 1..6 {
        give(&delivery, turn);
    }
    reached(&delivery, |p| p.trouble.is_some() && p.spooled == 5).await;
    // Somebody listens there before the way to it is open again.
    let port = free_port();
    let _peer = world.start_at(port).await.unwrap();
    let Some(mut heard) = world.subscribe_at(port).await else { return };
    world.lead_to(port).await;
    reached(&delivery, |p| p.sent == 6 && p.spooled == 0).await;
    let last = sample(1_718_454_600_000 + 1500 * 5).time.to_string();
    heard.until(|line| line.starts_with("vigie/meter/") && line.contains(&last)).await;
    assert_eq!(delivery.finish().await.lost, 0);
}

#[tokio::test]
async fn wrong_credentials_are_said_and_lose_nothing_needs_mosquitto() {
    let world = World::new();
    if program("mosquitto").is_none() {
        return;
    }
    let config = world.dir.path().join("strict.conf");
    std::fs::write(&config, format!("listener {} 127.0.0.1\nallow_anonymous false\n", world.port)).unwrap();
    let _peer = Peer::start(Command::new(program("mosquitto").unwrap()).arg("-c").arg(&config));
    listens(world.port).await;
    let delivery = world.deliver();
    give(&delivery, 0);
    let is_said = |why: &String| why.contains("NotAuthorized") || why.contains("not authorized");
    reached(&delivery, |p| p.trouble.as_ref().is_some_and(is_said) && p.spooled == 1).await;
}

#[tokio::test]
async fn a_killed_program_is_said_to_be_offline_needs_mosquitto() {
    let world = World::new();
    let Some(_peer) = world.start().await else { return };
    let Some(mut heard) = world.subscribe().await else { return };
    let delivery = world.deliver();
    give(&delivery, 0);
    heard.until(|line| line == "vigie/meter/status/here_example online").await;
    // Gone without farewell: the task that keeps the connection is dropped with it.
    drop(delivery);
    heard.until(|line| line == "vigie/meter/status/here_example offline").await;
}
