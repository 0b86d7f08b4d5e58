//! The store as others see it.

use crate::disk::{Disk, RealDisk};
use crate::error::*;
use crate::types::*;
use std::path::Path;
use std::sync::Arc;
use vigie_model::*;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where journal and packs lie.
    pub disk: Arc<dyn Disk>,
    /// Gives the time at which records are received.
    pub clock: Arc<dyn Clock>,
    /// Where the index lies.
    pub index: IndexMedium,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock::default()),
            index: IndexMedium::Fjall,
        }
    }
}

/// Where the index lies.
#[derive(Clone, Debug)]
pub enum IndexMedium {
    /// On disk, beside the journal.
    Fjall,
    /// In memory; what is handed over outlives the store, as a disk would.
    Memory(MemIndex),
}

/// Rows of an index in memory.
#[derive(Clone, Debug, Default)]
pub struct MemIndex(());

/// The store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(());

/// The one writer of a store. Nothing is committed until it runs.
#[derive(Debug)]
pub struct Committer(());

/// The pieces of a content, in order, each verified.
#[derive(Debug)]
pub struct ContentReader(());

impl Iterator for ContentReader {
    type Item = Result<Vec<u8>, ReadError>;
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

const NOT_YET: StoreError = StoreError::Unsupported("answer yet");

impl Committer {
    /// Runs the committer on its own thread, and the index on another; ends when all [`Store`]s are gone or closed.
    pub fn spawn_thread(self) -> std::io::Result<std::thread::JoinHandle<()>> {
        std::thread::Builder::new().name("vigie-commit".into()).spawn(|| ())
    }
    /// The same as a task, without threads: for simulations.
    pub async fn run(self) {}
}

#[allow(unused_variables)]
impl Store {
    /// Opens or creates.
    pub fn open(dir: &Path, options: Options) -> Result<(Store, Committer), OpenError> {
        Ok((Store(()), Committer(())))
    }
    /// Makes a batch durable.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        Err(CommitError::Closed)
    }
    /// Ends the committer after what is queued; later commits are refused.
    pub fn close(&self) {}
    /// Which blocks are present or queued.
    pub fn has(&self, digests: &[(BlockKind, Digest)]) -> Result<Vec<bool>, StoreError> {
        Err(NOT_YET)
    }
    /// Last record that is durable and indexed.
    pub fn tail(&self) -> tokio::sync::watch::Receiver<Seq> {
        tokio::sync::watch::channel(Seq(0)).1
    }
    /// Records from this number on.
    pub fn records(&self, from: Seq, limit: usize) -> Result<Vec<Record>, StoreError> {
        Err(NOT_YET)
    }
    /// The records just before this number, in ascending order.
    pub fn records_before(&self, before: Seq, limit: usize) -> Result<Vec<Record>, StoreError> {
        Err(NOT_YET)
    }
    /// Newest durable record of a machine.
    pub fn last_of(&self, machine: MachineId) -> Result<Option<LastOf>, StoreError> {
        Err(NOT_YET)
    }
    /// The record with this origin.
    pub fn by_origin(&self, origin: &Origin) -> Result<Option<Record>, StoreError> {
        Err(NOT_YET)
    }
    /// Enrolled machines with their newest names.
    pub fn machines(&self) -> Result<Vec<(MachineId, String)>, StoreError> {
        Err(NOT_YET)
    }
    /// The machine that bears this name now.
    pub fn machine_named(&self, name: &str) -> Result<Option<MachineId>, StoreError> {
        Err(NOT_YET)
    }
    /// How much there is.
    pub fn sizes(&self) -> Sizes {
        Sizes::default()
    }
    /// Whether commits are taken.
    pub fn health(&self) -> Health {
        Health::Ok
    }
    /// Finds an instant.
    pub fn resolve(&self, machine: MachineId, at: Instant) -> Result<At, InstantError> {
        Err(NOT_YET.into())
    }
    /// Roots at an instant.
    pub fn roots(&self, machine: MachineId, at: Seq) -> Result<Vec<(BytePath, NodeId)>, StoreError> {
        Err(NOT_YET)
    }
    /// What a path led to.
    pub fn lookup(&self, machine: MachineId, path: &BytePath, at: Seq) -> Result<Option<NodeId>, StoreError> {
        Err(NOT_YET)
    }
    /// State of a node.
    pub fn node(&self, machine: MachineId, node: NodeId, at: Seq) -> Result<Option<NodeVersion>, StoreError> {
        Err(NOT_YET)
    }
    /// Entries of a directory in the order of their bytes, after the name `after`.
    pub fn children(
        &self,
        machine: MachineId,
        dir: NodeId,
        at: Seq,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(EdgeName, NodeId)>, StoreError> {
        Err(NOT_YET)
    }
    /// Names of a node.
    pub fn names(
        &self,
        machine: MachineId,
        node: NodeId,
        at: Seq,
    ) -> Result<Vec<(NodeId, EdgeName)>, StoreError> {
        Err(NOT_YET)
    }
    /// A path that led to the node.
    pub fn path_of(&self, machine: MachineId, node: NodeId, at: Seq) -> Result<Option<Vec<u8>>, StoreError> {
        Err(NOT_YET)
    }
    /// Records that concern a path.
    pub fn history(&self, machine: MachineId, path: &BytePath) -> Result<Vec<Seq>, StoreError> {
        Err(NOT_YET)
    }
    /// Gaps of a machine.
    pub fn gaps(&self, machine: MachineId) -> Result<Vec<Gap>, StoreError> {
        Err(NOT_YET)
    }
    /// The pieces of a content.
    pub fn content(&self, content: &Content) -> ContentReader {
        ContentReader(())
    }
    /// Reads everything back.
    pub fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, StoreError> {
        Err(NOT_YET)
    }
}
