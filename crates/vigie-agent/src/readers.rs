//! Readers: they turn files into parcels. Each is a loop of its own that may block.

use crate::budget::Budget;
use crate::capture::{Order, Reading};
use crate::parcel::{Commit, FinishedList, ListTree, Parcel, RawBlock};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};
use vigie_model::{BlockKind, Digest, DigestKind, ListEntry};
use vigie_watch::{AsRead, Piece, ReadEnd, ReadOutcome, Reader};

/// One reader.
pub(crate) struct FileReader {
    pub(crate) reader: Arc<Reader>,
    /// Files to read, shared with the other readers of the same way.
    pub(crate) readings: Arc<Mutex<mpsc::Receiver<Reading>>>,
    /// Bounded by the budget: every parcel holds its bytes.
    pub(crate) parcels: mpsc::UnboundedSender<Parcel>,
    pub(crate) budget: Budget,
    pub(crate) orders: mpsc::WeakUnboundedSender<Order>,
}

impl FileReader {
    /// Reads until no more files can come.
    pub(crate) async fn run(self) {
        loop {
            let reading = self.readings.lock().await.recv().await;
            let Some(reading) = reading else { return };
            if !self.budget.room() {
                return;
            }
            if self.read(reading).await.is_none() {
                return;
            }
        }
    }

    /// Reads one file; `None` when the capture has ended.
    async fn read(&self, reading: Reading) -> Option<()> {
        let mut gathering = Gathering::new(self, &reading);
        let end = self.reader.read(&reading.job, &mut |piece| gathering.take(piece));
        let mut last = Vec::new();
        let outcome = match end {
            ReadEnd::Read(read) => gathering.finish(read, &mut last),
            ReadEnd::Changed => ReadOutcome::Changed,
            ReadEnd::Gone => ReadOutcome::Gone,
            ReadEnd::Failed(errno) => ReadOutcome::Failed(errno),
            ReadEnd::Stopped => ReadOutcome::Abandoned,
        };
        let sent_some = gathering.sent_some;
        let (reply, answer) = oneshot::channel();
        let node = reading.job.node;
        let done = Order::ReadDone { reading: reading.clone(), outcome, reply };
        self.orders.upgrade()?.send(done).ok()?;
        let commit = answer.await.ok()?.map(|(fact, entry)| Commit { node, fact, entry });
        if commit.is_some() || sent_some {
            self.send(&reading, Load { list: None, data: last, commit, alone: !sent_some });
        }
        Some(())
    }

    fn send(&self, reading: &Reading, load: Load) {
        let bytes = load.data.iter().chain(&load.list).map(|block| block.raw.len()).sum();
        let Load { list, data, commit, alone } = load;
        let end = commit.is_some() || list.is_none();
        let (id, generation, hold) = (reading.id, reading.generation, self.budget.hold(bytes));
        let parcel = Parcel { reading: id, generation, list, data, commit, end, alone, _hold: hold };
        // A session side that is gone takes the agent with it.
        let _ending = self.parcels.send(parcel);
    }
}

/// What goes into one parcel. Only the last one of a reading is without a list.
struct Load {
    list: Option<RawBlock>,
    data: Vec<RawBlock>,
    commit: Option<Commit>,
    alone: bool,
}

/// The pieces of one file on their way into parcels.
struct Gathering<'a> {
    to: &'a FileReader,
    reading: &'a Reading,
    whole: Option<RawBlock>,
    chunks: Vec<RawBlock>,
    lists: ListTree,
    sent_some: bool,
}

impl<'a> Gathering<'a> {
    fn new(to: &'a FileReader, reading: &'a Reading) -> Self {
        Gathering {
            to,
            reading,
            whole: None,
            chunks: Vec::new(),
            lists: ListTree::default(),
            sent_some: false,
        }
    }

    /// Takes the next piece; `false` to stop reading.
    fn take(&mut self, piece: Piece) -> bool {
        match piece {
            Piece::Whole(bytes) => {
                self.whole = Some(RawBlock::new(BlockKind::Data, bytes));
                true
            }
            Piece::Chunk(bytes) => {
                let size = bytes.len() as u64;
                let block = RawBlock::new(BlockKind::Data, bytes);
                let entry = ListEntry { digest: block.digest, size };
                self.chunks.push(block);
                let finished = self.lists.push(entry);
                let go_on = finished.is_empty() || self.to.budget.room();
                self.send_lists(finished);
                go_on
            }
        }
    }

    /// A list of the lowest level takes its chunks along; higher ones go alone, behind what they name.
    fn send_lists(&mut self, finished: Vec<FinishedList>) {
        for FinishedList { level, block } in finished {
            let data = if level == 0 { std::mem::take(&mut self.chunks) } else { Vec::new() };
            self.sent_some = true;
            self.to.send(self.reading, Load { list: Some(block), data, commit: None, alone: false });
        }
    }

    /// The file was read to its end. Gives what to tell the engine; `last` gets the block that goes with the record.
    fn finish(&mut self, read: AsRead, last: &mut Vec<RawBlock>) -> ReadOutcome {
        let (finished, root) = std::mem::take(&mut self.lists).finish();
        self.send_lists(finished);
        if let Some(root) = root {
            return ReadOutcome::Stored(read.content(root, DigestKind::List));
        }
        last.extend(self.whole.take().filter(|block| !block.raw.is_empty()));
        let digest = last.first().map_or_else(|| Digest::of_data(b""), |block| block.digest);
        ReadOutcome::Stored(read.content(digest, DigestKind::Whole))
    }
}
