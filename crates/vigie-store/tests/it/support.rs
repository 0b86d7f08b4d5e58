//! What the tests share: a store that runs, and facts to put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use vigie_model::bundle::BundleBuilder;
use vigie_model::files::{
    ContentStored, Created, GapClosed, GapOpened, Linked, MetadataChanged, Removed, Renamed,
};
use vigie_model::*;
use vigie_store::disk::SimDisk;
use vigie_store::{
    Batch, CommitError, Committed, IndexMedium, MemIndex, NewBlock, NewRecord, OpenError, Options, Store,
    compress,
};

/// The machine most facts are of.
pub(crate) const MACHINE: MachineId = MachineId([7; 16]);
/// A directory of the simulated disk.
pub(crate) const SIM_DIR: &str = "/store";

/// Runs a future to its end.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A store whose committer runs on a thread.
pub(crate) struct Running {
    pub(crate) store: Store,
    thread: JoinHandle<()>,
}

impl Running {
    pub(crate) fn open(dir: &Path, options: Options) -> Result<Running, OpenError> {
        let (store, committer) = Store::open(dir, options)?;
        Ok(Running { store, thread: committer.spawn_thread().unwrap() })
    }

    /// On a real disk.
    pub(crate) fn real(dir: &Path) -> Running {
        Running::open(dir, Options::default()).unwrap()
    }

    /// On a simulated disk.
    pub(crate) fn sim(disk: &SimDisk, index: &MemIndex) -> Running {
        Running::open(Path::new(SIM_DIR), sim_options(disk, index)).unwrap()
    }

    /// Makes a batch durable, and waits until it can be read.
    pub(crate) fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        block_on(async {
            let committed = self.store.commit(batch).await?;
            self.store.tail().wait_for(|tail| *tail >= committed.last).await.unwrap();
            Ok(committed)
        })
    }

    /// Ends it cleanly.
    pub(crate) fn stop(self) {
        self.store.close();
        self.thread.join().unwrap();
    }
}

pub(crate) fn sim_options(disk: &SimDisk, index: &MemIndex) -> Options {
    Options {
        disk: Arc::new(disk.clone()),
        index: IndexMedium::Memory(index.clone()),
        seal_bytes: 4096,
        ..Options::default()
    }
}

/// The last record of a machine and what follows.
pub(crate) struct Facts {
    pub(crate) incarnation: Incarnation,
    pub(crate) n: u64,
    pub(crate) observed: i64,
    pub(crate) records: Vec<NewRecord>,
}

impl Facts {
    pub(crate) fn new() -> Facts {
        Facts { incarnation: Incarnation(1), n: 0, observed: 0, records: Vec::new() }
    }

    /// Continues after what is durable.
    pub(crate) fn after(store: &Store) -> Facts {
        match store.last_of(MACHINE).unwrap() {
            Some(last) => Facts {
                incarnation: last.incarnation,
                n: last.n.0,
                observed: last.observed.0,
                records: vec![],
            },
            None => Facts::new(),
        }
    }

    /// A fact one nanosecond after the one before.
    pub(crate) fn add(&mut self, event: FileEvent) -> &mut Self {
        self.observed += 1;
        let fact = event.encode(UnixNanos(self.observed));
        self.fact(fact)
    }

    pub(crate) fn fact(&mut self, fact: AgentRecord) -> &mut Self {
        self.n += 1;
        let origin = Origin { machine: MACHINE, incarnation: self.incarnation, n: RecordNo(self.n) };
        self.records.push(NewRecord { origin, fact });
        self
    }

    pub(crate) fn batch(&mut self, blocks: Vec<NewBlock>) -> Batch {
        Batch { blocks, records: std::mem::take(&mut self.records) }
    }

    /// Commits what was added; gives the number of the last record.
    pub(crate) fn commit(&mut self, running: &Running) -> Seq {
        running.commit(self.batch(Vec::new())).unwrap().last
    }
}

pub(crate) fn node(n: u8) -> NodeId {
    NodeId([n; 16])
}

pub(crate) fn name(name: &str) -> Name {
    Name::new(name.as_bytes()).unwrap()
}

pub(crate) fn path(path: &str) -> BytePath {
    BytePath::new(path.as_bytes()).unwrap()
}

