//! The same through the system's own `ssh`: for what this process cannot do itself (GSSAPI, PKCS#11, an open
//! `ControlMaster`). (`ssh(1)`)
//!
//! `ssh` ends with 255 both when it fails itself and when the command does. So a shell over there says on standard error
//! that the command begins, and how it ended; what comes before is `ssh`'s own, and without the second the end is lost.

use super::class::{Class, Failed};
use super::config::{Policy, Settings};
use super::connect::Connector;
use super::session::{Ended, Job, Piece, Swept, VARIABLE, nonce, quoted, sweep_script};
use super::sudo::find;
use crate::capture::Capture;
use crate::limits::{
    BACKOFF_FIRST, HANDSHAKE_PATIENCE, LINGER, PIECE_BYTES, REMOTE_END_PATIENCE, REMOTE_LINGER,
    SYSTEM_WORDS_BYTES_MAX, TRIES_MAX,
};
use bytes::Bytes;
use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Runs a job on a host. `stop` turns true when the user wants to end.
pub(super) async fn run(connector: &Connector, host: &str, job: &Job, stop: watch::Receiver<bool>) -> Ended {
    let settings = match connector.settings(host).await {
        Ok(settings) => settings,
        Err(failed) => return Ended::not_begun(&failed),
    };
    let client = Client { args: args(connector, &settings, host), settings };
    let mut pause = BACKOFF_FIRST;
    let mut wish = stop.clone();
    for _ in 1..TRIES_MAX {
        let ended = client.run_gated(connector, job, stop.clone()).await;
        if !ended.class.may_be_retried() {
            return ended;
        }
        // Whoever was turned away together must not come back together.
        let jitter = getrandom::u32().map_or(0.5, |n| f64::from(n) / f64::from(u32::MAX));
        tokio::select! {
            () = sleep(pause.mul_f64(0.5 + jitter)) => {}
            () = wished(&mut wish) => return ended,
        }
        pause *= 2;
    }
    client.run_gated(connector, job, stop).await
}

/// How `ssh` is called for a host, up to the line for the shell there.
struct Client {
    args: Vec<OsString>,
    settings: Arc<Settings>,
}

/// The user's configuration holds; what is given with the command goes over it, and nobody is asked anything.
fn args(connector: &Connector, settings: &Settings, host: &str) -> Vec<OsString> {
    let overrides = connector.overrides();
    let mut args = overrides.args();
    let mut option = |text: OsString| args.extend(["-o".into(), text]);
    option("BatchMode=yes".into());
    let seconds = settings.connect_timeout.as_secs_f64().ceil();
    option(format!("ConnectTimeout={seconds}").into());
    option(format!("ServerAliveInterval={}", settings.alive_interval.as_secs().max(1)).into());
    option(format!("ServerAliveCountMax={}", settings.alive_count).into());
    let policy = overrides.policy.map(|policy| match policy {
        Policy::Strict | Policy::Ask => "yes",
        Policy::AcceptNew => "accept-new",
        Policy::Off => "no",
    });
    if let Some(policy) = policy {
        option(format!("StrictHostKeyChecking={policy}").into());
    }
    if let Some(file) = &overrides.known_hosts {
        let mut text = OsString::from("UserKnownHostsFile=\"");
        text.push(file);
        text.push("\"");
        option(text);
    }
    args.extend(["-T".into(), "--".into(), host.into()]);
    args
}

// === impl Client ===

