//! A child process whose output is kept for the day a test fails, and which never outlives its test.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a test waits for anything: long enough for a loaded machine, short enough for a person.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again and again until there is an answer. For conditions of other processes, which cannot be
/// subscribed to; panics with `what` when patience ends.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A `vigie` that runs in the background.
pub(crate) struct Process {
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts it; what it prints, on both streams, is appended to the file `output`.
    pub(crate) fn start(command: &mut Command, output: &Path) -> Process {
        let file = File::options().create(true).append(true).open(output).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Process { child, output: output.to_path_buf() }
    }

    /// What it printed so far.
    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Waits until it has printed this.
    pub(crate) fn prints(&self, text: &str) {
        eventually(&format!("`{text}` is printed"), || self.printed().contains(text).then_some(()));
    }

    /// Whether it has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Pulls the plug.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end as a service manager would, and waits until it did.
    pub(crate) fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ends()
    }

    fn ends(mut self) -> ExitStatus {
        eventually("a process that was asked to end has ended", || self.ended())
    }

    /// Asks it to end with these signals at once: they come while it stands still, and are there when it goes on.
    pub(crate) fn stop_with(self, signals: &[Signal]) -> ExitStatus {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.id());
        eventually("a process stands still", || {
            std::fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
        });
        signals.iter().for_each(|signal| self.signal(*signal));
        self.signal(Signal::CONT);
        self.ends()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.output.display(), self.printed());
        }
    }
}
