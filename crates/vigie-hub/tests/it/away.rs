//! Since when a machine is away.

use std::sync::Arc;
use std::time::Duration;
use vigie_hub::{Config, Hub, Running};
use vigie_model::files::{GapClosed, GapOpened};
use vigie_model::{
    AgentRecord, BytePath, Clock, FileEvent, GapCause, Incarnation, MachineId, RecordNo, SystemClock,
    UnixNanos,
};
use vigie_wire::frame::{Close, CloseCode, Hello, InstanceId, Records, Versions};
use vigie_wire::{Frame, FrameReader, FrameWriter, MachineCard, Peer, memory_pair};

const WITHIN: Duration = Duration::from_secs(60);

async fn start(dir: &std::path::Path) -> (Hub, Running) {
    let config = Config { data: dir.to_owned(), listen: None };
    Hub::start(config, Arc::new(SystemClock::default())).await.unwrap()
}

fn now() -> UnixNanos {
    SystemClock::default().wall()
}

/// The agent's end of a session that was welcomed.
struct Agent {
    reader: FrameReader,
    writer: FrameWriter,
}

impl Agent {
    async fn connect(hub: &Hub, machine: MachineId, incarnation: u64) -> Agent {
        let card = MachineCard {
            id: machine,
            name: "m".into(),
            certificate: [0; 32],
            not_after: UnixNanos(i64::MAX),
        };
        let (hub_end, our_end, _) = memory_pair(Peer::Machine(card), Peer::Hub { hub: hub.machine() });
        hub.serve(hub_end);
        let (reader, writer) = our_end.split();
        let mut agent = Agent { reader, writer };
        let hello = Hello {
            versions: Versions::OURS,
            features: Vec::new(),
            instance: InstanceId([u8::try_from(incarnation).unwrap(); 16]),
            incarnation: Incarnation(incarnation),
            software: "test".into(),
            boot: [0; 16],
        };
        agent.send(Frame::Hello(hello)).await;
        assert!(matches!(agent.next().await, Frame::Welcome(_)));
        agent
    }

    async fn send(&mut self, frame: Frame) {
        self.writer.send(&frame).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    async fn next(&mut self) -> Frame {
        tokio::time::timeout(WITHIN, self.reader.next()).await.expect("in time").unwrap().unwrap()
    }

    /// Tells the first record of its life, and waits until it is durable.
    async fn tell(&mut self) {
        let root = BytePath::new(&b"/srv"[..]).unwrap();
        let opened =
            FileEvent::GapOpened(GapOpened { root: root.clone(), cause: GapCause::Restart, since: None });
        let closed = FileEvent::GapClosed(GapClosed { root });
        let records: Vec<AgentRecord> = vec![opened.encode(now()), closed.encode(now())];
        self.send(Frame::Records(Records { first_n: RecordNo(1), records })).await;
        while !matches!(self.next().await, Frame::Ack { n: RecordNo(2) }) {}
    }

    /// Ends, and waits until the hub has ended too: after that the session is over.
    async fn leave(mut self) {
        self.send(Frame::Close(Close { code: CloseCode::Shutdown, reason: "test".into() })).await;
        drop(self.writer);
        while tokio::time::timeout(WITHIN, self.reader.next()).await.expect("in time").unwrap().is_some() {}
    }
}

#[tokio::test]
async fn a_machine_is_away_until_something_of_its_life_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let machine = hub.enrol_machine("m").await.unwrap();
    assert_eq!(hub.away_since(machine).unwrap(), None, "nothing was ever heard, so there is no since");

    let mut agent = Agent::connect(&hub, machine, 1).await;
    agent.tell().await;
    assert_eq!(hub.away_since(machine).unwrap(), None);
    let before = now();
    agent.leave().await;
    let since = hub.away_since(machine).unwrap().expect("it left");
    assert!(before <= since && since <= now(), "{before:?} {since:?}");

    // A new life has told nothing yet: what happened in between is not known.
    let mut agent = Agent::connect(&hub, machine, 2).await;
    assert_eq!(hub.away_since(machine).unwrap(), Some(since));
    agent.tell().await;
    assert_eq!(hub.away_since(machine).unwrap(), None);
    agent.leave().await;
    // The same life goes on.
    let agent = Agent::connect(&hub, machine, 2).await;
    assert_eq!(hub.away_since(machine).unwrap(), None);
    agent.leave().await;
    let left = hub.away_since(machine).unwrap().unwrap();

    // A hub that starts anew has the records only.
    assert!(running.shutdown(WITHIN).await);
    drop(hub);
    let (hub, running) = start(dir.path()).await;
    let since = hub.away_since(machine).unwrap().expect("it is not back");
    assert!(before < since && since < left, "{since:?} is that of the last record");
    assert!(running.shutdown(WITHIN).await);
}
