//! A hub, and an agent made by hand.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vigie_hub::{Config, Cpu, Hub, Parts, Running};
use vigie_model::files::{GapClosed, GapOpened};
use vigie_model::{
    AgentRecord, BytePath, Clock, FileEvent, GapCause, Incarnation, MachineId, RecordNo, SystemClock,
    UnixNanos,
};
use vigie_role::clock::Alarm;
use vigie_store::disk::SimDisk;
use vigie_store::{IndexMedium, MemIndex, Options, Store};
use vigie_wire::frame::{Close, CloseCode, Hello, InstanceId, Records, Versions};
use vigie_wire::{Frame, FrameReader, FrameWriter, MachineCard, Peer, WireError, memory_pair};

pub(crate) const WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn start(dir: &Path) -> (Hub, Running) {
    let config = Config { data: dir.to_owned(), listen: None, read_only: false };
    Hub::start(config, Arc::new(SystemClock::default())).await.unwrap()
}

/// A hub on this store and in this time, which listens nowhere and gives no certificates.
pub(crate) fn assemble(store: Store, clock: Arc<dyn Clock>) -> Hub {
    let machine = MachineId([9; 16]);
    let leases = (Arc::clone(&clock), Alarm::Runtime(Arc::clone(&clock)));
    Hub::assemble(Parts { store, clock, cpu: Cpu::Threads, machine, authority: None, leases }).unwrap()
}

/// Such a hub with its store on this disk.
pub(crate) fn on_disk(disk: &SimDisk) -> Hub {
    let options = Options {
        disk: Arc::new(disk.clone()),
        index: IndexMedium::Memory(MemIndex::default()),
        ..Options::default()
    };
    let (store, committer) = Store::open(Path::new("/hub"), options).unwrap();
    committer.spawn_thread().unwrap();
    assemble(store, Arc::new(SystemClock::default()))
}

pub(crate) fn now() -> UnixNanos {
    SystemClock::default().wall()
}

/// What its certificate would say.
pub(crate) fn card(machine: MachineId) -> MachineCard {
    let not_after = UnixNanos(i64::MAX);
    MachineCard { id: machine, name: "m".into(), certificate: [0; 32], not_after }
}

/// The agent's end of a session that was welcomed.
pub(crate) struct Agent {
    reader: FrameReader,
    writer: FrameWriter,
}

impl Agent {
    pub(crate) async fn connect(hub: &Hub, machine: MachineId, incarnation: u64, process: u8) -> Agent {
        Self::connect_with(hub, machine, incarnation, process, &[]).await
    }

    /// Connects as an agent that has these features.
    pub(crate) async fn connect_with(
        hub: &Hub,
        machine: MachineId,
        incarnation: u64,
        process: u8,
        features: &[&str],
    ) -> Agent {
        let peer = Peer::Machine(card(machine));
        let (hub_end, our_end, _) = memory_pair(peer, Peer::Hub { hub: hub.machine() });
        hub.serve(hub_end);
        let (reader, writer) = our_end.split();
        let mut agent = Agent { reader, writer };
        let hello = Hello {
            versions: Versions::OURS,
            features: features.iter().map(|name| (*name).to_owned()).collect(),
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

    /// Sends to a hub that may have closed already.
    pub(crate) async fn try_send(&mut self, frame: Frame) -> Result<(), WireError> {
        self.writer.send(&frame).await?;
        self.writer.flush().await
    }

    pub(crate) async fn next(&mut self) -> Frame {
        tokio::time::timeout(WITHIN, self.reader.next()).await.expect("in time").unwrap().unwrap()
    }

    /// Waits for the hub's reason to close, whatever else comes before it.
    pub(crate) async fn until_closed(&mut self) -> Close {
        loop {
            if let Frame::Close(close) = self.next().await {
                return close;
            }
        }
    }

    /// Waits for this frame, whatever else comes before it.
    pub(crate) async fn until(&mut self, wanted: Frame) {
        loop {
            match self.next().await {
                frame if frame == wanted => return,
                Frame::Close(close) => panic!("{:?}: {}", close.code, close.reason),
                _ => {}
            }
        }
    }

    /// Tells two records from this number on, and waits until they are durable.
    pub(crate) async fn tell(&mut self, first_n: u64) {
        let root = BytePath::new(&b"/srv"[..]).unwrap();
        let opened =
            FileEvent::GapOpened(GapOpened { root: root.clone(), cause: GapCause::Restart, since: None });
        let closed = FileEvent::GapClosed(GapClosed { root });
        let records: Vec<AgentRecord> = vec![opened.encode(now()), closed.encode(now())];
        self.send(Frame::Records(Records { first_n: RecordNo(first_n), records })).await;
        self.until(Frame::Ack { n: RecordNo(first_n + 1) }).await;
    }

    /// Ends, and waits until the hub has ended too: after that the session is over.
    pub(crate) async fn leave(mut self) {
        self.send(Frame::Close(Close { code: CloseCode::Shutdown, reason: "test".into() })).await;
        self.left().await;
    }

    /// Waits until the hub, which has said so, has ended the session.
    pub(crate) async fn left(mut self) {
        drop(self.writer);
        while tokio::time::timeout(WITHIN, self.reader.next()).await.expect("in time").unwrap().is_some() {}
    }
}
