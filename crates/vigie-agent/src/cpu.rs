//! Where readers, the capture and compression run: on threads of their own, or, in a simulation, right here.

use std::future::Future;
use std::io;

/// Where work that keeps a core or a disk busy is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// On threads of its own.
    Threads,
    /// On the spot, so that a simulation is the same each time.
    Inline,
}

/// How a thread stands to the others of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Like any other.
    Usual,
    /// Behind those that have something to do at once: see [`PATIENT_NICE`].
    Patient,
}

/// Niceness (setpriority(2)) of patient threads: a tenth of what others get while a core is wanted by both, all of it
/// otherwise.
const PATIENT_NICE: i32 = 10;

impl Cpu {
    /// Runs a loop that may block until it ends: on a thread of this name, or as a task.
    pub(crate) fn drive(
        self,
        name: &str,
        haste: Haste,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        match self {
            Cpu::Inline => {
                tokio::spawn(work);
                Ok(())
            }
            Cpu::Threads => {
                let runtime = tokio::runtime::Handle::current();
                spawn(name, haste, move || runtime.block_on(work))
            }
        }
    }
}

/// Starts a thread that nobody joins.
pub(crate) fn spawn(name: &str, haste: Haste, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let run = move || {
        if haste == Haste::Patient {
            // On Linux this is about the calling thread alone. Where it is forbidden, it is no worse than before.
            let _forbidden = rustix::process::setpriority_process(None, PATIENT_NICE);
        }
        work();
    };
    std::thread::Builder::new().name(name.into()).spawn(run).map(|_not_joined| ())
}
