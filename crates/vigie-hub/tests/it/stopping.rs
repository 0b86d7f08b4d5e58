//! What holds up no stop: peers that keep silent or do not listen, nor a disk without room.

use crate::peer::{Agent, WITHIN, card, on_disk, start};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vigie_hub::{Change, Config, Hub};
use vigie_model::{MachineId, SystemClock};
use vigie_role::GroupName;
use vigie_store::Health;
use vigie_store::disk::{SimDisk, SimFault};
use vigie_wire::limits::HANDSHAKE_TIME_MAX;
use vigie_wire::{Frame, Peer, memory_pair};

const MACHINE: MachineId = MachineId([1; 16]);

/// Longer than this nothing was taken: the hub waits for us to read.
const STUCK_AFTER: Duration = Duration::from_millis(300);

/// Asks and asks, and takes no answer, until the hub takes no more questions.
async fn flood(agent: &mut Agent) {
    while tokio::time::timeout(STUCK_AFTER, agent.send(Frame::Ping { token: 1 })).await.is_ok() {}
}

#[tokio::test]
async fn a_machine_that_does_not_read_makes_room_for_its_successor_and_for_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let mut deaf = Agent::connect(&hub, MACHINE, 1, 1).await;
    flood(&mut deaf).await;
    // The same process, over another connection.
    let mut next = Agent::connect(&hub, MACHINE, 1, 1).await;
    flood(&mut next).await;
    assert!(running.shutdown(WITHIN).await, "it waits for a machine that does not read");
}

#[tokio::test]
async fn whoever_dawdles_over_a_greeting_holds_up_no_stop() {
    let dir = tempfile::tempdir().unwrap();
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let config = Config { data: dir.path().to_owned(), listen, read_only: false };
    let (hub, running) = Hub::start(config, Arc::new(SystemClock::default())).await.unwrap();
    let address = hub.listening().unwrap();
    // Says nothing; and is accepted before one that is sent away at once.
    let _silent = TcpStream::connect(address).await.unwrap();
    let mut rude = TcpStream::connect(address).await.unwrap();
    rude.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut waste = Vec::new();
    let _reset = rude.read_to_end(&mut waste).await;
    // Have come through TLS, and say nothing then.
    let mut held = Vec::new();
    for peer in [Peer::Machine(card(MACHINE)), Peer::Unenrolled] {
        let (hub_end, our_end, _) = memory_pair(peer, Peer::Hub { hub: hub.machine() });
        hub.serve(hub_end);
        held.push(our_end);
    }
    tokio::task::yield_now().await;
    assert!(running.shutdown(HANDSHAKE_TIME_MAX / 2).await, "it waits for greetings that never come");
}

#[tokio::test]
async fn a_full_disk_holds_up_no_stop() {
    let disk = SimDisk::new(1);
    let hub = on_disk(&disk);
    disk.fault(SimFault::Room(0));
    let asking = tokio::spawn({
        let hub = hub.clone();
        let change = Change { preempt: Some(true), ..Change::default() };
        async move { hub.change_group(GroupName::new("db").unwrap(), change).await }
    });
    while hub.store().health() != Health::DiskFull {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(WITHIN, hub.stop()).await.expect("it waits for room on the disk");
    assert!(asking.await.unwrap().is_err(), "what is not recorded is not set");
}
