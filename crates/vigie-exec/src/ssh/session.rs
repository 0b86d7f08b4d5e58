//! One command over a connection: started once, always read, and ended when its time is over.

use super::class::{Class, Failed};
use super::connect::{Connection, plain_words};
use super::sudo::{Heard, Preface, Sudo};
use crate::capture::{Capture, Captured, Keep};
use crate::limits::{EXEC_PATIENCE, REMOTE_END_PATIENCE, REMOTE_LINGER, REMOTE_LINGER_MAX, SUDO_PATIENCE};
use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, Sig};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use zeroize::Zeroizing;

/// What is to be run, on any number of hosts.
#[derive(Clone, Debug)]
pub struct Job {
    /// The line for the user's shell there; with `sudo` for `/bin/sh`.
    pub command: String,
    /// Whether that is to be a POSIX shell: then words of ours may stand before the line, by which all that it starts is
    /// found again even where the server takes no variable for it.
    pub marked: bool,
    /// Who connects.
    pub transport: Transport,
    /// As root, through `sudo`; in this process only.
    pub sudo: Option<Sudo>,
    /// How long it may run, from its start.
    pub time_limit: Option<Duration>,
    /// What is kept of each output.
    pub keep: Keep,
    /// What it gets to read.
    pub input: Bytes,
    /// Whoever wants to see the output as it comes.
    pub live: Option<mpsc::Sender<Piece>>,
}

/// Who connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// This process.
    #[default]
    Own,
    /// The system's `ssh`, once for each host.
    System,
}

/// A piece of output as it came.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The host, as it was written.
    pub host: Arc<str>,
    /// Whether it is standard error.
    pub is_error: bool,
    /// The bytes.
    pub bytes: Bytes,
}

/// How a command went.
#[derive(Clone, Debug)]
pub struct Ended {
    /// In one word.
    pub class: Class,
    /// Its exit code, if it had one.
    pub exit_code: Option<u32>,
    /// The signal that ended it, by its name without SIG.
    pub signal: Option<String>,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// From the request to run it until its end.
    pub duration: Duration,
    /// What else is to be said.
    pub message: Option<String>,
}

impl Ended {
    /// The end of something that did not begin.
    #[must_use]
    pub fn not_begun(failed: &Failed) -> Self {
        Ended {
            class: failed.class,
            exit_code: None,
            signal: None,
            stdout: Captured::default(),
            stderr: Captured::default(),
            duration: Duration::ZERO,
            message: Some(failed.told()),
        }
    }
}

