//! Programs that run beside a test.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running program whose lines are waited for, and which never outlives its test.
pub(crate) struct Talking {
    pub(crate) child: Child,
    lines: BufReader<ChildStdout>,
    /// Held open, as a person's terminal is. Netcat stays for as long, whatever its peer does.
    pub(crate) stdin: Option<ChildStdin>,
}

impl Talking {
    pub(crate) fn start(command: &mut Command) -> Talking {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}; cargo xtask setup installs it"));
        let lines = BufReader::new(child.stdout.take().unwrap());
        let stdin = child.stdin.take();
        Talking { child, lines, stdin }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// Asks it to end, and tells its exit code and what it said on standard error.
    pub(crate) fn interrupt(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        // Gone already, when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
