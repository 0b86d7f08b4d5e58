//! What to run, and how.

use crate::capture::Keep;
use crate::limits::GRACE;
use crate::outcome::{Outcome, StartError};
use crate::supervise;
use std::ffi::{OsStr, OsString};
use std::future::{Future, pending};
use std::path::PathBuf;
use std::time::Duration;

/// What happens to children that a command leaves in the background when it ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Leftovers {
    /// They go on, as they would behind a shell. Their output is no longer read: writing ends them with SIGPIPE.
    #[default]
    Leave,
    /// They are killed with the rest of the process group.
    Kill,
}

/// Where a command's outputs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Outputs {
    /// Here: bounded, and given back with its end.
    #[default]
    Captured,
    /// Straight to where this process's own outputs go, untouched and unseen.
    Inherited,
}

/// A command: what to run, and how. It can be run any number of times.
///
/// It runs without a terminal, with nothing on its standard input, in a process group of its own, so that a signal
/// reaches all that it starts (but not what makes itself a session of its own, as daemons do).
#[derive(Clone, Debug)]
pub struct Command {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) keep: Keep,
    pub(crate) leftovers: Leftovers,
    pub(crate) outputs: Outputs,
}

impl Command {
    /// A program, by its path or its name on the path, without a time limit.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Command {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            time_limit: None,
            grace: GRACE,
            keep: Keep::default(),
            leftovers: Leftovers::default(),
            outputs: Outputs::default(),
        }
    }

    /// A line for the shell: `sh -c LINE`.
    pub fn shell(line: impl AsRef<OsStr>) -> Self {
        Command::new("/bin/sh").arg("-c").arg(line)
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable added to this process's own environment; the last of a name wins.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The directory to run in, instead of this process's own.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// How long it may run. Then its process group is asked to end, and after the grace killed.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// How long after SIGTERM the rest of the group is killed.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What is kept of each of its outputs.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// What happens to children that it leaves behind.
    #[must_use]
    pub fn leftovers(mut self, leftovers: Leftovers) -> Self {
        self.leftovers = leftovers;
        self
    }

    /// Where its outputs go. Nothing is kept of inherited ones.
    #[must_use]
    pub fn outputs(mut self, outputs: Outputs) -> Self {
        self.outputs = outputs;
        self
    }

    /// What will be run: the program, then its arguments.
    pub fn argv(&self) -> impl Iterator<Item = &OsStr> {
        std::iter::once(self.program.as_os_str()).chain(self.args.iter().map(OsString::as_os_str))
    }

    /// Runs it to its end. Dropping the future kills the process group at once: there is nobody left to wait for a
    /// grace.
    ///
    /// # Errors
    /// What did not start. Whatever happens afterwards is in the [`Outcome`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime with time and I/O.
    pub async fn run(&self) -> Result<Outcome, StartError> {
        self.run_until(pending()).await
    }

    /// Runs it to its end, or until `stop` is ready: then its group is asked to end as at a time limit, and the
    /// outcome is [`Ending::Stopped`](crate::Ending::Stopped).
    ///
    /// # Errors
    /// As [`Command::run`].
    ///
    /// # Panics
    /// As [`Command::run`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), vigie_exec::StartError> {
    /// use vigie_exec::{Command, Ending};
    /// let outcome = Command::new("sleep").arg("60").run_until(async {}).await?;
    /// assert_eq!(outcome.ending, Ending::Stopped { killed: false });
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_until(&self, stop: impl Future<Output = ()>) -> Result<Outcome, StartError> {
        supervise::run(self, stop).await
    }
}
