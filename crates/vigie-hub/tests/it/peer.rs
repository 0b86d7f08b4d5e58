//! A hub, and an agent made by hand.

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

pub(crate) const WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn start(dir: &std::path::Path) -> (Hub, Running) {
    let config = Config { data: dir.to_owned(), listen: None, read_only: false };
    Hub::start(config, Arc::new(SystemClock::default())).await.unwrap()
}

pub(crate) fn now() -> UnixNanos {
    SystemClock::default().wall()
}

/// The agent's end of a session that was welcomed.
pub(crate) struct Agent {
    reader: FrameReader,
    writer: FrameWriter,
}

impl Agent {
    pub(crate) async fn connect(hub: &Hub, machine: MachineId, incarnation: u64, process: u8) -> Agent {
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
            instance: InstanceId([process; 16]),
            incarnation: Incarnation(incarnation),
            software: "test".into(),
            boot: [0; 16],
        };
        agent.send(Frame::Hello(hello)).await;
        assert!(matches!(agent.next().await, Frame::Welcome(_)));
        agent
    }

    pub(crate) async fn send(&mut self, frame: Frame) {
        self.writer.send(&frame).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Frame {
        tokio::time::timeout(WITHIN, self.reader.next()).await.expect("in time").unwrap().unwrap()
    }

    /// Tells two records from this number on, and waits until they are durable.
    pub(crate) async fn tell(&mut self, first_n: u64) {
        let root = BytePath::new(&b"/srv"[..]).unwrap();
        let opened =
            FileEvent::GapOpened(GapOpened { root: root.clone(), cause: GapCause::Restart, since: None });
        let closed = FileEvent::GapClosed(GapClosed { root });
        let records: Vec<AgentRecord> = vec![opened.encode(now()), closed.encode(now())];
        self.send(Frame::Records(Records { first_n: RecordNo(first_n), records })).await;
        while self.next().await != (Frame::Ack { n: RecordNo(first_n + 1) }) {}
    }

    /// Ends, and waits until the hub has ended too: after that the session is over.
    pub(crate) async fn leave(mut self) {
        self.send(Frame::Close(Close { code: CloseCode::Shutdown, reason: "test".into() })).await;
        drop(self.writer);
        while tokio::time::timeout(WITHIN, self.reader.next()).await.expect("in time").unwrap().is_some() {}
    }
}
