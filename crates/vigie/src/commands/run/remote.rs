//! On other machines, over SSH.

use super::told::{self, Told};
use super::{KEPT_BYTES, RunArgs, exit_code_of_signal, show};
use crate::asking::{self, has_terminal};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::reaching::{ReachArgs, accept};
use crate::signals::EndSignals;
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::io::Write;
use tokio::sync::{mpsc, watch};
use vigie_exec::Keep;
use vigie_exec::ssh::class::{Class, Failed};
use vigie_exec::ssh::fleet::{HostEnd, run_on};
use vigie_exec::ssh::fold::fold;
use vigie_exec::ssh::session::{self, Ended, Job, Piece, quoted};
use vigie_exec::ssh::sudo::Sudo;
use vigie_exec::ssh::trust::Stranger;

/// Pieces of output that wait to be printed; beyond, hosts wait.
const PIECES: usize = 256;

/// What is kept of each output on each of many machines.
const KEPT_BYTES_OF_MANY: usize = 256 * 1024;

/// The number of SIGINT.
const INTERRUPT: i32 = 2;

/// How machines are reached, and how they are shown.
#[derive(Args, Debug)]
#[command(next_help_heading = "On other machines")]
pub(super) struct ThereArgs {
    #[command(flatten)]
    reach: ReachArgs,

    /// As root, through sudo there; if it wants a password, that is asked for at your terminal, once
    #[arg(long)]
    sudo: bool,

    /// Who connects
    #[arg(long, value_name = "WHO", value_enum, default_value_t = Transport::Own)]
    transport: Transport,

    /// Print the same output once, with all the hosts that gave it
    #[arg(long, conflicts_with = "diff")]
    fold: bool,

    /// Print what most hosts say, and how the others differ from it
    #[arg(long)]
    diff: bool,
}

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// This program itself
    Own,
    /// The system's ssh, which is asked to ask nothing (BatchMode): for GSSAPI, PKCS#11, or an open ControlMaster
    System,
}

impl From<Transport> for session::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Own => session::Transport::Own,
            Transport::System => session::Transport::System,
        }
    }
}

impl ThereArgs {
    /// The system's `ssh` runs without questions.
    fn check(&self) -> Result<(), Failure> {
        if self.transport == Transport::System && (self.sudo || self.reach.asks_password()) {
            return Err(Failure::usage(
                "--transport system answers no questions: neither --sudo nor --ask-password go with it",
            )
            .hint("leave it away, or, where sudoers says NOPASSWD, run `sudo -n CMD`"));
        }
        Ok(())
    }

    /// Whether any of them is given.
    pub(super) fn is_given(&self) -> bool {
        self.reach.is_given() || self.sudo || self.transport == Transport::System || self.fold || self.diff
    }
}

/// How output is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// As it comes: of one host untouched, of several line by line.
    Live,
    /// When a host has ended, as JSON or rows.
    Read,
    /// When all have ended, the same once.
    Folded,
    /// When all have ended, against the majority.
    Compared,
}

impl RunArgs {
    pub(super) async fn run_there(self, mut context: Context, hosts: &str) -> Result<Outcome, Failure> {
        self.there.check()?;
        let hosts = self.there.reach.hosts(hosts).await?;
        let mut end = EndSignals::listen()?;
        let connector = self.there.reach.connector(end.next()).await?;
        let line = self.line()?;
        let shown = match () {
            () if self.reads(&context) => Shown::Read,
            () if self.there.fold => Shown::Folded,
            () if self.there.diff => Shown::Compared,
            () => Shown::Live,
        };
        let (live, pieces) = mpsc::channel(PIECES);
        let kept = if hosts.len() == 1 { KEPT_BYTES } else { KEPT_BYTES_OF_MANY };
        let mut job = Job {
            command: line.clone(),
            marked: !self.as_is,
            transport: self.there.transport.into(),
            sudo: self.there.sudo.then(Sudo::default),
            time_limit: self.timeout,
            keep: Keep::both_ends(if shown == Shown::Live { 0 } else { kept }),
            input: bytes::Bytes::new(),
            live: (shown == Shown::Live).then_some(live),
        };
        let fan_out = self.there.reach.fan_out();
        let mut round = Round {
            args: &self,
            line: &line,
            hosts: &hosts,
            shown,
            out: &mut context.out,
            lines: show::Lines::default(),
            ends: BTreeMap::new(),
            strangers: Vec::new(),
            unknown: BTreeMap::new(),
            locked: Vec::new(),
            may_ask_password: has_terminal(),
        };
        let (stop, stopping) = watch::channel(false);
        let all: Vec<(usize, String)> = hosts.iter().cloned().enumerate().collect();
        let mut feed = Feed { pieces, end: &mut end, stop: &stop };
        round.follow(run_on(&connector, all, &job, fan_out, &stopping), &mut feed).await?;
        let strangers = std::mem::take(&mut round.strangers);
        if !strangers.is_empty() && !*stopping.borrow() {
            let accepted = accept(&strangers, &hosts, feed.end.next()).await?;
            if accepted.is_none() {
                feed.stop.send_replace(true);
            }
            connector.trust().refresh();
            let accepted = accepted.unwrap_or_default().into_iter();
            let again: Vec<(usize, String)> = accepted.map(|index| (index, hosts[index].clone())).collect();
            if !again.is_empty() {
                round.unknown.clear();
                round.follow(run_on(&connector, again, &job, fan_out, &stopping), &mut feed).await?;
            }
        }
        let locked = std::mem::take(&mut round.locked);
        if !locked.is_empty() && !*stopping.borrow() {
            let host = &hosts[locked[0]];
            let whose = if locked.len() == 1 { host.clone() } else { format!("{} hosts", locked.len()) };
            round.may_ask_password = false;
            let question = format!("password for sudo on {whose}: ");
            let Some(password) = asking::password(&question, feed.end.next()).await? else {
                // The others have ended, and are told of.
                let stopped = || Ended::not_begun(&Failed::stopped());
                round.unknown.extend(locked.into_iter().map(|index| (index, stopped())));
                return round.finish(true);
            };
            job.sudo = Some(Sudo::with(password));
            let again: Vec<(usize, String)> =
                locked.into_iter().map(|index| (index, hosts[index].clone())).collect();
            round.follow(run_on(&connector, again, &job, fan_out, &stopping), &mut feed).await?;
        }
        round.finish(*stopping.borrow())
    }

