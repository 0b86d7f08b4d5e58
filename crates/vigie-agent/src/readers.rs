//! Readers: they turn files into parcels. Each is a loop of its own that may block. Small files that wait together
//! are read together and handed on together: to wake another thread costs more than to read one of them.

use crate::budget::{Budget, Hold};
use crate::capture::{Order, Reading};
use crate::parcel::{Commit, FinishedList, ListTree, Parcel, RawBlock};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};
use vigie_model::{BlockKind, Digest, DigestKind, ListEntry};
use vigie_watch::{AsRead, LastRoot, Piece, ReadEnd, ReadOutcome, Reader};

/// Files that one reader takes at once.
const READINGS_AT_ONCE: usize = 64;
/// Bytes that a reader gathers before it hands them on.
const GATHERED_BYTES_AIM: usize = 512 * 1024;

/// One reader.
pub(crate) struct FileReader {
    pub(crate) reader: Arc<Reader>,
    /// Files to read, shared with the other readers of the same way.
    pub(crate) readings: Arc<Mutex<mpsc::Receiver<Reading>>>,
    /// Bounded by the budget: every parcel holds its bytes.
    pub(crate) parcels: mpsc::UnboundedSender<Vec<Parcel>>,
    pub(crate) budget: Budget,
    pub(crate) orders: mpsc::WeakUnboundedSender<Order>,
}

/// A file that was read, and what of it was not handed on yet.
struct Done {
    reading: Reading,
    outcome: ReadOutcome,
    last: Vec<RawBlock>,
    hold: Hold,
    sent_some: bool,
}

impl FileReader {
    /// Reads until no more files can come.
    pub(crate) async fn run(self) {
        let mut readings = Vec::new();
        loop {
            let count = self.readings.lock().await.recv_many(&mut readings, READINGS_AT_ONCE).await;
            if count == 0 || self.read_all(readings.drain(..)).await.is_none() {
                return;
            }
        }
    }

    /// Reads some files; `None` when nothing more should be read, or the capture has ended.
    async fn read_all(&self, readings: impl Iterator<Item = Reading>) -> Option<()> {
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        let mut root = LastRoot::default();
        for reading in readings {
            // Whatever is read already must not wait for room, or for a file that takes long.
            let size = usize::try_from(reading.job.size).unwrap_or(usize::MAX);
            if bytes + size > GATHERED_BYTES_AIM {
                bytes = 0;
                self.hand_on(std::mem::take(&mut gathered)).await?;
                if !self.budget.room() {
                    return None;
                }
                // That may have taken long.
                root = LastRoot::default();
            }
            let done = self.read(&mut root, reading);
            bytes += done.last.iter().map(|block| block.raw.len()).sum::<usize>();
            gathered.push(done);
        }
        self.hand_on(gathered).await?;
        self.budget.room().then_some(())
    }

    fn read(&self, root: &mut LastRoot, reading: Reading) -> Done {
        let mut gathering = Gathering::new(self, &reading);
        let end = self.reader.read_another(root, &reading.job, &mut |piece| gathering.take(piece));
        let mut last = Vec::new();
        let outcome = match end {
            ReadEnd::Read(read) => gathering.finish(read, &mut last),
            ReadEnd::Changed => ReadOutcome::Changed,
            ReadEnd::Gone => ReadOutcome::Gone,
            ReadEnd::Failed(errno) => ReadOutcome::Failed(errno),
            ReadEnd::Stopped => ReadOutcome::Abandoned,
        };
        let Gathering { sent_some, hold, .. } = gathering;
        Done { reading, outcome, last, hold, sent_some }
    }

    /// Has the engine state what was read, and hands the records on with their last blocks.
    async fn hand_on(&self, done: Vec<Done>) -> Option<()> {
        if done.is_empty() {
            return Some(());
        }
        let (reply, answer) = oneshot::channel();
        let outcomes = done.iter().map(|done| (done.reading.clone(), done.outcome.clone())).collect();
        self.orders.upgrade()?.send(Order::ReadsDone { outcomes, reply }).ok()?;
        let stated = answer.await.ok()?;
        let mut parcels = Vec::with_capacity(done.len());
        for (Done { reading, last, hold, sent_some, .. }, stated) in done.into_iter().zip(stated) {
            let commit = stated.map(|(fact, entry)| Commit { node: reading.job.node, fact, entry });
            if commit.is_some() || sent_some {
                let load = Load { list: None, data: last, commit, hold, alone: !sent_some };
                parcels.push(self.parcel(&reading, load));
            }
        }
        self.send(parcels);
        Some(())
    }

