//! What commands print and how they end, as a session: help, wrong usage, nobody there; then one hub and
//! what is asked of it; and the units for systemd. Each transcript is a text to compare with.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod health;
mod help;
mod inspect;
mod meter;
mod pages;
mod role;
mod run;
mod session;
mod systemd;
mod talking;
mod tools;
mod usage;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a command ended, with what it printed.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A home of its own, so that nothing of the machine it runs on shows.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Home(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("HOME", self.0.path()).env("TZ", "UTC").env("COLUMNS", "100");
        // Root has fixed places: whatever is there must not be asked.
        command.env("VIGIE_API", self.0.path().join("data/api.sock"));
        for variable in ["XDG_DATA_HOME", "XDG_STATE_HOME", "VIGIE_TOKEN", "VIGIE_LOG"] {
            command.env_remove(variable);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().unwrap();
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(self.0.path().to_str().unwrap(), "HOME");
        let code = output.status.code().unwrap_or(-1);
        Said { code, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again what another process does, which cannot be subscribed to.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