impl Client {
    fn start(&self, line: &str) -> Result<(Child, ChildStdin, ChildStdout, ChildStderr), Failed> {
        let failed = |why: &str| Failed::new(Class::Config, format!("cannot run the system's ssh: {why}"));
        let mut command = Command::new("ssh");
        command.args(&self.args).arg(line).env("LC_ALL", "C").kill_on_drop(true);
        // In a group of its own: Ctrl-C is ours to pass on.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(input), Some(out), Some(err)) => Ok((child, input, out, err)),
            _ => Err(failed("it has no pipes")),
        }
    }

    async fn run_gated(&self, connector: &Connector, job: &Job, mut stop: watch::Receiver<bool>) -> Ended {
        let pass = tokio::select! {
            pass = connector.gate().enter(&self.settings.hostname) => pass,
            () = wished(&mut stop) => {
                return Ended::not_begun(&Failed::new(Class::Stopped, "stopped before it was begun"));
            }
        };
        let nonce = nonce();
        let (child, input, out, err) = match self.start(&line(&job.command, &nonce)) {
            Ok(started) => started,
            Err(failed) => return Ended::not_begun(&failed),
        };
        let mut run = Run {
            host: self.settings.written.as_str().into(),
            job,
            child,
            input: Some(input),
            out: Some(out),
            err: Some(err),
            framed: Framed::new(&nonce),
            stdout: Capture::new(job.keep),
            stderr: Capture::new(job.keep),
            began: Instant::now(),
        };
        let mut pass = Some(pass);
        let patience = self.settings.connect_timeout + HANDSHAKE_PATIENCE * 2;
        let over = run.follow(patience, stop, || {
            if let Some(pass) = pass.take() {
                pass.succeeded();
            }
        });
        let over = over.await;
        let (class, message) = match over {
            Over::Ended => run.class(&self.settings),
            Over::Silent => {
                let text = format!("{} does not answer for {patience:?}", self.settings.written);
                (Class::ConnectTimeout, Some(text))
            }
            Over::Stopped if !run.framed.begun => {
                (Class::Stopped, Some("stopped before it said that it had begun".to_owned()))
            }
            Over::Stopped | Over::TimedOut => {
                let class = if over == Over::Stopped { Class::Stopped } else { Class::TimedOut };
                match timeout(REMOTE_END_PATIENCE * 3, self.sweep(&nonce)).await {
                    Ok(Swept::Gone) => (class, None),
                    _ => {
                        let text = "it was told to end, and nothing shows that it has: look there";
                        (Class::MaybeRunning, Some(text.to_owned()))
                    }
                }
            }
        };
        if let Some(pass) = pass.filter(|_| class == Class::Throttled) {
            pass.throttled();
        }
        let _ = run.child.start_kill();
        run.finish(class, message)
    }

    /// Ends what a run has left there.
    async fn sweep(&self, nonce: &str) -> Swept {
        let line = format!("exec /bin/sh -c {}", quoted(&sweep_script(nonce)));
        // It says next to nothing, which the pipes hold.
        let Ok((mut child, input, _out, _err)) = self.start(&line) else { return Swept::Unknown };
        drop(input);
        let code = child.wait().await.ok().and_then(|status| status.code());
        Swept::of(code.and_then(|code| u32::try_from(code).ok()))
    }
}

/// The line for the user's shell over there.
fn line(command: &str, nonce: &str) -> String {
    let script = format!(
        "printf '%s%s\\n' vigie-{nonce} -begun >&2; \"${{SHELL:-/bin/sh}}\" -c {}; s=$?; \
         printf '%s%s %d\\n' vigie-{nonce} -ended \"$s\" >&2; exit \"$s\"",
        quoted(command)
    );
    format!("exec env {VARIABLE}={nonce} /bin/sh -c {}", quoted(&script))
}

/// Why nothing more is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Ended,
    TimedOut,
    Stopped,
    /// It did not begin.
    Silent,
}

/// Returns when the user wants to end.
async fn wished(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// One call of `ssh`.
struct Run<'a> {
    host: Arc<str>,
    job: &'a Job,
    child: Child,
    input: Option<ChildStdin>,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
    framed: Framed,
    stdout: Capture,
    stderr: Capture,
    /// The start of `ssh`, then that of the command.
    began: Instant,
}

