//! A child process that ends with the bench, whatever happens to it.

use crate::shell;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to start or to end before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program in the background.
pub(crate) struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts it, with both output streams into a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Running> {
        let opening = || format!("cannot write {}", log.display());
        let file = File::options().create(true).append(true).open(log).with_context(opening)?;
        command.stdout(file.try_clone().with_context(opening)?).stderr(file);
        Self::with_streams(command)
    }

    /// Starts it with the output streams as they are set.
    pub(crate) fn with_streams(command: &mut Command) -> Result<Running> {
        let child = command.stdin(Stdio::null()).spawn().with_context(|| shell::cannot_start(command))?;
        Ok(Running { child, name: shell::line(command) })
    }

    /// Its standard output, if it was piped and not taken before.
    pub(crate) fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid(), signal).with_context(|| format!("cannot signal `{}`", self.name))
    }

    /// Fails if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait().with_context(|| format!("cannot ask for `{}`", self.name))? {
            None => Ok(()),
            Some(status) => bail!("`{}` ended by itself: {status}", self.name),
        }
    }

    /// Asks it to end and waits until it has; a failure is one.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) =
                self.child.try_wait().with_context(|| format!("cannot wait for `{}`", self.name))?
            {
                return if status.success() { Ok(()) } else { bail!("`{}` ended with {status}", self.name) };
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("`{}` did not end within {PATIENCE:?}", self.name)
    }

    /// The most memory that was ever resident, in bytes (`VmHWM` of proc(5)).
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib =
            line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|n| n.trim().parse::<u64>().ok());
        Ok(kib.with_context(|| format!("{path} has no VmHWM"))? * 1024)
    }

    /// Waits until it listens on a loopback port.
    pub(crate) fn wait_for_port(&mut self, port: u16) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            self.check()?;
            if start.elapsed() > PATIENCE {
                bail!("`{}` does not listen on port {port}", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback port that nobody uses now.
pub(crate) fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("cannot bind to a free port")?;
    Ok(listener.local_addr().context("cannot learn the port")?.port())
}

/// Raises the soft limit of this process, if it is lower.
pub(crate) fn raise_open_files(wanted: u64) -> Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
            .with_context(|| format!("cannot open {wanted} files at once; the hard limit is {maximum:?}"))?;
    }
    Ok(())
}
