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
            let size = usize::try_from(reading.job.size).unwrap_or(usize::MAX);
            let mut fits = bytes + size <= GATHERED_BYTES_AIM;
            // Whatever is read already must not wait for room, or for a file that takes long.
            let done = loop {
                let beside = !gathered.is_empty();
                if let Some(done) = fits.then(|| self.read(&mut root, &reading, beside)).flatten() {
                    break done;
                }
                (fits, bytes) = (true, 0);
                self.hand_on(std::mem::take(&mut gathered)).await?;
                if !self.budget.room() {
                    return None;
                }
                // That may have taken long.
                root = LastRoot::default();
            };
            bytes += done.last.iter().map(|block| block.raw.len()).sum::<usize>();
            gathered.push((reading, done));
        }
        self.hand_on(gathered).await?;
        self.budget.room().then_some(())
    }

    /// Reads a file; `None` when it is `beside` others that wait, and turns out to be too large for that.
    fn read(&self, root: &mut LastRoot, reading: &Reading, beside: bool) -> Option<Done> {
        let mut gathering = Gathering::new(self, reading, beside);
        let end = self.reader.read_another(root, &reading.job, &mut |piece| gathering.take(piece));
        let mut last = Vec::new();
        let outcome = match end {
            ReadEnd::Read(read) => gathering.finish(read, &mut last),
            ReadEnd::Changed => ReadOutcome::Changed,
            ReadEnd::Gone => ReadOutcome::Gone,
            ReadEnd::Failed(errno) => ReadOutcome::Failed(errno),
            ReadEnd::Stopped if gathering.outgrown => return None,
            ReadEnd::Stopped => ReadOutcome::Abandoned,
        };
        let Gathering { sent_some, hold, .. } = gathering;
        Some(Done { outcome, last, hold, sent_some })
    }

    /// Has the engine state what was read, and hands the records on with their last blocks.
    async fn hand_on(&self, done: Vec<(Reading, Done)>) -> Option<()> {
        if done.is_empty() {
            return Some(());
        }
        let (reply, answer) = oneshot::channel();
        let outcomes = done.iter().map(|(reading, done)| (reading.clone(), done.outcome.clone())).collect();
        self.orders.upgrade()?.send(Order::ReadsDone { outcomes, reply }).ok()?;
        let stated = answer.await.ok()?;
        let mut parcels = Vec::with_capacity(done.len());
        for ((reading, done), stated) in done.into_iter().zip(stated) {
            let Done { last, hold, sent_some, .. } = done;
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
    /// Files that were read before wait to be handed on together with this one.
    beside: bool,
    /// They cannot wait for all of it, and nothing of it was sent.
    outgrown: bool,
}

impl<'a> Gathering<'a> {
    fn new(to: &'a FileReader, reading: &'a Reading, beside: bool) -> Self {
        Gathering {
            to,
            reading,
            whole: None,
            chunks: Vec::new(),
            lists: ListTree::default(),
            hold: to.budget.hold(0),
            sent_some: false,
            beside,
            outgrown: false,
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
                if finished.is_empty() {
                    return true;
                }
                // Room is waited for with empty hands: what a reader holds while it waits, nobody can send.
                self.outgrown = self.beside;
                if self.outgrown {
                    return false;
                }
                self.send_lists(finished);
                self.to.budget.room()
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
    use crate::ledger::Ledger;
    use crate::parcel::ReadingId;
    use std::time::Duration;
    use vigie_model::{AgentRecord, BytePath, GapCause, MachineId, NodeId, Stream, SystemClock, UnixNanos};
    use vigie_watch::fakes::FakeFs;
    use vigie_watch::{Config, Engine, Files, ReadJob, RealFiles};

    const MACHINE: MachineId = MachineId([1; 16]);
    const CHUNK: usize = 128 * 1024;

    /// A reader, and what takes all that it hands on as soon as it can: gives the bytes of data once the reader is gone.
    fn reader(
        files: Arc<dyn Files>,
        room: usize,
        orders: mpsc::WeakUnboundedSender<Order>,
    ) -> (FileReader, std::thread::JoinHandle<usize>) {
        let (parcels, mut sent) = mpsc::unbounded_channel::<Vec<Parcel>>();
        let reader = FileReader {
            reader: Arc::new(Reader::new(MACHINE, files, Arc::new(SystemClock::default()))),
            readings: Arc::new(Mutex::new(mpsc::channel(1).1)),
            parcels,
            budget: Budget::new(room, Cpu::Threads),
            orders,
        };
        let sender = std::thread::spawn(move || {
            let mut bytes = 0;
            while let Some(parcels) = sent.blocking_recv() {
                let data = parcels.iter().flat_map(|parcel| &parcel.data);
                bytes += data.map(|block| block.raw.len()).sum::<usize>();
            }
            bytes
        });
        (reader, sender)
    }

    /// The lists of one file take as much room as there is: who waited for it while holding them would wait for ever.
    #[test]
    fn a_large_file_passes_through_less_room_than_one_of_its_lists_takes() {
        let (orders, _ordered) = mpsc::unbounded_channel();
        let (to, sender) = reader(Arc::new(RealFiles::new()), 4 * CHUNK, orders.downgrade());
        let job = ReadJob {
            node: NodeId([2; 16]),
            root: BytePath::new(b"/root".to_vec()).unwrap(),
            below: b"file".to_vec(),
            size: 200 * CHUNK as u64,
            live: false,
            torn: false,
        };
        let reading = Reading { id: ReadingId(1), generation: 0, job };
        let mut gathering = Gathering::new(&to, &reading, false);
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

    /// What the capture says of every file that was read: there is a record.
    fn state(mut orders: mpsc::UnboundedReceiver<Order>) {
        let (ledger, node) = (Ledger::default(), NodeId([2; 16]));
        let (observed, stream) = (UnixNanos(0), Stream::FILES);
        let fact = AgentRecord { observed, stream, kind: 5, version: 1, payload: vec![] };
        while let Some(Order::ReadsDone { outcomes, reply }) = orders.blocking_recv() {
            assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, ReadOutcome::Stored(_))));
            let stated = outcomes.iter().map(|_| Some((fact.clone(), ledger.open(node)))).collect();
            let _reader_gone = reply.send(stated);
        }
    }

    /// Small files that were read take all the room, and the next one is no longer the small one it was.
    #[test]
    fn a_file_that_grew_does_not_wait_for_room_that_the_files_before_it_take() {
        let clock = Arc::new(SystemClock::default());
        let fs = FakeFs::new(clock.clone());
        fs.mkdir_all(b"/data").unwrap();
        // Chunks and lists end where the bytes say so: those of one byte over and over would not.
        let grown: Vec<u8> =
            (0..64 * CHUNK as u64 / 32).flat_map(|i| Digest::of_data(&i.to_le_bytes()).0).collect();
        for name in [&b"/data/a"[..], b"/data/b", b"/data/c"] {
            fs.write(name, &[3; CHUNK]).unwrap();
        }
        let config = Config::new(MACHINE, vec![BytePath::new(&b"/data"[..]).unwrap()]);
        let kernel = Box::new(fs.kernel(1_000, Arc::new(|| {})));
        let mut engine = Engine::new(config, kernel, fs.files(), clock).unwrap();
        engine.start(GapCause::FirstScan, None);
        while engine.step().busy {
            engine.take(usize::MAX);
        }
        let jobs = std::iter::from_fn(|| engine.next_read());
        let readings: Vec<_> =
            jobs.zip(0..).map(|(job, id)| Reading { id: ReadingId(id), generation: 0, job }).collect();
        let last = readings.last().unwrap();
        assert_eq!((readings.len(), last.job.size), (3, CHUNK as u64));
        fs.write(&[b"/data/", &last.job.below[..]].concat(), &grown).unwrap();

        let (orders, ordered) = mpsc::unbounded_channel();
        std::thread::spawn(move || state(ordered));
        let (to, sender) = reader(fs.files(), 2 * CHUNK, orders.downgrade());
        let budget = to.budget.clone();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _test_gave_up = tell.send(runtime.block_on(to.read_all(readings.into_iter())));
        });
        let read = told.recv_timeout(Duration::from_secs(60));
        budget.close();
        assert_eq!(read, Ok(Some(())), "it waits for ever");
        assert_eq!(sender.join().unwrap(), 2 * CHUNK + grown.len());
        drop(orders);
    }
}
