//! A run from start to end.

use crate::command::{Command, Leftovers};
use crate::limits::{KILL_PATIENCE, LINGER};
use crate::outcome::{Ending, Outcome, StartError};
use crate::pipes::Pipes;
use crate::process::{Process, Reaped};
use rustix::process::Signal;
use std::future::{Future, pending};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::time::{Instant, sleep, timeout};

/// Why the first wait was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Ended,
    TimedOut,
    Stopped,
}

pub(crate) async fn run(command: &Command, stop: impl Future<Output = ()>) -> Result<Outcome, StartError> {
    let began = Instant::now();
    let (mut process, mut pipes) = Process::start(command)?;
    let over = async {
        match command.time_limit {
            Some(limit) => sleep(limit).await,
            None => pending().await,
        }
    };
    let why = async {
        tokio::select! {
            biased;
            () = process.exited() => Why::Ended,
            () = over => Why::TimedOut,
            () = stop => Why::Stopped,
        }
    };
    let why = pipes.read_until(why).await;
    let mut killed = false;
    match why {
        Why::Ended => end_leftovers(command, &process, &mut pipes).await,
        Why::TimedOut | Why::Stopped => killed = end_group(command, &process, &mut pipes).await,
    }
    let (stdout, stderr) = pipes.finish();
    let reaped = process.reap();
    let left_running = match reaped {
        Reaped::Runs => true,
        // Whoever was killed may need a moment more to be gone.
        _ => why == Why::Ended && command.leftovers == Leftovers::Leave && process.has_members(),
    };
    let (status, usage) = match reaped {
        Reaped::Ended(status, usage) => (Some(status), Some(usage)),
        Reaped::Runs | Reaped::Lost => (None, None),
    };
    let ending = match why {
        Why::Ended => status.map_or(Ending::Unknown, by_itself),
        Why::TimedOut => Ending::TimedOut { killed },
        Why::Stopped => Ending::Stopped { killed },
    };
    Ok(Outcome { ending, stdout, stderr, duration: began.elapsed(), usage, left_running })
}

/// The leader has ended by itself: reads what is left of its output, and ends the rest of its group when asked to.
async fn end_leftovers(command: &Command, process: &Process, pipes: &mut Pipes) {
    let closed = timeout(LINGER, pipes.read_to_end()).await.is_ok();
    if command.leftovers == Leftovers::Leave {
        return;
    }
    process.signal(Signal::KILL);
    if !closed {
        // All that is left now are processes outside of the group.
        let _ = timeout(LINGER, pipes.read_to_end()).await;
    }
}

/// Asks the group to end and, when the grace is over, kills it. True when the grace was not
/// enough.
async fn end_group(command: &Command, process: &Process, pipes: &mut Pipes) -> bool {
    process.signal(Signal::TERM);
    // A stopped process hears nothing but this and SIGKILL.
    process.signal(Signal::CONT);
    let gone = async {
        pipes.read_until(process.exited()).await;
        pipes.read_to_end().await;
    };
    let in_grace = timeout(command.grace, gone).await.is_ok();
    // Members that hold no pipe are seen by nobody, so that the kill is for them in any case.
    process.signal(Signal::KILL);
    if !in_grace {
        let gone = async {
            pipes.read_until(process.exited()).await;
            let _ = timeout(LINGER, pipes.read_to_end()).await;
        };
        let _ = timeout(KILL_PATIENCE, gone).await;
    }
    !in_grace
}

fn by_itself(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, Some(signal)) => Ending::Signalled { signal, core_dumped: status.core_dumped() },
        (None, None) => Ending::Unknown,
    }
}
