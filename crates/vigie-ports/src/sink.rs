//! Where a scan says what it finds. Scans run on threads of their own and call it from one of them.

use std::net::SocketAddr;

use crate::report::TargetReport;

/// How far a scan is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pairs of address and port that have their verdict.
    pub done: u64,
    /// Pairs asked for.
    pub total: u64,
    /// Probes sent so far, repetitions included.
    pub probes: u64,
    /// Open ports found so far.
    pub open: u64,
}

/// Whoever is told.
pub trait Sink: Send {
    /// Nothing more will be learnt of this target.
    fn report(&mut self, report: TargetReport);
    /// A port was just found open, before its target is finished.
    fn open(&mut self, _port: SocketAddr) {}
    /// Some ten times a second.
    fn progress(&mut self, _progress: Progress) {}
    /// Something about the whole scan: an engine that could not be had, a rate that was lowered.
    fn note(&mut self, _note: &str) {}
}
