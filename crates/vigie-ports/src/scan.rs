//! The entry: scans targets one after another and many at once, and tells what it finds.

use std::sync::atomic::AtomicBool;

use crate::plan::{Plan, ScanError, Summary, Target};
use crate::sink::Sink;

/// Scans all targets; blocks until the last is reported, or until `stop` is set and what was found so far is
/// reported. Targets are taken as there is room for them, never all at once; reports come as targets finish.
///
/// # Errors
///
/// If the engine cannot be set up. What happens to single probes is never an error: it is a verdict.
pub fn scan(
    plan: &Plan,
    targets: &mut dyn Iterator<Item = Target>,
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<Summary, ScanError> {
    let _ = (plan, targets, sink, stop);
    Err(ScanError::Failed)
}
