//! The threads that compress what goes the slow way. They are patient ones: on a busy machine everything else goes
//! before them, live changes above all.

use crate::cpu::{self, Cpu, Haste};
use futures_util::future::BoxFuture;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::sync::oneshot;

/// Threads that compress at once: with more, an agent would be no quiet guest on a large machine.
const WIDTH_MAX: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

/// See the module. Dropping it ends the threads when what they were given is done.
#[derive(Debug)]
pub(crate) struct Packers {
    width: usize,
    /// None in a simulation, where work is done on the spot.
    work: Option<mpsc::Sender<Work>>,
}

impl Packers {
    /// Starts as many threads as make sense here.
    pub(crate) fn start(cpu: Cpu) -> io::Result<Self> {
        if cpu == Cpu::Inline {
            return Ok(Packers { width: 1, work: None });
        }
        let width = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(WIDTH_MAX));
        let (sender, receiver) = mpsc::channel::<Work>();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..width {
            let receiver = Arc::clone(&receiver);
            cpu::spawn("vigie-pack", Haste::Patient, move || {
                // The lock is held while waiting, and never while working.
                let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok(work) = next() {
                    work();
                }
            })?;
        }
        Ok(Packers { width, work: Some(sender) })
    }

    /// How many pieces of work are done at once. Each thread keeps about 1 MiB for compressing.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Does a piece of work. `None` when it panicked, which has then been reported.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        let (reply, done) = oneshot::channel();
        let work = move || {
            // Nobody waits any more when the link broke.
            let _given_up = reply.send(work());
        };
        match &self.work {
            Some(threads) => {
                // A panic takes its thread along; when none is left, the reply is dropped with the work.
                let _all_gone = threads.send(Box::new(work));
            }
            None => work(),
        }
        Box::pin(async move { done.await.ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_on_threads_or_on_the_spot() {
        for cpu in [Cpu::Threads, Cpu::Inline] {
            let packers = Packers::start(cpu).unwrap();
            let caller = std::thread::current().id();
            let on = packers.run(|| std::thread::current().id()).await.unwrap();
            assert_eq!(on == caller, cpu == Cpu::Inline);
        }
    }
}
