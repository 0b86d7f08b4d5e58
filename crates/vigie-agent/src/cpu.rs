//! Where compression happens, and where readers run: on threads, or, in a simulation, right here.

use futures_util::future::BoxFuture;
use std::future::Future;

/// Where work that keeps a core or a disk busy is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// On threads of its own.
    Threads,
    /// On the spot, so that a simulation is the same each time.
    Inline,
}

/// Threads that compress at once: with more, an agent would be no quiet guest on a large machine.
const WIDTH_MAX: usize = 4;

impl Cpu {
    /// How many pieces of work make sense at once: to be asked once, because the answer takes some system
    /// calls. Each thread that compresses keeps about 1 MiB.
    pub(crate) fn width(self) -> usize {
        match self {
            Cpu::Inline => 1,
            Cpu::Threads => {
                std::thread::available_parallelism().map_or(1, |cores| cores.get().min(WIDTH_MAX))
            }
        }
    }

    /// Does a piece of work.
    pub(crate) fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        match self {
            Cpu::Inline => {
                let done = work();
                Box::pin(async move { Some(done) })
            }
            // An error is a panic, which has already been reported: the reading it was for is given up.
            Cpu::Threads => {
                let away = tokio::task::spawn_blocking(work);
                Box::pin(async move { away.await.ok() })
            }
        }
    }

    /// Runs a loop that may block until it ends: on a thread of this name, or as a task.
    pub(crate) fn drive(
        self,
        name: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        match self {
            Cpu::Inline => {
                tokio::spawn(work);
            }
            Cpu::Threads => {
                let runtime = tokio::runtime::Handle::current();
                std::thread::Builder::new().name(name.into()).spawn(move || runtime.block_on(work))?;
            }
        }
        Ok(())
    }
}
