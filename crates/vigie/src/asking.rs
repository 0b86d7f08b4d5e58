//! Questions at the terminal. Ctrl-C, or a request to end, is an answer too, and leaves the terminal as it was.

use crate::failure::Failure;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};
use tokio::sync::oneshot;

const TERMINAL: &str = "/dev/tty";

/// Whether somebody is there to be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether there is a terminal at which a password can be asked for, whatever becomes of input and output.
pub(crate) fn has_terminal() -> bool {
    File::open(TERMINAL).is_ok()
}

/// Asks for a password, which is not shown while it is typed; none when the user ends it instead.
pub(crate) async fn password(
    prompt: &str,
    ended: impl Future<Output = ()>,
) -> Result<Option<String>, Failure> {
    let terminal = Terminal::now();
    let prompt = prompt.to_owned();
    let answer = unless(ended, move || rpassword::prompt_password(prompt)).await;
    // Whoever waits for what is typed has it in its hands, and may not let go in time.
    drop(terminal);
    match answer {
        Ok(password) => Ok(password),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(Failure::usage("cannot ask for a password")
            .because(&error)
            .hint("it is asked for at a terminal only")),
    }
}

/// Asks a question that yes or no answers; none when the user ends it instead.
pub(crate) async fn yes(question: String, ended: impl Future<Output = ()>) -> io::Result<Option<bool>> {
    let answer = unless(ended, move || {
        write!(io::stderr(), "{question} [y/N] ")?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    })
    .await?;
    if answer.is_none() {
        // What follows must not stand behind the question.
        writeln!(io::stderr())?;
    }
    Ok(answer)
}

/// Waits for an answer in a thread of its own, since a read of a terminal cannot be given up. The program ends when
/// the question does, and the thread with it.
async fn unless<T: Send + 'static>(
    ended: impl Future<Output = ()>,
    ask: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<Option<T>> {
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new().name("vigie-ask".into()).spawn(move || {
        // With nobody waiting any more it is not wanted.
        let _ = answer.send(ask());
    })?;
    tokio::select! {
        biased;
        () = ended => Ok(None),
        answer = answered => answer.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())).map(Some),
    }
}

/// The terminal's settings, which are put back when this is dropped.
struct Terminal {
    terminal: File,
    was: Termios,
}

impl Terminal {
    /// As it is now; none when there is no terminal.
    fn now() -> Option<Terminal> {
        let terminal = File::open(TERMINAL).ok()?;
        let was = tcgetattr(&terminal).ok()?;
        Some(Terminal { terminal, was })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.was);
    }
}
