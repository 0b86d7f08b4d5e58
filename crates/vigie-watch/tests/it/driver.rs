//! Drives an engine as an agent would, with a replica for a hub.

use crate::replica::Replica;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use vigie_model::{Clock, Digest, DigestKind, GapCause, Incarnation, MachineId, Origin, RecordNo, UnixNanos};
use vigie_watch::fakes::FakeFs;
use vigie_watch::{Config, Engine, Files, Piece, ReadEnd, ReadJob, ReadOutcome, Reader};

pub(crate) const MACHINE: MachineId = MachineId([7; 16]);
/// Of the last record before a stop.
pub(crate) const LAST: Origin = Origin { machine: MACHINE, incarnation: Incarnation(0x1f), n: RecordNo(42) };

/// A clock that a test moves.
#[derive(Debug, Default)]
pub(crate) struct Hand(AtomicI64);

impl Hand {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as i64, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn wall(&self) -> UnixNanos {
        UnixNanos(1_800_000_000_000_000_000 + self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed) as u64)
    }
}

/// An engine on a file system in memory.
pub(crate) struct Rig {
    pub(crate) clock: Arc<Hand>,
    pub(crate) fs: FakeFs,
    pub(crate) engine: Engine,
    pub(crate) reader: Reader,
    pub(crate) replica: Replica,
    pub(crate) config: Config,
    pub(crate) queue_max: usize,
}

impl Rig {
    /// `/data` and `/state` exist; `prepare` makes the rest.
    pub(crate) fn new(prepare: impl FnOnce(&FakeFs), configure: impl FnOnce(&mut Config)) -> Rig {
        Rig::with_queue(16_384, prepare, configure)
    }

    pub(crate) fn with_queue(
        queue_max: usize,
        prepare: impl FnOnce(&FakeFs),
        configure: impl FnOnce(&mut Config),
    ) -> Rig {
        let clock = Arc::new(Hand::default());
        let fs = FakeFs::new(clock.clone());
        fs.mkdir_all(b"/data").unwrap();
        fs.mkdir_all(b"/state").unwrap();
        prepare(&fs);
        let mut config = Config::new(MACHINE, vec![crate::replica::path("/data")]);
        config.cookies = Some(crate::replica::path("/state"));
        config.paths = true;
        configure(&mut config);
        let engine = engine(&config, &fs, &clock, queue_max);
        let reader = Reader::new(MACHINE, fs.files(), clock.clone());
        let mut rig = Rig { clock, fs, engine, reader, replica: Replica::default(), config, queue_max };
        rig.engine.start(GapCause::FirstScan, None);
        rig
    }

    /// Ends the engine and begins another with what the replica knows; `meanwhile` happens unseen.
    pub(crate) fn restart(&mut self, meanwhile: impl FnOnce(&FakeFs)) {
        for fact in self.engine.take(usize::MAX) {
            self.replica.apply(&fact);
        }
        let dead = engine(&self.config, &FakeFs::clone(&self.fs), &self.clock, 1);
        drop(std::mem::replace(&mut self.engine, dead));
        meanwhile(&self.fs);
        self.engine = self.fresh();
        for edge in self.replica.known() {
            self.engine.learn(&edge);
        }
        self.engine.start(GapCause::Restart, Some(self.clock.wall()));
    }

    /// What a clean stop would leave; everything stated counts as recorded.
    pub(crate) fn snapshot(&mut self) -> Vec<u8> {
        for fact in self.engine.take(usize::MAX) {
            self.replica.apply(&fact);
        }
        let mut bytes = Vec::new();
        assert!(self.engine.write_snapshot(&LAST, &mut bytes).unwrap(), "everything was taken");
        bytes
    }

    /// As [`Rig::restart`], with what a clean stop leaves in place of what the replica knows.
    pub(crate) fn restart_from_snapshot(&mut self, meanwhile: impl FnOnce(&FakeFs)) {
        let bytes = self.snapshot();
        let dead = engine(&self.config, &FakeFs::clone(&self.fs), &self.clock, 1);
        drop(std::mem::replace(&mut self.engine, dead));
        meanwhile(&self.fs);
        self.engine = self.fresh();
        self.engine.read_snapshot(&LAST, &mut &bytes[..]).unwrap();
        self.engine.start(GapCause::Restart, Some(self.clock.wall()));
    }

