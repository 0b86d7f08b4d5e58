//! From frames to a sink: in memory while it takes them, on disk while it does not, and always in order.

use super::spool::{Spool, SpoolError};
use crate::limits;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

/// Why records were not taken.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It may work later: the sink is away, or does not let us in.
    #[error("{0}")]
    Later(String),
    /// It will never take these.
    #[error("{0}")]
    Never(String),
}

/// Something that stores records.
#[async_trait]
pub trait Sink: Send + 'static {
    /// What it is, for messages.
    fn name(&self) -> String;

    /// How many records one attempt has time for.
    fn batch(&self) -> usize {
        limits::BATCH
    }

    /// Stores records, the oldest first. All are stored when this returns without an error; with one, any may be.
    async fn send(&mut self, records: &[Vec<u8>]) -> Result<(), SinkError>;

    /// Says farewell.
    async fn close(&mut self) {}
}

/// How a delivery does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that the sink has stored.
    pub sent: u64,
    /// Records that it will never take, or for which there was no room.
    pub lost: u64,
    /// Records on disk.
    pub spooled: u64,
    /// Why it does not take any now.
    pub trouble: Option<String>,
}

/// A sink and what is on its way to it. Dropped without [`Delivery::finish`], what is in memory is lost.
#[derive(Debug)]
pub struct Delivery {
    records: mpsc::Sender<Vec<u8>>,
    progress: watch::Receiver<Progress>,
    task: AbortOnDropHandle<()>,
}

impl Delivery {
    /// Begins to deliver to a sink; what an earlier life left in the spool goes first.
    ///
    /// # Errors
    /// The spool cannot be opened.
    pub fn start(sink: impl Sink, spool: &Path) -> Result<Self, SpoolError> {
        let spool = Spool::open(spool)?;
        let (records, incoming) = mpsc::channel(limits::WAITING);
        let (progress, seen) = watch::channel(Progress { spooled: spool.len(), ..Progress::default() });
        let courier = Courier {
            sink,
            spool,
            waiting: VecDeque::new(),
            progress,
            retry: None,
            pause: limits::RETRY.0,
            synced: Instant::now(),
        };
        Ok(Delivery {
            records,
            progress: seen,
            task: AbortOnDropHandle::new(tokio::spawn(courier.run(incoming))),
        })
    }

    /// Hands over a record. Waits for nobody; false when even the queue to the disk is full, or the delivery has ended.
    #[must_use]
    pub fn hand_over(&self, record: Vec<u8>) -> bool {
        self.records.try_send(record).is_ok()
    }

    /// How it does, and every change.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Sends what is left, or puts it on disk, and ends.
    pub async fn finish(self) -> Progress {
        drop(self.records);
        let _ = self.task.await;
        self.progress.borrow().clone()
    }
}

struct Courier<S> {
    sink: S,
    spool: Spool,
    /// Records in memory; they are newer than all in the spool.
    waiting: VecDeque<Vec<u8>>,
    progress: watch::Sender<Progress>,
    /// When the sink is tried again; none while it works.
    retry: Option<Instant>,
    pause: Duration,
    synced: Instant,
}