/// Runs a command. `stop` turns true when the user wants to end.
pub async fn run(connection: &Connection, job: &Job, mut stop: watch::Receiver<bool>) -> Ended {
    let host: Arc<str> = connection.settings.written.as_str().into();
    let began = Instant::now();
    let nonce = nonce();
    let opened = match begin(connection, job, &nonce).await {
        Ok(channel) => channel,
        Err(failed) => return Ended::not_begun(&failed),
    };
    let mut reader = Reader::new(host, job, &nonce, opened);
    let deadline = job.time_limit.map(|limit| began + limit);
    let over = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let stopped = async {
        if stop.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let cut_short = tokio::select! {
        () = reader.read_to_end() => reader.is_sudo_silent.then_some(Class::ExecFailed),
        () = over => Some(Class::TimedOut),
        () = stopped => Some(Class::Stopped),
    };
    let (class, message) = match cut_short {
        None => reader.class(),
        Some(class) if end_remote(connection, &mut reader, &nonce, job.sudo.as_ref()).await => {
            let silent =
                format!("sudo over there did not say for {SUDO_PATIENCE:?} what it does; it was ended");
            (class, reader.is_sudo_silent.then_some(silent))
        }
        Some(_) => {
            let text = "it was told to end, and nothing shows that it has: look there";
            (Class::MaybeRunning, Some(text.to_owned()))
        }
    };
    // Closing frees the server's side; if that does not go through, closing the connection will.
    let _ = timeout(Duration::from_secs(1), reader.channel.close()).await;
    // Without the command having begun they are those of `sudo`.
    let (exit_code, signal) = match reader.preface {
        Some(_) => (None, None),
        None => (reader.exit_code, reader.signal),
    };
    Ended {
        class,
        exit_code,
        signal,
        stdout: reader.stdout.finish(),
        stderr: reader.stderr.finish(),
        duration: began.elapsed(),
        message,
    }
}

/// Opens a session and starts the command in it. After an error it has certainly not been started.
async fn begin(connection: &Connection, job: &Job, nonce: &str) -> Result<Channel<Msg>, Failed> {
    let host = &connection.settings.written;
    let opened = timeout(REMOTE_END_PATIENCE * 2, connection.handle.channel_open_session()).await;
    let channel = match opened {
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
            let text = format!("{host} opens no session: {why:?}");
            return Err(
                Failed::new(Class::Prohibited, text).hint("its MaxSessions may be 0, or its log says more")
            );
        }
        Ok(Err(error)) => {
            return Err(Failed::new(
                Class::Prohibited,
                format!("{host} opens no session: {}", plain_words(&error)),
            ));
        }
        Err(_) => {
            return Err(Failed::new(
                Class::Prohibited,
                format!("{host} does not answer the request for a session"),
            ));
        }
    };
    let failed = |error: russh::Error| {
        Failed::new(Class::ExecFailed, format!("cannot ask {host} to run it: {}", plain_words(&error)))
    };
    // By it the command and all its children are found again.
    channel.set_env(false, VARIABLE, nonce).await.map_err(failed)?;
    let line = match &job.sudo {
        Some(sudo) => sudo.line(&job.command, nonce),
        None if job.marked => format!("{VARIABLE}={nonce}; export {VARIABLE}; {}", job.command),
        None => job.command.clone(),
    };
    channel.exec(true, line).await.map_err(failed)?;
    Ok(channel)
}

/// A name that servers let pass by default (`AcceptEnv LANG LC_*`).
pub(super) const VARIABLE: &str = "LC_VIGIE_RUN";