    /// An engine that knows nothing.
    pub(crate) fn fresh(&self) -> Engine {
        engine(&self.config, &self.fs, &self.clock, self.queue_max)
    }

    /// One step, and all that came of it. Gives whether there is more to do now.
    pub(crate) fn turn(&mut self) -> bool {
        let mut busy = self.engine.step().busy;
        for fact in self.engine.take(usize::MAX) {
            busy = true;
            self.replica.apply(&fact);
        }
        while let Some(job) = self.engine.next_read() {
            busy = true;
            self.read(job);
        }
        busy
    }

    pub(crate) fn read(&mut self, job: ReadJob) {
        let outcome = read(&self.reader, &job, &mut self.replica);
        if let Some(fact) = self.engine.read_done(job, outcome) {
            // Facts that are about to be taken may come later; those taken have come.
            self.replica.apply(&fact);
        }
    }

    /// Reads a file as one that did not hold still.
    pub(crate) fn read_torn(&mut self, job: ReadJob) {
        let ReadOutcome::Stored(mut content) = read(&self.reader, &job, &mut self.replica) else {
            panic!("{job:?} cannot be read")
        };
        content.torn = true;
        let fact = self.engine.read_done(job, ReadOutcome::Stored(content)).unwrap();
        self.replica.apply(&fact);
    }

    /// Turns until nothing is left to do at this time.
    pub(crate) fn idle(&mut self) {
        for _ in 0..100_000 {
            if !self.turn() {
                return;
            }
        }
        panic!("the engine is busy for ever");
    }

    /// Lets this much time pass, millisecond by millisecond.
    pub(crate) fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            self.clock.forward(Duration::from_millis(1));
            self.idle();
        }
    }

    /// Lets time pass until nothing waits but the watch over the roots.
    pub(crate) fn settle(&mut self) {
        for _ in 0..300 {
            self.idle();
            self.clock.forward(Duration::from_millis(10));
        }
    }

    /// A cookie there and back. No wait for quiet is waited for; only what cannot be found just now is
    /// looked for again after some milliseconds.
    pub(crate) fn flush(&mut self) {
        let cookie = self.engine.cookie().unwrap();
        let began = self.clock.monotonic();
        while self.clock.monotonic() < began + Duration::from_millis(500) {
            if !self.turn() {
                self.clock.forward(Duration::from_millis(1));
            }
            let back = self.engine.cookies_back();
            if back.contains(&cookie) {
                for fact in self.engine.take(usize::MAX) {
                    self.replica.apply(&fact);
                }
                return;
            }
        }
        panic!("the cookie never comes back: {:?}", self.engine.status());
    }

    pub(crate) fn assert_same(&self, what: &str) {
        self.replica.assert_same("/data", &self.fs.snapshot(b"/data"), what);
    }

    /// Words of the facts since the last call.
    pub(crate) fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.replica.log)
    }
}

fn engine(config: &Config, fs: &FakeFs, clock: &Arc<Hand>, queue_max: usize) -> Engine {
    let kernel = fs.kernel(queue_max, Arc::new(|| {}));
    Engine::new(config.clone(), Box::new(kernel), fs.files() as Arc<dyn Files>, clock.clone()).unwrap()
}

/// Reads a file and stores it in the replica; large ones under the digest of all their bytes.
pub(crate) fn read(reader: &Reader, job: &ReadJob, replica: &mut Replica) -> ReadOutcome {
    let mut bytes = Vec::new();
    let end = reader.read(job, &mut |piece| {
        match piece {
            Piece::Whole(piece) | Piece::Chunk(piece) => bytes.extend_from_slice(&piece),
        }
        true
    });
    match end {
        ReadEnd::Read(read) => {
            let digest = Digest::of_data(&bytes);
            replica.blobs.insert(digest, bytes);
            ReadOutcome::Stored(read.content(digest, DigestKind::Whole))
        }
        ReadEnd::Changed => ReadOutcome::Changed,
        ReadEnd::Gone => ReadOutcome::Gone,
        ReadEnd::Failed(errno) => ReadOutcome::Failed(errno),
        ReadEnd::Stopped => ReadOutcome::Abandoned,
    }
}