impl<S: Sink> Courier<S> {
    async fn run(mut self, mut incoming: mpsc::Receiver<Vec<u8>>) {
        let mut is_open = true;
        while is_open {
            let has_work = !self.waiting.is_empty() || !self.spool.is_empty();
            let retry = self.retry.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                record = incoming.recv() => match record {
                    Some(record) => self.keep(record),
                    None => is_open = false,
                },
                () = sleep_until(retry), if has_work => {
                    // Records go on coming while the sink takes its time.
                    self.deliver(&mut incoming).await;
                }
            }
        }
        self.last_words().await;
    }

    /// Keeps a record until it is sent.
    fn keep(&mut self, record: Vec<u8>) {
        if self.retry.is_none() && self.spool.is_empty() && self.waiting.len() < limits::WAITING {
            self.waiting.push_back(record);
            return;
        }
        self.spill();
        self.write_down(&record);
        if self.synced.elapsed() >= Duration::from_secs(1) {
            self.sync();
        }
    }

    /// Puts what is in memory on disk: the order must stay.
    fn spill(&mut self) {
        while let Some(record) = self.waiting.pop_front() {
            self.write_down(&record);
        }
    }

    fn write_down(&mut self, record: &[u8]) {
        match self.spool.push(record) {
            Ok(dropped) => {
                if dropped > 0 {
                    tracing::warn!(
                        sink = self.sink.name(),
                        dropped,
                        "the spool is full: the oldest records made room"
                    );
                }
                let spooled = self.spool.len();
                self.progress.send_modify(|p| {
                    p.lost += dropped;
                    p.spooled = spooled;
                });
            }
            Err(error) => {
                tracing::error!(sink = self.sink.name(), %error, "a record is lost");
                self.progress.send_modify(|p| p.lost += 1);
            }
        }
    }

    fn sync(&mut self) {
        self.synced = Instant::now();
        if let Err(error) = self.spool.sync() {
            tracing::error!(sink = self.sink.name(), %error, "what waits for it may be lost in a crash");
        }
    }

    /// The oldest records, and whether they are on disk.
    fn batch(&mut self) -> (Vec<Vec<u8>>, bool) {
        if self.spool.is_empty() {
            return (self.waiting.iter().take(self.sink.batch()).cloned().collect(), false);
        }
        match self.spool.peek(self.sink.batch()) {
            Ok(records) if records.is_empty() => {
                // What was counted is not there: the disk lost it.
                let lost = self.spool.len();
                self.progress.send_modify(|p| p.lost += lost);
                self.taken(lost);
                (Vec::new(), true)
            }
            Ok(records) => (records, true),
            Err(error) => {
                self.down(&error.to_string());
                (Vec::new(), true)
            }
        }
    }

    fn taken(&mut self, count: u64) {
        if let Err(error) = self.spool.take(count) {
            tracing::error!(sink = self.sink.name(), %error, "records will be sent twice");
        }
    }

    /// One attempt. What comes meanwhile stays in its channel, and goes to memory when that is half full.
    async fn deliver(&mut self, incoming: &mut mpsc::Receiver<Vec<u8>>) {
        let (records, are_on_disk) = self.batch();
        if records.is_empty() {
            return;
        }
        let sent = timeout(limits::SINK_PATIENCE, self.sink.send(&records)).await;
        let sent = sent.unwrap_or_else(|_| Err(SinkError::Later("no answer in time".to_owned())));
        let count = records.len() as u64;
        match sent {
            Ok(()) => self.up(count, 0),
            Err(SinkError::Never(why)) if count == 1 => {
                tracing::error!(sink = self.sink.name(), why, "a record was refused, and is lost");
                self.up(0, 1);
            }
            Err(SinkError::Never(_)) => return self.one_by_one(&records, are_on_disk).await,
            Err(SinkError::Later(why)) => {
                self.down(&why);
                self.spill();
                while let Ok(record) = incoming.try_recv() {
                    self.write_down(&record);
                }
                return self.sync();
            }
        }
        self.forget(count, are_on_disk);
    }

    /// One record of several was refused: the others must not suffer from it.
    async fn one_by_one(&mut self, records: &[Vec<u8>], are_on_disk: bool) {
        for record in records {
            let one = std::slice::from_ref(record);
            match timeout(limits::SINK_PATIENCE, self.sink.send(one)).await {
                Ok(Ok(())) => self.up(1, 0),
                Ok(Err(SinkError::Never(why))) => {
                    tracing::error!(sink = self.sink.name(), why, "a record was refused, and is lost");
                    self.up(0, 1);
                }
                Ok(Err(SinkError::Later(why))) => return self.down(&why),
                Err(_) => return self.down("no answer in time"),
            }
            self.forget(1, are_on_disk);
        }
    }

    fn forget(&mut self, count: u64, are_on_disk: bool) {
        if are_on_disk {
            self.taken(count);
        } else {
            self.waiting.drain(..self.waiting.len().min(usize::try_from(count).unwrap_or(usize::MAX)));
        }
        let spooled = self.spool.len();
        self.progress.send_modify(|p| p.spooled = spooled);
    }

    fn up(&mut self, sent: u64, lost: u64) {
        if self.retry.take().is_some() {
            tracing::info!(sink = self.sink.name(), spooled = self.spool.len(), "takes values again");
        }
        self.pause = limits::RETRY.0;
        self.progress.send_modify(|p| {
            p.sent += sent;
            p.lost += lost;
            p.trouble = None;
        });
    }

    fn down(&mut self, why: &str) {
        if self.retry.is_none() {
            tracing::warn!(sink = self.sink.name(), why, "takes no values; they wait on disk");
        }
        self.retry = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(limits::RETRY.1);
        self.progress.send_modify(|p| p.trouble = Some(why.to_owned()));
    }

    async fn last_words(&mut self) {
        let deadline = Instant::now() + limits::LAST_WORDS;
        while !(self.waiting.is_empty() && self.spool.is_empty()) && self.retry.is_none() {
            let (records, are_on_disk) = self.batch();
            if records.is_empty() {
                break;
            }
            match tokio::time::timeout_at(deadline, self.sink.send(&records)).await {
                Ok(Ok(())) => {
                    self.up(records.len() as u64, 0);
                    self.forget(records.len() as u64, are_on_disk);
                }
                Ok(Err(_)) | Err(_) => break,
            }
        }
        self.spill();
        self.sync();
        let _ = timeout(limits::LAST_WORDS, self.sink.close()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A sink that does what it is told.
    #[derive(Clone, Default)]
    struct Fake(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        is_down: bool,
        stored: Vec<String>,
    }

    #[async_trait]
    impl Sink for Fake {
        fn name(&self) -> String {
            "fake".into()
        }

        async fn send(&mut self, records: &[Vec<u8>]) -> Result<(), SinkError> {
            let mut state = self.0.lock().unwrap();
            if state.is_down {
                return Err(SinkError::Later("down".into()));
            }
            if records.iter().any(|record| record == b"bad") {
                return Err(SinkError::Never("bad".into()));
            }
            state.stored.extend(records.iter().map(|record| String::from_utf8_lossy(record).into_owned()));
            Ok(())
        }
    }

    async fn reached(delivery: &Delivery, wanted: impl Fn(&Progress) -> bool) {
        delivery.progress().wait_for(|progress| wanted(progress)).await.unwrap();
    }

    fn give(delivery: &Delivery, numbers: std::ops::Range<u32>) {
        for number in numbers {
            assert!(delivery.hand_over(number.to_string().into_bytes()));
        }
    }

    fn all(numbers: std::ops::Range<u32>) -> Vec<String> {
        numbers.map(|number| number.to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_loses_nothing_and_keeps_the_order() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::default();
        let delivery = Delivery::start(fake.clone(), dir.path()).unwrap();
        give(&delivery, 0..3);
        reached(&delivery, |p| p.sent == 3).await;
        fake.0.lock().unwrap().is_down = true;
        give(&delivery, 3..50);
        reached(&delivery, |p| p.trouble.is_some() && p.spooled == 47).await;
        give(&delivery, 50..60);
        reached(&delivery, |p| p.spooled == 57).await;
        fake.0.lock().unwrap().is_down = false;
        reached(&delivery, |p| p.sent == 60 && p.spooled == 0 && p.trouble.is_none()).await;
        give(&delivery, 60..61);
        assert_eq!(delivery.finish().await, Progress { sent: 61, ..Progress::default() });
        assert_eq!(fake.0.lock().unwrap().stored, all(0..61));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_sent_waits_for_the_next_life() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::default();
        fake.0.lock().unwrap().is_down = true;
        let delivery = Delivery::start(fake.clone(), dir.path()).unwrap();
        give(&delivery, 0..20);
        assert_eq!(delivery.finish().await.spooled, 20);
        fake.0.lock().unwrap().is_down = false;
        let delivery = Delivery::start(fake.clone(), dir.path()).unwrap();
        give(&delivery, 20..22);
        reached(&delivery, |p| p.sent == 22).await;
        assert_eq!(fake.0.lock().unwrap().stored, all(0..22));
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_is_refused_does_not_hold_up_others() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::default();
        let delivery = Delivery::start(fake.clone(), dir.path()).unwrap();
        give(&delivery, 0..2);
        assert!(delivery.hand_over(b"bad".to_vec()));
        give(&delivery, 2..4);
        reached(&delivery, |p| p.sent == 4 && p.lost == 1).await;
        assert_eq!(fake.0.lock().unwrap().stored, all(0..4));
    }
}