pub(super) fn nonce() -> String {
    let mut bytes = [0_u8; 12];
    // Without randomness it is only less unique.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a channel to its end; what it read stays when reading is cut short.
struct Reader {
    host: Arc<str>,
    channel: Channel<Msg>,
    live: Option<mpsc::Sender<Piece>>,
    input: Bytes,
    stdout: Capture,
    stderr: Capture,
    asked: Instant,
    started: bool,
    refused: bool,
    /// It did not even answer the request.
    unanswered: bool,
    /// Until the command that `sudo` is to start has begun.
    preface: Option<Preface>,
    is_sudo_silent: bool,
    /// Why `sudo` did not begin it.
    sudo_failed: Option<Failed>,
    exit_code: Option<u32>,
    signal: Option<String>,
    ended: Option<Instant>,
    closed: bool,
}

impl Reader {
    fn new(host: Arc<str>, job: &Job, nonce: &str, channel: Channel<Msg>) -> Self {
        Reader {
            host,
            channel,
            live: job.live.clone(),
            input: job.input.clone(),
            stdout: Capture::new(job.keep),
            stderr: Capture::new(job.keep),
            asked: Instant::now(),
            started: false,
            refused: false,
            unanswered: false,
            preface: job.sudo.as_ref().map(|sudo| Preface::new(sudo, nonce)),
            is_sudo_silent: false,
            sudo_failed: None,
            exit_code: None,
            signal: None,
            ended: None,
            closed: false,
        }
    }

    /// Returns when the server has closed the channel, when the end is known and nothing comes any more, or when the
    /// request to run it has no answer.
    async fn read_to_end(&mut self) {
        while !self.closed && !self.refused && self.sudo_failed.is_none() {
            let until = match (self.ended, &self.preface) {
                (Some(ended), _) => (Instant::now() + REMOTE_LINGER).min(ended + REMOTE_LINGER_MAX),
                (None, _) if !self.started => self.asked + EXEC_PATIENCE,
                (None, Some(preface)) => preface.deadline,
                (None, None) => {
                    let message = self.channel.wait().await;
                    self.take(message).await;
                    continue;
                }
            };
            match timeout_at(until, self.channel.wait()).await {
                Ok(message) => self.take(message).await,
                Err(_) => {
                    // What was found once stays: this is called again to see the end.
                    self.is_sudo_silent |= self.ended.is_none() && self.started;
                    self.unanswered |= self.ended.is_none() && !self.started;
                    return;
                }
            }
            if self.ended.is_some_and(|ended| ended.elapsed() > REMOTE_LINGER_MAX) {
                return;
            }
        }
    }

    async fn take(&mut self, message: Option<ChannelMsg>) {
        match message {
            None | Some(ChannelMsg::Close) => self.closed = true,
            Some(ChannelMsg::Success) if !self.started => {
                self.started = true;
                if self.preface.is_none() {
                    self.feed();
                }
            }
            Some(ChannelMsg::Failure) if !self.started => self.refused = true,
            Some(ChannelMsg::Data { data }) => {
                self.stdout.take(&data);
                self.show(false, data).await;
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                if let Some(own) = self.after_preface(data) {
                    self.stderr.take(&own);
                    self.show(true, own).await;
                }
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                self.exit_code = Some(exit_status);
                self.ended = Some(Instant::now());
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                self.signal = Some(name_of(&signal_name));
                self.ended = Some(Instant::now());
            }
            Some(_) => {}
        }
    }

    /// What of its standard error is the command's own; `sudo` is answered.
    fn after_preface(&mut self, data: Bytes) -> Option<Bytes> {
        let Some(preface) = &mut self.preface else { return Some(data) };
        match preface.take(&data) {
            Heard::Nothing => None,
            Heard::Asked => {
                match preface.answer() {
                    Some(answer) => self.answer(answer),
                    None => self.sudo_failed = Some(preface.failed(&self.host, None)),
                }
                None
            }
            Heard::AskedAgain => {
                self.sudo_failed = Some(preface.failed(&self.host, None));
                None
            }
            Heard::Begun(own) => {
                self.preface = None;
                self.feed();
                (!own.is_empty()).then_some(own)
            }
        }
    }

    /// Gives `sudo` its password. It reads one line and no more, and what follows is the command's.
    fn answer(&self, answer: Zeroizing<Vec<u8>>) {
        let mut writer = self.channel.make_writer();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            // One that has ended meanwhile says so itself.
            let _ = writer.write_all(&answer).await;
            let _ = writer.flush().await;
        });
    }

    /// Gives it its input, in a task of its own: a command that does not read must not keep us from reading it.
    fn feed(&mut self) {
        let input = std::mem::take(&mut self.input);
        let mut writer = self.channel.make_writer();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            // A command that ends early does not want the rest.
            let _ = writer.write_all(&input).await;
            let _ = writer.shutdown().await;
        });
    }

    async fn show(&self, is_error: bool, bytes: Bytes) {
        if let Some(live) = &self.live {
            // With nobody looking any more it is still captured.
            let _ = live.send(Piece { host: Arc::clone(&self.host), is_error, bytes }).await;
        }
    }

    /// How it went, when it was read to its end.
    fn class(&self) -> (Class, Option<String>) {
        let ended = self.exit_code.is_some() || self.signal.is_some();
        let by_sudo =
            self.preface.as_ref().filter(|_| ended).map(|sudo| sudo.failed(&self.host, self.exit_code));
        if let Some(failed) = self.sudo_failed.clone().or(by_sudo) {
            return (failed.class, Some(failed.told()));
        }
        match (self.exit_code, &self.signal) {
            (Some(0), _) => (Class::Ok, None),
            (Some(_), _) => (Class::Exit, None),
            (None, Some(_)) => (Class::Signal, None),
            (None, None) if self.refused => {
                (Class::ExecFailed, Some("the server refuses to run a command".to_owned()))
            }
            (None, None) if self.unanswered => (
                Class::Lost,
                Some(
                    "the server does not answer the request to run it; whether it runs is not known"
                        .to_owned(),
                ),
            ),
            (None, None) => (
                Class::Lost,
                Some(
                    "the connection ended before the command told its end; what it did is not known"
                        .to_owned(),
                ),
            ),
        }
    }
}

