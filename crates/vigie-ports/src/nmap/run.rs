//! The process of nmap, and its XML as it comes.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{NmapError, command};
use crate::host::Host;
use crate::limits::{NMAP_KILL_AFTER, NMAP_STDERR_BYTES_MAX, V6_TARGETS_FOR_NMAP_MAX};
use crate::plan::{Plan, Target};
use crate::ports::PortSet;
use crate::xml::host::SeenHost;
use crate::xml::{Item, Reader};

/// How often to look whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Who is told what nmap finds.
pub trait NmapSink: Send {
    /// A target is done.
    fn host(&mut self, host: Host);
    /// A part of nmap's work is so far, in percent.
    fn progress(&mut self, _task: &str, _percent: f64) {}
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct NmapSummary {
    /// Targets that were reported.
    pub reported: u64,
    /// Targets that nmap was given and did not report.
    pub missing: u64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// Whether it sent SYN probes.
    pub is_syn: bool,
    /// What went wrong after some targets were reported.
    pub problem: Option<NmapError>,
}

/// Scans all targets with nmap, first those with IPv4 addresses, then the others; blocks until the last is reported,
/// or until `stop` is set and nmap was ended.
///
/// # Errors
///
/// If nmap is missing or cannot be started, or fails before it has reported anything.
pub fn scan(
    plan: &Plan,
    targets: &mut (dyn Iterator<Item = Target> + Send),
    sink: &mut dyn NmapSink,
    stop: &AtomicBool,
) -> Result<NmapSummary, NmapError> {
    let (mut v6, mut dropped) = (Vec::new(), 0);
    let mut v4 = targets.filter_map(|target| {
        let is_v4 = target.address.is_ipv4();
        if !is_v4 && v6.len() < V6_TARGETS_FOR_NMAP_MAX {
            v6.push(target);
            return None;
        }
        dropped += u64::from(!is_v4);
        is_v4.then_some(target)
    });
    let mut summary = NmapSummary::default();
    let asked = plan.ports.iter().copied().collect();
    // Nothing is started for nobody.
    if let Some(first) = v4.next() {
        run(
            command::scan(plan, false)?,
            &asked,
            &mut std::iter::once(first).chain(v4),
            sink,
            stop,
            &mut summary,
        )?;
    }
    while !v6.is_empty() && !stop.load(Ordering::Relaxed) && summary.problem.is_none() {
        // nmap does not say on which interface a link-local address is: each address once in a run.
        let mut seen = HashSet::new();
        let (now, later) = v6.into_iter().partition(|target: &Target| seen.insert(target.address));
        v6 = later;
        run(command::scan(plan, true)?, &asked, &mut Vec::into_iter(now), sink, stop, &mut summary)?;
    }
    summary.missing += v6.len() as u64 + dropped;
    Ok(summary)
}

/// Asks nmap for the services on these open ports of one address.
///
/// # Errors
///
/// If nmap is missing or fails; or is stopped, which is a failure here.
pub fn services(target: &Target, open: &PortSet, stop: &AtomicBool) -> Result<Option<Host>, NmapError> {
    struct Last(Option<Host>);
    impl NmapSink for Last {
        fn host(&mut self, host: Host) {
            self.0 = Some(host);
        }
    }
    let (mut last, mut summary) = (Last(None), NmapSummary::default());
    let args = command::services(open, target.address.is_ipv6())?;
    run(args, open, &mut std::iter::once(target.clone()), &mut last, stop, &mut summary)?;
    match summary.problem {
        Some(problem) => Err(problem),
        None => Ok(last.0),
    }
}

/// Targets that nmap was given and has not reported yet.
type Waiting = Mutex<HashMap<IpAddr, Target>>;

/// One process from start to end.
fn run(
    args: Vec<String>,
    asked: &PortSet,
    targets: &mut (dyn Iterator<Item = Target> + Send),
    sink: &mut dyn NmapSink,
    stop: &AtomicBool,
    summary: &mut NmapSummary,
) -> Result<(), NmapError> {
    let mut child = start(args)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let group = Pid::from_child(&child);
    let waiting = Waiting::default();
    let over = AtomicBool::new(false);
    let before = summary.reported;
    let (read, said) = std::thread::scope(|scope| {
        scope.spawn(|| feed(stdin, targets, &waiting, stop));
        scope.spawn(|| end_on_stop(group, stop, &over));
        let said = scope.spawn(|| drain(stderr));
        let read = match stdout {
            Some(stdout) => follow(BufReader::new(stdout), asked, &waiting, sink, summary),
            None => Err("has no output".to_owned()),
        };
        if read.is_err() {
            // What it still prints nobody reads; it must not wait for that.
            let _ = kill_process_group(group, Signal::TERM);
        }
        let ended = child.wait();
        over.store(true, Ordering::Relaxed);
        let said = said.join().unwrap_or_default();
        (read.map(|()| ended), said)
    });
    summary.missing += waiting.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
    if stop.load(Ordering::Relaxed) {
        summary.stopped = true;
        return Ok(());
    }
    let ended = match read {
        Ok(ended) => ended.map_err(NmapError::Start)?,
        Err(how) => {
            let how = match child.try_wait() {
                Ok(Some(status)) if status.signal().is_some_and(|n| n != Signal::TERM.as_raw()) => {
                    ending(status)
                }
                _ => how,
            };
            return fail(NmapError::Failed { how, said }, before, summary);
        }
    };
    if ended.success() {
        return Ok(());
    }
    fail(NmapError::Failed { how: ending(ended), said }, before, summary)
}

/// A failure after the first report takes nothing back of what was reported.
fn fail(error: NmapError, before: u64, summary: &mut NmapSummary) -> Result<(), NmapError> {
    if summary.reported == before && before == 0 {
        return Err(error);
    }
    summary.problem = Some(error);
    Ok(())
}

fn start(args: Vec<String>) -> Result<Child, NmapError> {
    let mut command = Command::new("nmap");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C at a terminal is for us to hear, and to pass on.
    command.process_group(0);
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NmapError::Missing,
        _ => NmapError::Start(error),
    })
}

