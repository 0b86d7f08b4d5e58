//! A store with a short history of one machine, and its API.

use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vigie_model::files::{
    ContentStored, Created, GapClosed, GapOpened, Linked, MetadataChanged, Removed, Renamed,
};
use vigie_model::machines::Enrolled;
use vigie_model::*;
use vigie_store::{Batch, NewBlock, NewRecord, Options, Store, StoreError, compress};
use vigie_web::client::{Client, Place};
use vigie_web::messages::{
    FlushOutcome, FlushReport, GroupStatus, LogLine, LogQuery, MachineFlush, SetGroupRequest, TreeQuery,
};
use vigie_web::server::{HubSide, InviteRefused, Listen, RoleRefused, Running, serve_hub};

pub(crate) const MACHINE: MachineId = MachineId([1; 16]);
pub(crate) const HUB: MachineId = MachineId([9; 16]);
pub(crate) const ROOT: NodeId = NodeId([10; 16]);

pub(crate) fn node(n: u8) -> NodeId {
    NodeId([n; 16])
}

pub(crate) fn path(text: impl AsRef<[u8]>) -> BytePath {
    BytePath::new(text.as_ref()).unwrap()
}

pub(crate) fn name(text: &[u8]) -> Name {
    Name::new(text).unwrap()
}

/// The observed time of the records: one second after the other.
pub(crate) fn second(n: u64) -> UnixNanos {
    UnixNanos(1_800_000_000_000_000_000 + i64::try_from(n).unwrap() * 1_000_000_000)
}

pub(crate) fn meta(node_type: NodeType, size: u64) -> Metadata {
    let mtime = FileTime { secs: 1_700_000_000, nanos: 5 };
    Metadata { node_type, mode: 0o644, uid: 1, gid: 2, mtime, ctime: mtime, size, xattrs: vec![] }
}

/// A server without a hub behind it.
struct Side {
    store: Store,
    away_since: Arc<Mutex<Option<UnixNanos>>>,
}

impl HubSide for Side {
    fn store(&self) -> &Store {
        &self.store
    }

    fn away_since(&self, _: MachineId) -> Result<Option<UnixNanos>, StoreError> {
        Ok(*self.away_since.lock().unwrap())
    }

    fn status(&self) -> BoxFuture<'_, serde_json::Value> {
        Box::pin(async { serde_json::json!({"version": "test"}) })
    }

    fn flush(&self, machine: Option<MachineId>, timeout: Duration) -> BoxFuture<'_, FlushReport> {
        Box::pin(async move {
            let outcome = if timeout.is_zero() { FlushOutcome::TimedOut } else { FlushOutcome::Durable };
            let machine = machine.map_or("all".to_owned(), |id| id.to_string());
            FlushReport { machines: vec![MachineFlush { machine, outcome, n: Some(1), why: None }] }
        })
    }

    fn invite(&self, name: &str, _: Duration) -> Result<String, InviteRefused> {
        match name {
            "bad name" => Err(InviteRefused::Name("not a name".into())),
            _ => Ok(format!("token-for-{name}")),
        }
    }

    fn groups(&self, group: Option<String>) -> BoxFuture<'_, Result<Vec<GroupStatus>, RoleRefused>> {
        Box::pin(async move {
            match group {
                None => Ok(Vec::new()),
                Some(name) => Err(RoleRefused::NotFound(format!("there is no group {name}"))),
            }
        })
    }

    fn step_down(&self, group: String, _: Option<String>) -> BoxFuture<'_, Result<(), RoleRefused>> {
        Box::pin(async move { Err(RoleRefused::NotNow(format!("nobody is principal of {group}"))) })
    }

    fn set_group(&self, _: SetGroupRequest) -> BoxFuture<'_, Result<(), RoleRefused>> {
        Box::pin(async { Err(RoleRefused::Usage("it cannot be set".into())) })
    }
}

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) server: Running,
    /// What the hub says of its machine.
    pub(crate) away_since: Arc<Mutex<Option<UnixNanos>>>,
    next: u64,
    hub_next: u64,
}

impl World {
    /// An empty store, served; records are committed by the test.
    pub(crate) async fn empty() -> World {
        let dir = tempfile::tempdir().unwrap();
        let (store, committer) = Store::open(&dir.path().join("store"), Options::default()).unwrap();
        committer.spawn_thread().unwrap();
        Self::of(dir, store).await
    }

    /// A store in this directory, served as it is.
    pub(crate) async fn of(dir: tempfile::TempDir, store: Store) -> World {
        let listen =
            Listen { socket: dir.path().join("api.sock"), tcp: Some("127.0.0.1:0".parse().unwrap()) };
        let away_since = Arc::default();
        let side = Side { store: store.clone(), away_since: Arc::clone(&away_since) };
        let server = serve_hub(&listen, Arc::new(side)).await.unwrap();
        let client = Client::new(Place::Socket(listen.socket));
        World { dir, store, client, server, away_since, next: 1, hub_next: 1 }
    }

