//! Real processes: what they print, how they end, and that none is left.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod endings;
mod hostile;
mod starts;

use std::path::Path;
use std::time::{Duration, Instant};

/// How long a test waits for what must come: long enough for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The time limit of a command that has to set its traps, and to write down its numbers, before it is over: far more than
/// that takes, also where somebody else has the processor.
pub(crate) const TIME_TO_BEGIN: Duration = Duration::from_secs(5);

/// Whether the process is gone, or but a zombie of somebody else's.
fn is_gone(pid: i32) -> bool {
    // The state follows the name, which is in parentheses and may hold anything (proc_pid_stat(5)).
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
    matches!(state, None | Some(b'Z' | b'X'))
}

/// Waits until the process is gone.
pub(crate) async fn gone(pid: i32) {
    let start = Instant::now();
    while !is_gone(pid) {
        assert!(start.elapsed() < PATIENCE, "process {pid} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until no child of this process has the number: it was reaped.
pub(crate) async fn reaped(pid: i32) {
    let start = Instant::now();
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(start.elapsed() < PATIENCE, "process {pid} was not reaped");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the file holds a line, and gives it as a number.
pub(crate) async fn number_in(path: &Path) -> i32 {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Some(line) = text.strip_suffix('\n') {
            return line.parse().unwrap();
        }
        assert!(start.elapsed() < PATIENCE, "{} stays empty", path.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