    /// What the user's shell over there gets to read: words stay the words that they are.
    fn line(&self) -> Result<String, Failure> {
        let text = |word: &std::ffi::OsString| {
            word.to_str()
                .map(str::to_owned)
                .ok_or_else(|| Failure::usage("a command for other machines must be UTF-8 text"))
        };
        let line = match &self.shell {
            Some(line) => text(line)?,
            None => {
                let words: Result<Vec<String>, Failure> = self.command.iter().map(text).collect();
                words?.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
            }
        };
        Ok(if self.as_is { line } else { format!("LC_ALL=C.UTF-8; export LC_ALL; {line}") })
    }
}

/// What comes besides ends.
struct Feed<'a> {
    pieces: mpsc::Receiver<Piece>,
    end: &'a mut EndSignals,
    stop: &'a watch::Sender<bool>,
}

/// Hosts that are under way, and those that have ended.
struct Round<'a> {
    args: &'a RunArgs,
    line: &'a str,
    hosts: &'a [String],
    shown: Shown,
    out: &'a mut Output,
    lines: show::Lines,
    ends: BTreeMap<usize, Ended>,
    strangers: Vec<(usize, Stranger)>,
    /// How those end if the user does not accept them.
    unknown: BTreeMap<usize, Ended>,
    /// Those whose `sudo` wants a password, which is still to be asked for.
    locked: Vec<usize>,
    may_ask_password: bool,
}