/// Hands targets over, as fast as nmap takes them.
fn feed(
    stdin: Option<ChildStdin>,
    targets: &mut (dyn Iterator<Item = Target> + Send),
    waiting: &Waiting,
    stop: &AtomicBool,
) {
    let Some(mut stdin) = stdin else { return };
    for target in targets {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let line = match target.scope {
            0 => format!("{}\n", target.address),
            scope => format!("{}%{scope}\n", target.address),
        };
        waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(target.address, target);
        // It has ended, and its exit says why.
        if stdin.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

/// Ends nmap when it is time to stop: first kindly.
fn end_on_stop(group: Pid, stop: &AtomicBool, over: &AtomicBool) {
    let mut asked: Option<Instant> = None;
    while !over.load(Ordering::Relaxed) {
        if stop.load(Ordering::Relaxed) {
            let signal = match asked {
                None => Some(Signal::TERM),
                Some(asked) if asked.elapsed() >= NMAP_KILL_AFTER => Some(Signal::KILL),
                Some(_) => None,
            };
            if let Some(signal) = signal {
                asked.get_or_insert_with(Instant::now);
                let _ = kill_process_group(group, signal);
            }
        }
        std::thread::park_timeout(LOOK);
    }
}

/// The beginning of what it says on standard error; the rest is read and dropped, so that it never waits.
fn drain(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut kept = Vec::new();
    let _ = (&mut stderr).take(NMAP_STDERR_BYTES_MAX).read_to_end(&mut kept);
    let _ = io::copy(&mut stderr, &mut io::sink());
    let text = String::from_utf8_lossy(&kept);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    crate::banner::escaped(lines.join(" / ").as_bytes())
}

/// Reads reports as they come.
fn follow(
    stdout: impl io::BufRead,
    asked: &PortSet,
    waiting: &Waiting,
    sink: &mut dyn NmapSink,
    summary: &mut NmapSummary,
) -> Result<(), String> {
    let mut reader = Reader::new(stdout);
    let mut error = None;
    loop {
        match reader.next_item() {
            Ok(Some(Item::Host(seen))) => tell(*seen, asked, waiting, sink, summary),
            Ok(Some(Item::Progress { task, percent })) => sink.progress(&task, percent),
            Ok(Some(Item::Asked { kind, .. })) => summary.is_syn = kind == "syn",
            Ok(Some(Item::Finished { error: Some(text) })) => {
                error = Some(format!("reports an error: {text}"))
            }
            Ok(Some(Item::Run { .. } | Item::Finished { error: None })) => {}
            Ok(None) => return error.map_or(Ok(()), Err),
            Err(damage) => return Err(format!("gave XML that cannot be used: {damage}")),
        }
    }
}

/// Reports a host under the name by which the user asked for it.
fn tell(
    seen: SeenHost,
    asked: &PortSet,
    waiting: &Waiting,
    sink: &mut dyn NmapSink,
    summary: &mut NmapSummary,
) {
    let Some(mut host) = seen.into_host(asked) else { return };
    let target = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&host.address);
    // Nobody asked for it, or it was reported already.
    let Some(target) = target else { return };
    host.target = target.written;
    host.scope = target.scope;
    host.other_addresses = target.other_addresses;
    summary.reported += 1;
    sink.host(host);
}

fn ending(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was killed by signal {signal}"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}