    fn parcel(&self, reading: &Reading, load: Load) -> Parcel {
        let Load { list, data, commit, hold, alone } = load;
        let end = commit.is_some() || list.is_none();
        let Reading { id: reading, generation, .. } = *reading;
        Parcel { reading, generation, list, data, commit, end, alone, _hold: hold }
    }

    fn send(&self, parcels: Vec<Parcel>) {
        // A session side that is gone takes the agent with it.
        let _ending = self.parcels.send(parcels);
    }
}

/// What goes into one parcel. Only the last one of a reading is without a list.
struct Load {
    list: Option<RawBlock>,
    data: Vec<RawBlock>,
    commit: Option<Commit>,
    /// The bytes of all its blocks.
    hold: Hold,
    alone: bool,
}

/// The pieces of one file on their way into parcels.
struct Gathering<'a> {
    to: &'a FileReader,
    reading: &'a Reading,
    whole: Option<RawBlock>,
    chunks: Vec<RawBlock>,
    lists: ListTree,
    /// The bytes that were not sent yet.
    hold: Hold,
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
            hold: to.budget.hold(0),
            sent_some: false,
        }
    }

    /// Takes the next piece; `false` to stop reading.
    fn take(&mut self, piece: Piece) -> bool {
        match piece {
            Piece::Whole(bytes) => {
                self.hold.grow(bytes.len());
                self.whole = Some(RawBlock::new(BlockKind::Data, bytes));
                true
            }
            Piece::Chunk(bytes) => {
                self.hold.grow(bytes.len());
                let size = bytes.len() as u64;
                let block = RawBlock::new(BlockKind::Data, bytes);
                let entry = ListEntry { digest: block.digest, size };
                self.chunks.push(block);
                let finished = self.lists.push(entry);
                let sends = !finished.is_empty();
                self.send_lists(finished);
                // Room is waited for with empty hands: what a reader holds while it waits, nobody can send.
                !sends || self.to.budget.room()
            }
        }
    }

    /// A list of the lowest level takes its chunks along; higher ones go alone, behind what they name.
    fn send_lists(&mut self, finished: Vec<FinishedList>) {
        for FinishedList { level, block } in finished {
            let mut hold = self.to.budget.hold(0);
            let data = match level {
                0 => {
                    std::mem::swap(&mut hold, &mut self.hold);
                    std::mem::take(&mut self.chunks)
                }
                _ => Vec::new(),
            };
            hold.grow(block.raw.len());
            self.sent_some = true;
            let load = Load { list: Some(block), data, commit: None, hold, alone: false };
            self.to.send(vec![self.to.parcel(self.reading, load)]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::parcel::ReadingId;
    use vigie_model::{BytePath, MachineId, NodeId, SystemClock};
    use vigie_watch::{ReadJob, RealFiles};

    /// The lists of one file take as much room as there is: who waited for it while holding them would wait for ever.
    #[test]
    fn a_large_file_passes_through_less_room_than_one_of_its_lists_takes() {
        const CHUNK: usize = 128 * 1024;
        let (parcels, mut sent) = mpsc::unbounded_channel::<Vec<Parcel>>();
        let (orders, _ordered) = mpsc::unbounded_channel();
        let files = Arc::new(RealFiles::new());
        let to = FileReader {
            reader: Arc::new(Reader::new(MachineId([1; 16]), files, Arc::new(SystemClock::default()))),
            readings: Arc::new(Mutex::new(mpsc::channel(1).1)),
            parcels,
            budget: Budget::new(4 * CHUNK, Cpu::Threads),
            orders: orders.downgrade(),
        };
        let sender = std::thread::spawn(move || {
            let mut bytes = 0;
            while let Some(parcels) = sent.blocking_recv() {
                bytes += parcels
                    .iter()
                    .flat_map(|parcel| &parcel.data)
                    .map(|block| block.raw.len())
                    .sum::<usize>();
            }
            bytes
        });
        let job = ReadJob {
            node: NodeId([2; 16]),
            root: BytePath::new(b"/root".to_vec()).unwrap(),
            below: b"file".to_vec(),
            size: 200 * CHUNK as u64,
            live: false,
            torn: false,
        };
        let reading = Reading { id: ReadingId(1), generation: 0, job };
        let mut gathering = Gathering::new(&to, &reading);
        for i in 0..200u8 {
            assert!(gathering.take(Piece::Chunk(vec![i; CHUNK])), "reading goes on");
        }
        let (finished, root) = std::mem::take(&mut gathering.lists).finish();
        gathering.send_lists(finished);
        assert!(root.is_some());
        drop(gathering);
        drop(to);
        assert_eq!(sender.join().unwrap(), 200 * CHUNK);
    }
}
