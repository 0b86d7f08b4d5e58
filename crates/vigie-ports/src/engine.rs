//! Which engine probes, and its threads.

use std::io;

use crate::connect::{budget, worker::Worker};
use crate::plan::{EngineChoice, Plan, ScanError};
use crate::report::EngineName;
use crate::sink::Sink;
use crate::syn::engine::Engine as Syn;
use crate::syn::sockets::{self, Sockets};
use crate::work::Work;

/// Threads of an engine, each with sockets of its own. The kernel does the work; more would only wait for each other.
const THREADS: usize = 2;

/// An engine that is ready to start.
pub(crate) enum Engine<'a> {
    Connect(Vec<Worker<'a>>),
    Syn(Vec<Syn<'a>>),
}

/// What one of its threads does.
type Run<'a> = Box<dyn FnOnce() -> io::Result<()> + Send + 'a>;

impl<'a> Engine<'a> {
    /// The engine that was asked for, or the best that may be had; then `sink` is told why.
    pub(crate) fn choose(plan: &Plan, work: &'a Work, sink: &mut dyn Sink) -> Result<Self, ScanError> {
        if plan.engine == EngineChoice::Connect {
            return Engine::connect(work);
        }
        match raw_sockets() {
            Ok(sockets) => {
                Ok(Engine::Syn(sockets.into_iter().map(|sockets| Syn::new(work, sockets)).collect()))
            }
            Err(error) if plan.engine == EngineChoice::Syn => Err(error),
            Err(error) => {
                sink.note(&format!("probing with connect, because the SYN engine {error}"));
                Engine::connect(work)
            }
        }
    }

    fn connect(work: &'a Work) -> Result<Self, ScanError> {
        let sockets = budget::raise() / THREADS;
        let worker = |_| Worker::new(work, sockets);
        let workers = (0..THREADS).map(worker).collect::<io::Result<_>>();
        Ok(Engine::Connect(workers.map_err(|source| ScanError::Setup { act: "epoll", source })?))
    }

    pub(crate) fn name(&self) -> EngineName {
        match self {
            Engine::Connect(_) => EngineName::Connect,
            Engine::Syn(_) => EngineName::Syn,
        }
    }

    /// What its threads are to do.
    pub(crate) fn threads(self) -> Vec<Run<'a>> {
        match self {
            Engine::Connect(workers) => {
                workers.into_iter().map(|worker| Box::new(|| worker.run()) as Run<'a>).collect()
            }
            Engine::Syn(threads) => {
                threads.into_iter().map(|thread| Box::new(|| thread.run()) as Run<'a>).collect()
            }
        }
    }
}

/// The sockets of all threads of the SYN engine. Whoever lacks descriptors is also told of a permission that lacks: with
/// more of them there would be the next error.
fn raw_sockets() -> Result<Vec<Sockets>, ScanError> {
    budget::raise();
    let opened = (0..THREADS).map(|_| Sockets::open()).collect::<io::Result<Vec<_>>>();
    opened.map_err(|source| match (is_denied(&source), sockets::try_one()) {
        (true, _) => ScanError::NotPermitted { source, also: None },
        (false, Err(denied)) if is_denied(&denied) => {
            ScanError::NotPermitted { source: denied, also: Some(source) }
        }
        (false, _) => ScanError::NoSockets { source },
    })
}

fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}