impl Round<'_> {
    fn is_alone(&self) -> bool {
        self.hosts.len() == 1
    }

    /// Shows what comes until all have ended.
    async fn follow(
        &mut self,
        mut ends: mpsc::Receiver<HostEnd>,
        feed: &mut Feed<'_>,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                // First the wish to end, which no flood may drown; and the last words of a host before its end.
                biased;
                () = feed.end.next() => {
                    if feed.stop.send_replace(true) {
                        // A second wish: nothing more is waited for.
                        return Ok(());
                    }
                    self.out.remark("vigie: ending what runs there; Ctrl-C once more does not wait for it");
                }
                Some(piece) = feed.pieces.recv() => self.piece(&piece)?,
                end = ends.recv() => match end {
                    Some(end) => self.end(end)?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn piece(&mut self, piece: &Piece) -> Result<(), Failure> {
        if !self.is_alone() {
            self.lines.take(self.out, piece)?;
        } else if piece.is_error {
            // With standard error gone its words are lost, and nothing else.
            let _ = std::io::stderr().write_all(&piece.bytes);
        } else {
            self.out.bytes(&piece.bytes)?;
        }
        Ok(self.out.flush()?)
    }

    fn end(&mut self, end: HostEnd) -> Result<(), Failure> {
        let HostEnd { index, ended, stranger } = end;
        match stranger.filter(|_| self.args.there.reach.may_ask()) {
            Some(stranger) => {
                self.strangers.push((index, *stranger));
                self.unknown.insert(index, ended);
                Ok(())
            }
            None => self.ended(index, ended),
        }
    }

    fn ended(&mut self, index: usize, mut ended: Ended) -> Result<(), Failure> {
        let host = self.hosts[index].as_str();
        let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
        self.lines.finish(self.out, name)?;
        if ended.class == Class::SudoPassword && self.may_ask_password {
            self.locked.push(index);
            self.ends.insert(index, ended);
            return Ok(());
        }
        if self.shown == Shown::Read {
            let reading = told::read(&ended.stdout, self.args.ask());
            if self.out.is_json() {
                self.out.json(&Told::there(host, self.line, &ended, &reading))?;
            } else {
                let several = (!self.is_alone()).then_some(host);
                if !show::rows(self.out, &reading, several)? {
                    self.out.bytes(ended.stdout.bytes())?;
                }
                // Likewise.
                let _ = std::io::stderr().write_all(ended.stderr.bytes());
                for warning in &reading.warnings {
                    self.out.warn(&format!("{host}: {warning}"));
                }
            }
            self.out.flush()?;
        }
        if !ended.class.has_ended() && !self.out.is_json() {
            show::not_ended(self.out, host, &ended);
        }
        if self.shown == Shown::Read {
            // It was printed: with many hosts it would be most of our memory.
            (ended.stdout, ended.stderr) = Default::default();
        }
        self.ends.insert(index, ended);
        Ok(())
    }

    fn finish(mut self, is_stopped: bool) -> Result<Outcome, Failure> {
        for (index, ended) in std::mem::take(&mut self.unknown) {
            let stopped = || Ended::not_begun(&Failed::stopped());
            self.ended(index, if is_stopped { stopped() } else { ended })?;
        }
        let Round { hosts, shown, out, ends, .. } = self;
        let indices: Vec<usize> = ends.keys().copied().collect();
        let ended: Vec<Ended> = ends.into_values().collect();
        if matches!(shown, Shown::Folded | Shown::Compared) {
            let names: Vec<&str> = indices.iter().map(|index| hosts[*index].as_str()).collect();
            print_groups(out, &names, &ended, shown == Shown::Compared)?;
        }
        out.flush()?;
        let missing = hosts.len() - ended.len();
        let classes: Vec<(usize, Class, Option<u32>)> =
            indices.iter().zip(&ended).map(|(index, ended)| (*index, ended.class, ended.exit_code)).collect();
        if let [host] = hosts {
            return Ok(Outcome::Command(alone(host, out, ended.first(), is_stopped)));
        }
        out.remark(&show::summary(hosts, &classes));
        let all_ended = missing == 0 && ended.iter().all(|ended| ended.class.has_ended());
        let well = ended.iter().all(|ended| ended.class == Class::Ok);
        Ok(match (all_ended, well) {
            (true, true) => Outcome::Done,
            (true, false) => Outcome::Negative,
            (false, _) => Outcome::Partial,
        })
    }
}

/// Each output once, the most common first, with the hosts that gave it; the others whole, or against the first.
fn print_groups(out: &mut Output, names: &[&str], ended: &[Ended], compared: bool) -> Result<(), Failure> {
    let text = |ended: &Ended| format!("{}{}", ended.stdout.to_text(), ended.stderr.to_text());
    let mut majority: Option<String> = None;
    for group in fold(ended) {
        let one = &ended[group.hosts[0]];
        if !one.class.has_ended() {
            continue;
        }
        let hosts: Vec<&str> = group.hosts.iter().map(|at| names[*at]).collect();
        let code = one.exit_code.filter(|code| *code != 0).map(|code| format!(", exit code {code}"));
        out.line(&format!("---- {} ({}){}", show::folded(&hosts), hosts.len(), code.unwrap_or_default()))?;
        let said = text(one);
        match majority.as_ref().filter(|_| compared) {
            Some(most) => {
                let diff = similar::TextDiff::from_lines(most, &said);
                out.bytes(diff.unified_diff().context_radius(1).to_string().as_bytes())?;
            }
            None => {
                out.bytes(said.as_bytes())?;
                if !said.is_empty() && !said.ends_with('\n') {
                    out.bytes(b"\n")?;
                }
            }
        }
        majority = majority.or(Some(said));
    }
    Ok(())
}

/// The exit code for one host: the command's own, or why there is none.
fn alone(host: &str, out: &Output, ended: Option<&Ended>, is_stopped: bool) -> u8 {
    let Some(ended) = ended else { return exit_code_of_signal(INTERRUPT) };
    match ended.class {
        // Whatever else is known of it, that is why it ended.
        class if is_stopped && !class.has_ended() => exit_code_of_signal(INTERRUPT),
        Class::Ok | Class::Exit => ended.exit_code.map_or(125, |code| u8::try_from(code).unwrap_or(u8::MAX)),
        Class::Signal => {
            out.remark(&format!("{host}: ended by SIG{}", ended.signal.as_deref().unwrap_or("?")));
            exit_code_of_signal(ended.signal.as_deref().map_or(127, number_of))
        }
        Class::TimedOut | Class::MaybeRunning => 124,
        _ => 125,
    }
}

/// The number of a signal on Linux, by its name in the protocol (RFC 4254, section 6.10).
fn number_of(name: &str) -> i32 {
    use rustix::process::Signal;
    let signal = match name {
        "ABRT" => Signal::ABORT,
        "ALRM" => Signal::ALARM,
        "FPE" => Signal::FPE,
        "HUP" => Signal::HUP,
        "ILL" => Signal::ILL,
        "INT" => Signal::INT,
        "KILL" => Signal::KILL,
        "PIPE" => Signal::PIPE,
        "QUIT" => Signal::QUIT,
        "SEGV" => Signal::SEGV,
        "TERM" => Signal::TERM,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        _ => return 127,
    };
    signal.as_raw()
}