    /// One machine, `web01`, with `/srv` and these objects in it, the first scan done:
    /// `a` with "hello\n", its second name `b`, `dir/` with `none`, whose content is still to come, a link
    /// `l`, and a name that is not UTF-8.
    pub(crate) async fn start() -> World {
        let mut world = World::empty().await;
        let enrolled = Enrolled { machine: MACHINE, name: "web01".into() };
        world.own(enrolled.encode(second(0))).await;
        let created = |parent, name: EdgeName, node, node_type, size, pending| {
            FileEvent::Created(Created { parent, name, node, meta: meta(node_type, size), pending })
        };
        let entry = |text: &[u8]| EdgeName::Entry(name(text));
        let link = NodeType::Symlink { target: b"a".to_vec() };
        world
            .tell(FileEvent::GapOpened(GapOpened {
                root: path("/srv"),
                cause: GapCause::FirstScan,
                since: None,
            }))
            .await;
        world
            .tell(created(NodeId::ROOTS, EdgeName::Root(path("/srv")), ROOT, NodeType::Directory, 0, false))
            .await;
        world.tell(created(ROOT, entry(b"a"), node(11), NodeType::File, 6, true)).await;
        world.tell(created(ROOT, entry(b"dir"), node(12), NodeType::Directory, 0, false)).await;
        world.tell(created(node(12), entry(b"none"), node(13), NodeType::File, 9, true)).await;
        world.tell(created(ROOT, entry(b"l"), node(14), link, 1, false)).await;
        world.tell(created(ROOT, entry(b"\xff"), node(15), NodeType::Fifo, 0, false)).await;
        world.tell(FileEvent::Linked(Linked { parent: ROOT, name: name(b"b"), node: node(11) })).await;
        world.write(node(11), b"hello\n").await;
        world.tell(FileEvent::GapClosed(GapClosed { root: path("/srv") })).await;
        world
    }

    /// Commits a fact of the machine, observed a second after the one before.
    pub(crate) async fn tell(&mut self, event: FileEvent) -> Seq {
        let fact = event.encode(second(self.next));
        self.fact(vec![], fact).await
    }

    /// Commits facts of the machine together.
    pub(crate) async fn tell_all(&mut self, events: impl IntoIterator<Item = FileEvent>) -> Seq {
        let mut records = Vec::new();
        for event in events {
            let origin = Origin { machine: MACHINE, incarnation: Incarnation(7), n: RecordNo(self.next) };
            records.push(NewRecord { origin, fact: event.encode(second(self.next)) });
            self.next += 1;
        }
        let committed = self.store.commit(Batch { blocks: vec![], records }).await.unwrap();
        self.store.tail().wait_for(|tail| *tail >= committed.last).await.unwrap();
        committed.last
    }

    /// Commits a fact of the machine with its blocks, and waits until it can be seen.
    pub(crate) async fn fact(&mut self, blocks: Vec<NewBlock>, fact: AgentRecord) -> Seq {
        let origin = Origin { machine: MACHINE, incarnation: Incarnation(7), n: RecordNo(self.next) };
        self.next += 1;
        self.commit(blocks, NewRecord { origin, fact }).await
    }

    /// Commits a fact of the hub.
    pub(crate) async fn own(&mut self, fact: AgentRecord) -> Seq {
        let origin = Origin { machine: HUB, incarnation: Incarnation(1), n: RecordNo(self.hub_next) };
        self.hub_next += 1;
        self.commit(vec![], NewRecord { origin, fact }).await
    }

    /// Commits the first fact of another machine.
    pub(crate) async fn other(&mut self, machine: MachineId, fact: AgentRecord) -> Seq {
        let origin = Origin { machine, incarnation: Incarnation(1), n: RecordNo(1) };
        self.commit(vec![], NewRecord { origin, fact }).await
    }

    async fn commit(&mut self, blocks: Vec<NewBlock>, record: NewRecord) -> Seq {
        let committed = self.store.commit(Batch { blocks, records: vec![record] }).await.unwrap();
        self.store.tail().wait_for(|tail| *tail >= committed.last).await.unwrap();
        committed.last
    }

    /// Commits a content of one block.
    pub(crate) async fn write(&mut self, node: NodeId, bytes: &[u8]) -> Seq {
        let content = content(bytes);
        let (codec, stored) = compress::pack(StoredKind::DATA, bytes);
        let raw_len = u32::try_from(bytes.len()).unwrap();
        let block = NewBlock::verify(StoredKind::DATA, codec, raw_len, stored, content.digest).unwrap();
        let event = FileEvent::Content(ContentStored { node, content });
        let fact = event.encode(second(self.next));
        self.fact(vec![block], fact).await
    }

    pub(crate) async fn rename(&mut self, node: NodeId, from: (NodeId, &[u8]), to: (NodeId, &[u8])) -> Seq {
        let renamed = Renamed {
            from_parent: from.0,
            from_name: name(from.1),
            to_parent: to.0,
            to_name: name(to.1),
            node,
        };
        self.tell(FileEvent::Renamed(renamed)).await
    }

    pub(crate) async fn remove(&mut self, node: NodeId, at: (NodeId, &[u8])) -> Seq {
        let name = EdgeName::Entry(name(at.1));
        self.tell(FileEvent::Removed(Removed { parent: at.0, name, node })).await
    }

    /// A write whose content has not arrived.
    pub(crate) async fn touch(&mut self, node: NodeId, size: u64) -> Seq {
        let meta = meta(NodeType::File, size);
        self.tell(FileEvent::Metadata(MetadataChanged { node, meta, pending: true })).await
    }

    pub(crate) async fn log(&self, query: LogQuery) -> Vec<LogLine> {
        let (_, mut lines) = self.client.log(&query).await.unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("api.sock")
    }
}

pub(crate) fn content(bytes: &[u8]) -> Content {
    let Metadata { mtime, ctime, mode, .. } = meta(NodeType::File, 0);
    Content {
        digest: Digest::of_data(bytes),
        digest_kind: DigestKind::Whole,
        size: bytes.len() as u64,
        mtime,
        ctime,
        mode,
        torn: false,
        racy: false,
        pending: false,
    }
}

pub(crate) fn at(text: impl AsRef<[u8]>, at: Instant) -> TreeQuery {
    TreeQuery { machine: "web01".into(), path: path(text), at }
}