impl Run<'_> {
    async fn follow(
        &mut self,
        patience: std::time::Duration,
        mut stop: watch::Receiver<bool>,
        mut on_begun: impl FnMut(),
    ) -> Over {
        let (mut out, mut err) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
        let mut until = Some(self.began + patience);
        loop {
            tokio::select! {
                read = read(&mut self.out, &mut out) => self.take_out(out.get(..read)).await,
                read = read(&mut self.err, &mut err) => {
                    let (begun, ended) = (self.framed.begun, self.framed.ended);
                    self.take_err(err.get(..read)).await;
                    if self.framed.begun && !begun {
                        on_begun();
                        self.began = Instant::now();
                        until = self.job.time_limit.map(|limit| self.began + limit);
                    }
                    if self.framed.ended.is_some() && ended.is_none() {
                        until = Some(Instant::now() + REMOTE_LINGER);
                    }
                }
                _ = self.child.wait() => {
                    let _ = timeout(LINGER, self.drain()).await;
                    return Over::Ended;
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    return match (self.framed.ended, self.framed.begun) {
                        (Some(_), _) => Over::Ended,
                        (None, true) => Over::TimedOut,
                        (None, false) => Over::Silent,
                    };
                }
                () = wished(&mut stop) => return Over::Stopped,
            }
        }
    }

    /// What is still in the pipes.
    async fn drain(&mut self) {
        let (mut out, mut err) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
        while self.out.is_some() || self.err.is_some() {
            tokio::select! {
                read = read(&mut self.out, &mut out) => self.take_out(out.get(..read)).await,
                read = read(&mut self.err, &mut err) => self.take_err(err.get(..read)).await,
            }
        }
    }

    async fn take_out(&mut self, piece: Option<&[u8]>) {
        match piece {
            Some([]) | None => self.out = None,
            Some(piece) => {
                self.stdout.take(piece);
                self.show(false, Bytes::copy_from_slice(piece)).await;
            }
        }
    }

    async fn take_err(&mut self, piece: Option<&[u8]>) {
        let own = match piece {
            Some([]) | None => {
                self.err = None;
                self.framed.rest()
            }
            Some(piece) => self.framed.take(piece),
        };
        if self.framed.begun
            && let Some(mut input) = self.input.take()
        {
            let given = self.job.input.clone();
            tokio::spawn(async move {
                // A command that ends early does not want the rest.
                let _ = input.write_all(&given).await;
            });
        }
        if !own.is_empty() {
            self.stderr.take(&own);
            self.show(true, own.into()).await;
        }
    }

    async fn show(&self, is_error: bool, bytes: Bytes) {
        if let Some(live) = &self.job.live {
            // With nobody looking any more it is still captured.
            let _ = live.send(Piece { host: Arc::clone(&self.host), is_error, bytes }).await;
        }
    }

    fn class(&mut self, settings: &Settings) -> (Class, Option<String>) {
        match (self.framed.ended, self.framed.begun) {
            (Some(0), _) => (Class::Ok, None),
            (Some(_), _) => (Class::Exit, None),
            (None, true) => {
                let text = "the connection ended before the command told its end; what it did is not known";
                (Class::Lost, Some(text.to_owned()))
            }
            (None, false) => {
                let code = self.child.try_wait().ok().flatten().and_then(|status| status.code());
                let said = String::from_utf8_lossy(&self.framed.preface);
                let failed = not_begun(&settings.written, &said, code);
                let class = match failed.class {
                    // Nothing was heard of a server: it was the command on the way that ended.
                    Class::Throttled if settings.proxy_command.is_some() => Class::Unreachable,
                    class => class,
                };
                (class, Some(failed.told()))
            }
        }
    }

    fn finish(self, class: Class, message: Option<String>) -> Ended {
        Ended {
            class,
            exit_code: self.framed.ended,
            signal: None,
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            duration: self.began.elapsed(),
            message,
        }
    }
}