fn name_of(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

/// Ends what still runs there: by the protocol's own signal, which not every server delivers (OpenSSH does not to
/// root's sessions), and else by finding its processes. True when its end is certain.
async fn end_remote(connection: &Connection, reader: &mut Reader, nonce: &str, sudo: Option<&Sudo>) -> bool {
    reader.live = None;
    for signal in [Sig::TERM, Sig::KILL] {
        let signalled = timeout(REMOTE_END_PATIENCE / 5, reader.channel.signal(signal)).await;
        if !matches!(signalled, Ok(Ok(()))) {
            return false;
        }
        // Servers that deliver it do so at once.
        if timeout(REMOTE_END_PATIENCE / 5, reader.read_to_end()).await.is_ok() && is_over(reader) {
            break;
        }
    }
    let mut sweeping = pin!(timeout(REMOTE_END_PATIENCE * 2, sweep(connection, nonce, sudo)));
    let swept = tokio::select! {
        swept = &mut sweeping => swept,
        // A command that floods would hold up all that comes over the connection, if nobody read it.
        () = reader.read_to_end() => sweeping.await,
    };
    // The sweep may have been what ended it.
    let _ = timeout(REMOTE_LINGER, reader.read_to_end()).await;
    match swept {
        Ok(Swept::Gone) => true,
        Ok(Swept::Left) => false,
        // What runs as root is not ended with the user's shell.
        Ok(Swept::Unknown) | Err(_) if sudo.is_some() => false,
        Ok(Swept::None | Swept::Unknown) | Err(_) => is_over(reader),
    }
}

fn is_over(reader: &Reader) -> bool {
    reader.exit_code.is_some() || reader.signal.is_some()
}

pub(super) enum Swept {
    /// Some were found, and all are gone.
    Gone,
    /// None were found.
    None,
    /// Nothing is known.
    Unknown,
    /// Some do not go.
    Left,
}

impl Swept {
    /// By the exit code of the script.
    pub(super) fn of(exit_code: Option<u32>) -> Self {
        match exit_code {
            Some(0) => Swept::Gone,
            Some(3) => Swept::Left,
            Some(4) => Swept::None,
            _ => Swept::Unknown,
        }
    }
}

/// Looks for processes with our mark in their environment and ends them, politely and then not.
pub(super) fn sweep_script(nonce: &str) -> String {
    format!(
        "m='{VARIABLE}={nonce}'; f=4; for s in TERM TERM KILL KILL 0; do n=0; for d in /proc/[0-9]*; do \
         if tr '\\000' '\\n' <$d/environ 2>/dev/null | grep -qxF \"$m\" && ! grep -q '^State:.Z' $d/status 2>/dev/null; \
         then kill -s $s ${{d#/proc/}} 2>/dev/null; n=1; f=0; fi; done; [ $n = 0 ] && exit $f; sleep 0.3; done; exit 3"
    )
}

async fn sweep(connection: &Connection, nonce: &str, sudo: Option<&Sudo>) -> Swept {
    let script = sweep_script(nonce);
    let Ok(mut channel) = connection.handle.channel_open_session().await else { return Swept::Unknown };
    let (line, answer) = match sudo {
        Some(sudo) => sudo.script(&script),
        None => (format!("exec /bin/sh -c {}", quoted(&script)), None),
    };
    if channel.exec(true, line).await.is_err() {
        return Swept::Unknown;
    }
    if let Some(answer) = answer
        && channel.data(&answer[..]).await.is_err()
    {
        return Swept::Unknown;
    }
    let mut code = None;
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    Swept::of(code)
}

/// A word for a POSIX shell that means exactly this text.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
