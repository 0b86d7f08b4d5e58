//! A process group and its leader, from start to burial.
//!
//! The leader is waited for with a pidfd and reaped last: while it is not, its number, which is that of the
//! group, belongs to nobody else, so that no signal can reach a stranger.

use crate::command::{Command, Outputs};
use crate::outcome::{StartError, Usage};
use crate::pipes::Pipes;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, test_kill_process_group};
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process group whose leader was not reaped yet. Dropped before it is, all of the group is killed.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    /// None when it could not be had; then the group is killed at once.
    exit: Option<AsyncFd<OwnedFd>>,
    reaped: bool,
}

impl Process {
    /// Starts the command, with pipes on its outputs if they are to be captured.
    pub(crate) fn start(command: &Command) -> Result<(Process, Pipes), StartError> {
        let failed = |source| StartError::Io { program: command.program.clone(), source };
        let mut child = std_command(command).spawn().map_err(|e| start_error(command, e))?;
        let pid = Pid::from_child(&child);
        let mut process = Process { pid, exit: None, reaped: false };
        let exit = pidfd_open(pid, PidfdFlags::empty()).map_err(|e| failed(e.into()))?;
        process.exit = Some(readable(exit).map_err(failed)?);
        let (out, err) = (child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from));
        let pipes = Pipes::new(out, err, command.keep).map_err(failed)?;
        Ok((process, pipes))
    }

    /// Returns once the leader has ended.
    pub(crate) async fn exited(&self) {
        let Some(exit) = &self.exit else { return };
        if let Err(error) = exit.readable().await {
            // The runtime is going, and with it whoever waits.
            tracing::debug!(%error, "cannot wait for a command any more");
            pending::<()>().await;
        }
    }

    /// Sends a signal to all of the group.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process_group(self.pid, signal) {
            tracing::debug!(%error, pid = self.pid.as_raw_nonzero().get(), ?signal, "no signal to a process group");
        }
    }

    /// Takes the leader's end from the system; none when it has not ended, or the system kept no end.
    pub(crate) fn reap(&mut self) -> Reaped {
        match wait4(self.pid, libc::WNOHANG) {
            Ok(Some((status, usage))) => {
                self.reaped = true;
                Reaped::Ended(status, usage)
            }
            Ok(None) => Reaped::Runs,
            Err(error) => {
                tracing::debug!(%error, "the end of a command went to nobody");
                self.reaped = true;
                Reaped::Lost
            }
        }
    }

    /// Whether members of the group are still there once the leader was reaped.
    pub(crate) fn has_members(&self) -> bool {
        test_kill_process_group(self.pid).is_ok()
    }
}

/// What the system says of the leader.
pub(crate) enum Reaped {
    Ended(ExitStatus, Usage),
    /// It has not ended.
    Runs,
    /// It has ended, and nobody knows how.
    Lost,
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.signal(Signal::KILL);
        let pid = self.pid;
        // A killed process ends within moments, but whoever drops must not wait even for those. Without a
        // thread it stays a zombie until this process ends.
        let burial = std::thread::Builder::new().name("vigie-reap".into()).spawn(move || wait4(pid, 0));
        if let Err(error) = burial {
            tracing::warn!(%error, "cannot wait for a killed command");
        }
    }
}

fn std_command(command: &Command) -> std::process::Command {
    let mut std = std::process::Command::new(&command.program);
    std.args(&command.args).envs(command.env.iter().map(|(name, value)| (name, value)));
    if let Some(dir) = &command.dir {
        std.current_dir(dir);
    }
    let output = || match command.outputs {
        Outputs::Captured => Stdio::piped(),
        Outputs::Inherited => Stdio::inherit(),
    };
    std.stdin(Stdio::null()).stdout(output()).stderr(output()).process_group(0);
    std
}

/// The same error number has several causes; which one it was is looked at afterwards, for the message only.
fn start_error(command: &Command, source: io::Error) -> StartError {
    let program = command.program.clone();
    if let Some(dir) = command.dir.as_ref().filter(|dir| !dir.is_dir()) {
        return StartError::NoDirectory { program, dir: dir.clone() };
    }
    match source.kind() {
        io::ErrorKind::NotFound if Path::new(&program).is_file() => StartError::NoInterpreter { program },
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StartError::NotFound { program },
        io::ErrorKind::PermissionDenied => StartError::NotExecutable { program },
        _ => StartError::Io { program, source },
    }
}

/// Lets the runtime say when a descriptor is readable: a pidfd is, once its process has ended (`pidfd_open(2)`).
#[allow(unsafe_code)]
fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor is open, and stays the same one, until it is dropped; and nobody else has it.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}

/// `wait4(2)`: the end of a child, with what it used. None when it has not ended and `WNOHANG` is set.
#[allow(unsafe_code)]
fn wait4(pid: Pid, options: libc::c_int) -> io::Result<Option<(ExitStatus, Usage)>> {
    let mut status: libc::c_int = 0;
    loop {
        // SAFETY: all zeroes is a value of this plain struct; both pointers are to locals that outlive the
        // call, which writes nothing beyond them.
        let (found, usage) = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            let found = libc::wait4(pid.as_raw_nonzero().get(), &raw mut status, options, &raw mut usage);
            (found, usage)
        };
        match found {
            0 => return Ok(None),
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            _ => return Ok(Some((ExitStatus::from_raw(status), used(&usage)))),
        }
    }
}

fn used(usage: &libc::rusage) -> Usage {
    let time = |t: libc::timeval| {
        let micros = u64::try_from(t.tv_usec).unwrap_or_default();
        Duration::from_secs(u64::try_from(t.tv_sec).unwrap_or_default()) + Duration::from_micros(micros)
    };
    // Linux tells kilobytes (getrusage(2)).
    let rss_bytes_max = u64::try_from(usage.ru_maxrss).unwrap_or_default().saturating_mul(1024);
    Usage { user: time(usage.ru_utime), system: time(usage.ru_stime), rss_bytes_max }
}