/// Reads a piece; never ready without a pipe.
async fn read(from: &mut Option<impl AsyncRead + Unpin>, into: &mut [u8]) -> usize {
    match from {
        // What cannot be read any more has ended.
        Some(from) => from.read(into).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// An exit code in digits is no longer.
const CODE_BYTES_MAX: usize = 10;

/// Standard error, with the words of the shell over there.
#[derive(Debug)]
struct Framed {
    begun_word: Vec<u8>,
    ended_word: Vec<u8>,
    begun: bool,
    ended: Option<u32>,
    /// Before the beginning: what `ssh` says.
    preface: Vec<u8>,
    /// It may be the beginning of a word.
    held: Vec<u8>,
}

impl Framed {
    fn new(nonce: &str) -> Self {
        Framed {
            begun_word: format!("vigie-{nonce}-begun\n").into_bytes(),
            ended_word: format!("vigie-{nonce}-ended ").into_bytes(),
            begun: false,
            ended: None,
            preface: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Takes a piece; gives what of it is the command's own.
    fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        if self.ended.is_some() {
            return piece.to_vec();
        }
        if self.begun {
            self.held.extend_from_slice(piece);
        } else {
            self.preface.extend_from_slice(piece);
            let Some(at) = find(&self.preface, &self.begun_word) else {
                let over = self.preface.len().saturating_sub(SYSTEM_WORDS_BYTES_MAX);
                self.preface.drain(..over);
                return Vec::new();
            };
            self.begun = true;
            self.held = self.preface.split_off(at + self.begun_word.len());
        }
        let Some(at) = find(&self.held, &self.ended_word) else {
            let keep = (1..self.ended_word.len())
                .rev()
                .find(|n| self.held.ends_with(&self.ended_word[..*n]))
                .unwrap_or_default();
            let rest = self.held.split_off(self.held.len() - keep);
            return std::mem::replace(&mut self.held, rest);
        };
        let word = &self.held[at + self.ended_word.len()..];
        let Some(end) = word.iter().position(|byte| *byte == b'\n') else {
            if word.len() > CODE_BYTES_MAX {
                // The shell's own word ends here: somebody over there makes it up, and would have it kept for ever.
                return std::mem::take(&mut self.held);
            }
            let rest = self.held.split_off(at);
            return std::mem::replace(&mut self.held, rest);
        };
        self.ended = std::str::from_utf8(&word[..end]).ok().and_then(|code| code.parse().ok());
        let behind = at + self.ended_word.len() + end + 1;
        let mut own = std::mem::take(&mut self.held);
        own.drain(at..behind);
        own
    }

    /// What was held back, when nothing follows.
    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// Why a command did not begin, by what `ssh` says of it (OpenSSH's `ssh.c`, `sshconnect.c`, `kex.c`, `packet.c`).
fn not_begun(host: &str, said: &str, code: Option<i32>) -> Failed {
    const OWN_FAILURE: i32 = 255;
    const CLASSES: [(Class, &[&str]); 12] = [
        (
            Class::Config,
            &["bad configuration option", "Bad configuration option", "Can't open user config file"],
        ),
        (Class::Resolve, &["Could not resolve hostname"]),
        (Class::HostKeyRevoked, &["REVOKED HOST KEY", "is revoked"]),
        (Class::HostKeyChanged, &["REMOTE HOST IDENTIFICATION HAS CHANGED"]),
        (Class::HostKeyUnknown, &["Host key verification failed", "host key is known for"]),
        (Class::Auth, &["Permission denied (", "Too many authentication failures"]),
        (Class::Refused, &["Connection refused"]),
        (Class::ConnectTimeout, &["timed out"]),
        (Class::Unreachable, &["No route to host", "Network is unreachable"]),
        (Class::Prohibited, &["administratively prohibited", "open failed", "Session open refused"]),
        (
            Class::Throttled,
            &["kex_exchange_identification: Connection closed", "kex_exchange_identification: read"],
        ),
        (
            Class::Handshake,
            &["kex_", "Unable to negotiate", "Bad packet length", "message authentication code"],
        ),
    ];
    let words = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it says nothing");
    let known = CLASSES.iter().find(|(_, texts)| texts.iter().any(|text| said.contains(text)));
    let known = known.map(|(class, _)| class).or(was_hung_up_on(said).then_some(&Class::Throttled));
    match (known, code) {
        (Some(class), Some(OWN_FAILURE)) => Failed::new(*class, format!("ssh to {host}: {words}")),
        (_, Some(OWN_FAILURE) | None) => {
            let text = format!("ssh to {host} ended before the command told that it begins: {words}");
            Failed::new(Class::Lost, text).hint("what it did is not known")
        }
        (_, Some(code)) => {
            let text = format!("the shell on {host} does not start it, and ends with {code}: {words}");
            Failed::new(Class::ExecFailed, text)
        }
    }
}

/// Whether the other side was gone before `ssh` had said who it is: what it says then names the host and the port.
fn was_hung_up_on(said: &str) -> bool {
    let why = ["Broken pipe", "Connection reset by peer"];
    said.lines().map(str::trim).any(|line| {
        line.starts_with("banner exchange: Connection to ") && why.iter().any(|why| line.ends_with(why))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_shell_are_taken_out_however_they_come() {
        let said =
            b"Warning: x\nvigie-00ff-begun\nerror vigie-00ff-en\nlast wordsvigie-00ff-ended 255\nlate\n";
        for size in 1..said.len() {
            let mut framed = Framed::new("00ff");
            let mut own: Vec<u8> = said.chunks(size).flat_map(|piece| framed.take(piece)).collect();
            own.extend(framed.rest());
            assert_eq!(String::from_utf8(own).unwrap(), "error vigie-00ff-en\nlast wordslate\n", "{size}");
            assert_eq!(framed.ended, Some(255));
        }
        let mut cut = Framed::new("00ff");
        assert_eq!(cut.take(b"vigie-00ff-begun\nabc vigie-00ff-ended 1"), b"abc ");
        assert_eq!(
            (cut.ended, cut.rest().as_slice()),
            (None, &b"vigie-00ff-ended 1"[..]),
            "half a word is no end"
        );
        let mut endless = Framed::new("00ff");
        endless.take(b"vigie-00ff-begun\n");
        let own: usize = (0..1000).map(|_| endless.take(b"vigie-00ff-ended 11111111").len()).sum();
        assert!(own + 100 > 25_000 && endless.held.len() < 100, "an end without end is not kept: {own}");
    }

    #[test]
    fn what_ssh_says_has_a_class_and_255_alone_has_none() {
        let class = |said: &str, code| not_begun("h", said, Some(code)).class;
        assert_eq!(class("ssh: connect to host h port 22: Connection refused\n", 255), Class::Refused);
        assert_eq!(class("h: Permission denied (publickey).\n", 255), Class::Auth);
        assert_eq!(
            class("kex_exchange_identification: Connection closed by remote host\n", 255),
            Class::Throttled
        );
        for why in ["Broken pipe", "Connection reset by peer"] {
            let said = format!("banner exchange: Connection to UNKNOWN port 65535: {why}\r\n");
            assert_eq!(class(&said, 255), Class::Throttled);
        }
        assert_eq!(
            class("kex_exchange_identification: banner line contains invalid characters\n", 255),
            Class::Handshake
        );
        assert_eq!(class("Connection to h closed by remote host.\n", 255), Class::Lost);
        assert_eq!(class("This account is currently not available.\n", 1), Class::ExecFailed);
    }
}
