//! The reader of `vigie log -f --json`: what a person's script would see, and when.

use super::running::Running;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long one change may take before the bench gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A follower; it ends when this is dropped.
pub(crate) struct Follow {
    lines: Receiver<(Instant, String)>,
    _child: Running,
}

impl Follow {
    /// Starts the command, whose standard output must be lines of JSON.
    pub(crate) fn start(command: &mut Command) -> Result<Follow> {
        let mut child = Running::with_streams(command.stdout(Stdio::piped()).stderr(Stdio::inherit()))?;
        let stdout = child.stdout().context("the follower has no standard output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Ok(Follow { lines, _child: child })
    }

    /// Waits for a line that `wanted` accepts and gives the time at which it was read, or nothing when patience
    /// ends.
    pub(crate) fn wait_for(
        &self,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Option<Instant>> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (seen, line) = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("the follower of the log has ended"),
            };
            let value = serde_json::from_str(&line).with_context(|| format!("not a line of JSON: {line}"))?;
            if wanted(&value) {
                return Ok(Some(seen));
            }
        }
    }

    /// Waits for content of this path and size.
    pub(crate) fn wait_for_path(
        &self,
        path: &Path,
        size: usize,
        patience: Duration,
    ) -> Result<Option<Instant>> {
        let path = path.to_str().context("a path that is not UTF-8 cannot be followed")?;
        self.wait_for(patience, |line| line["path"] == path && line["size"] == size)
    }

    /// Forgets what came so far.
    pub(crate) fn drain(&self) {
        while self.lines.try_recv().is_ok() {}
    }
}
