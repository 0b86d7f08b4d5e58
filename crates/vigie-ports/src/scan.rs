//! The entry: takes targets up as there is room for them, and tells what is found as they finish.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::finding::{Finding, Reason, State};
use crate::logic::course::{Ended, Wanted};
use crate::logic::group::Group;
use crate::plan::{Plan, ScanError, Summary, Target};
use crate::report::{EngineName, Liveness, TargetReport};
use crate::route::Routes;
use crate::sink::{Progress, Sink};
use crate::work::Work;

/// How often progress is told, and whether to stop is looked at.
const TELL: Duration = Duration::from_millis(100);

/// Scans all targets; blocks until the last is reported, or until `stop` is set and what was found so far is
/// reported. Targets are taken as there is room for them, never all at once; reports come as targets finish.
///
/// # Errors
///
/// If the engine cannot be set up. What happens to single probes is never an error: it is a verdict.
pub fn scan(
    plan: &Plan,
    targets: &mut dyn Iterator<Item = Target>,
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<Summary, ScanError> {
    let work = Work::new(Group::new(plan.rate), Instant::now());
    let engine = Engine::choose(plan, &work, sink)?;
    let name = engine.name();
    std::thread::scope(|scope| {
        let threads: Vec<_> = engine.threads().into_iter().map(|thread| scope.spawn(thread)).collect();
        let mut course = Scan::new(plan, name, &work, targets, sink);
        course.run(stop, &|| threads.iter().any(std::thread::ScopedJoinHandle::is_finished));
        work.end();
        for thread in threads {
            let ended = thread.join().map_err(|_| ScanError::Failed)?;
            ended.map_err(|source| ScanError::Setup { act: "waiting for answers", source })?;
        }
        Ok(course.summary())
    })
}

/// One scan, as its own thread sees it: targets in, reports out.
struct Scan<'a> {
    plan: &'a Plan,
    engine: EngineName,
    work: &'a Work,
    targets: &'a mut dyn Iterator<Item = Target>,
    /// A target that is in work under another name: it waits, and those after it.
    held: Option<Target>,
    exhausted: bool,
    sink: &'a mut dyn Sink,
    routes: Routes,
    told: Instant,
    began: Instant,
    summary: Summary,
    known: f64,
}

impl<'a> Scan<'a> {
    fn new(
        plan: &'a Plan,
        engine: EngineName,
        work: &'a Work,
        targets: &'a mut dyn Iterator<Item = Target>,
        sink: &'a mut dyn Sink,
    ) -> Self {
        let summary = Summary {
            targets: 0,
            no_answer: 0,
            open: 0,
            probes: 0,
            coverage: 1.0,
            engine,
            stopped: false,
            elapsed: Duration::ZERO,
        };
        Scan {
            plan,
            engine,
            work,
            targets,
            held: None,
            exhausted: false,
            sink,
            routes: Routes::read(),
            told: Instant::now(),
            began: Instant::now(),
            summary,
            known: 0.0,
        }
    }

    /// Until all targets are reported, one is told to stop, or a thread of the engine `failed`.
    fn run(&mut self, stop: &AtomicBool, failed: &dyn Fn() -> bool) {
        let work = self.work;
        loop {
            if stop.load(Ordering::Relaxed) {
                self.summary.stopped = true;
                work.group().stop(work.now());
                self.tell();
                return;
            }
            self.admit();
            self.tell();
            let group = work.group();
            if self.exhausted && self.held.is_none() && group.is_empty() && !group.has_news() || failed() {
                return;
            }
            if !group.has_news() {
                drop(work.wait(group, TELL));
            }
        }
    }

    /// Takes up targets while there is room.
    fn admit(&mut self) {
        let work = self.work;
        while work.group().has_room() {
            let Some(target) = self.held.take().or_else(|| self.targets.next()) else {
                self.exhausted = true;
                return;
            };
            let mut group = work.group();
            if group.is_in_work(&target) {
                self.held = Some(target);
                return;
            }
            let wanted = self.wanted(target.address);
            group.admit(target, wanted, work.now());
        }
    }

    fn wanted(&self, address: IpAddr) -> Wanted {
        Wanted {
            ports: Arc::clone(&self.plan.ports),
            on_link: self.routes.is_on_link(address),
            timeout: self.plan.timeout,
            retries: self.plan.retries,
            seed: self.plan.seed ^ seed_of(address),
            any: false,
        }
    }

    /// Tells what is new.
    fn tell(&mut self) {
        let (ended, opened, tally) = {
            let mut group = self.work.group();
            (group.take_ended(), group.take_opened(), group.tally())
        };
        opened.into_iter().for_each(|port| self.sink.open(port));
        for (target, ended) in ended {
            self.report(target, ended);
        }
        self.summary.probes = tally.probes;
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            let Plan { targets_total, ports, .. } = self.plan;
            self.sink.progress(Progress {
                done: tally.decided,
                total: targets_total.map_or(0, |targets| targets.saturating_mul(ports.len() as u64)),
                probes: tally.probes,
                open: tally.open,
            });
        }
    }

    fn report(&mut self, target: Target, ended: Ended) {
        let report = TargetReport {
            target: target.written,
            address: target.address,
            other_addresses: target.other_addresses,
            liveness: liveness(&ended.findings),
            findings: ended.findings,
            loss: ended.loss,
            engine: self.engine,
            notes: ended.notes,
            elapsed: ended.elapsed,
        };
        self.summary.targets += 1;
        self.summary.no_answer += u64::from(report.liveness == Liveness::NoAnswer);
        self.summary.open += u64::from(report.counts().open);
        self.known += report.coverage();
        self.sink.report(report);
    }

    fn summary(self) -> Summary {
        let targets = self.summary.targets as f64;
        let coverage = if targets > 0.0 { self.known / targets } else { 1.0 };
        Summary { coverage, elapsed: self.began.elapsed(), ..self.summary }
    }
}

/// The order of probes differs from target to target, and is the same each time.
fn seed_of(address: IpAddr) -> u64 {
    let bits = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// What the ports themselves say of the target being there.
fn liveness(findings: &[Finding]) -> Liveness {
    let has = |state, reason| findings.iter().any(|finding| finding.state == state && finding.reason == reason);
    if findings.iter().any(|finding| finding.state == State::Open) {
        Liveness::Up("syn-ack")
    } else if has(State::Closed, Reason::Reset) {
        Liveness::Up("reset")
    } else {
        Liveness::Assumed
    }
}