pub(crate) fn meta(node_type: NodeType, mode: u32) -> Metadata {
    Metadata {
        node_type,
        mode,
        uid: 0,
        gid: 0,
        mtime: FileTime { secs: 1, nanos: 2 },
        ctime: FileTime { secs: 3, nanos: 4 },
        size: 0,
        xattrs: Vec::new(),
    }
}

pub(crate) fn root(at: &str, node: NodeId) -> FileEvent {
    let meta = meta(NodeType::Directory, 0o755);
    let name = EdgeName::Root(path(at));
    FileEvent::Created(Created { parent: NodeId::ROOTS, name, node, meta, pending: false })
}

pub(crate) fn dir(parent: NodeId, at: &str, node: NodeId) -> FileEvent {
    let meta = meta(NodeType::Directory, 0o755);
    FileEvent::Created(Created { parent, name: name(at).into(), node, meta, pending: false })
}

pub(crate) fn file(parent: NodeId, at: &str, node: NodeId) -> FileEvent {
    let meta = meta(NodeType::File, 0o644);
    FileEvent::Created(Created { parent, name: name(at).into(), node, meta, pending: true })
}

pub(crate) fn removed(parent: NodeId, at: &str, node: NodeId) -> FileEvent {
    FileEvent::Removed(Removed { parent, name: name(at).into(), node })
}

pub(crate) fn renamed(from: (NodeId, &str), to: (NodeId, &str), node: NodeId) -> FileEvent {
    FileEvent::Renamed(Renamed {
        from_parent: from.0,
        from_name: name(from.1),
        to_parent: to.0,
        to_name: name(to.1),
        node,
    })
}

pub(crate) fn linked(parent: NodeId, at: &str, node: NodeId) -> FileEvent {
    FileEvent::Linked(Linked { parent, name: name(at), node })
}

pub(crate) fn chmod(node: NodeId, mode: u32) -> FileEvent {
    FileEvent::Metadata(MetadataChanged { node, meta: meta(NodeType::File, mode), pending: false })
}

pub(crate) fn gap_opened(root: &str, since: Option<i64>) -> FileEvent {
    let since = since.map(UnixNanos);
    FileEvent::GapOpened(GapOpened { root: path(root), cause: GapCause::Restart, since })
}

pub(crate) fn gap_closed(root: &str) -> FileEvent {
    FileEvent::GapClosed(GapClosed { root: path(root) })
}

/// A data block of these bytes.
pub(crate) fn block(raw: &[u8]) -> NewBlock {
    new_block(BlockKind::Data, raw)
}

pub(crate) fn new_block(kind: BlockKind, raw: &[u8]) -> NewBlock {
    stored(StoredKind::Block(kind), kind.digest(raw), raw)
}

fn stored(kind: StoredKind, digest: Digest, raw: &[u8]) -> NewBlock {
    let (codec, stored) = compress::pack(kind, raw);
    NewBlock::verify(kind, codec, raw.len() as u32, stored, digest).unwrap()
}

/// A bundle of data blocks of these bytes.
pub(crate) fn bundle(blocks: &[&[u8]]) -> NewBlock {
    let mut builder = BundleBuilder::default();
    for raw in blocks {
        builder.push(Digest::of_data(raw), raw);
    }
    let (digest, raw) = builder.finish();
    stored(StoredKind::Bundle, digest, &raw)
}

/// A content of one block.
pub(crate) fn whole(raw: &[u8]) -> Content {
    Content {
        digest: Digest::of_data(raw),
        digest_kind: DigestKind::Whole,
        size: raw.len() as u64,
        mtime: FileTime { secs: 5, nanos: 6 },
        ctime: FileTime { secs: 7, nanos: 8 },
        mode: 0o600,
        torn: false,
        racy: false,
        pending: false,
    }
}

pub(crate) fn content(node: NodeId, content: Content) -> FileEvent {
    FileEvent::Content(ContentStored { node, content })
}

/// All bytes of a content.
pub(crate) fn read(store: &Store, content: &Content) -> Result<Vec<u8>, vigie_store::ReadError> {
    let pieces: Result<Vec<Vec<u8>>, _> = store.content(content).collect();
    Ok(pieces?.concat())
}

/// The paths of a real directory's files with this ending, sorted.
pub(crate) fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Flips one bit of a real file.
pub(crate) fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 1;
    std::fs::write(path, bytes).unwrap();
}
