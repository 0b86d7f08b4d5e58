//! The entry: takes targets up as there is room for them, and tells what is found as they finish.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::discovery::{self, asking::Asking, asking::Heard};
use crate::engine::Engine;
use crate::finding::{Finding, Reason, State};
use crate::logic::course::{Ended, Wanted};
use crate::logic::group::Group;
use crate::plan::{Ping, Plan, ScanError, Scoped, Summary, Target};
use crate::report::{EngineName, Liveness, Loss, TargetReport};
use crate::route::Routes;
use crate::sink::{Progress, Sink};
use crate::work::Work;

/// How often progress is told, and whether to stop is looked at.
const TELL: Duration = Duration::from_millis(100);

/// How often it is looked for answers while addresses are being asked whether anything is there.
const LOOK: Duration = Duration::from_millis(3);

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
    ports: Arc<[u16]>,
    engine: EngineName,
    work: &'a Work,
    targets: &'a mut dyn Iterator<Item = Target>,
    /// A target that is in work under another name: it waits, and those after it.
    held: Option<Target>,
    exhausted: bool,
    sink: &'a mut dyn Sink,
    routes: Routes,
    /// Who is being asked whether anything is there.
    asking: Option<Asking>,
    /// Targets that said they are there, and wait for room.
    found: VecDeque<(Target, Liveness)>,
    /// What is known of the targets in work, by their numbers.
    lives: HashMap<u32, Liveness>,
    told: Instant,
    began: Instant,
    summary: Summary,
    /// Ports of targets that are not there.
    silent: u64,
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
        let ports: BTreeSet<u16> = plan.ports.iter().copied().collect();
        let asks = plan.ping == Ping::Ask;
        Scan {
            plan,
            ports: ports.into_iter().collect(),
            engine,
            work,
            targets,
            held: None,
            exhausted: false,
            sink,
            routes: Routes::read(),
            asking: asks.then(|| Asking::new(Routes::read(), std::process::id() as u16, plan.rate)),
            found: VecDeque::new(),
            lives: HashMap::new(),
            told: Instant::now(),
            began: Instant::now(),
            summary,
            silent: 0,
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
            self.look();
            self.admit();
            self.tell();
            let group = work.group();
            let is_quiet = group.is_empty() && !group.has_news();
            if (self.is_exhausted() && is_quiet) || failed() {
                return;
            }
            if !group.has_news() {
                let is_asking = self.asking.as_ref().is_some_and(|asking| !asking.is_idle());
                drop(work.wait(group, if is_asking { LOOK } else { TELL }));
            }
        }
    }

    /// Nobody is left but those in work.
    fn is_exhausted(&self) -> bool {
        let idle = self.asking.as_ref().is_none_or(Asking::is_idle);
        self.exhausted && self.held.is_none() && self.found.is_empty() && idle
    }

    // --- whether anything is there

    /// Asks whose turn it is, and hears who answered.
    fn look(&mut self) {
        let Some(asking) = &mut self.asking else { return };
        for heard in asking.look(self.work.now()) {
            match heard {
                Heard::Neighbour(target) => self.found.push_back((target, Liveness::Up("arp-response"))),
                Heard::Nobody(target) => self.nobody(target),
                Heard::Echo(course) => {
                    let target = self.work.group().withdraw(course);
                    self.found.extend(target.map(|target| (target, Liveness::Up("echo-reply"))));
                }
            }
        }
    }

    /// A course that only asked whether anything is there has ended.
    fn answered(&mut self, target: Target, ended: &Ended) {
        if let Some(asking) = &mut self.asking {
            asking.forget(target.scoped());
        }
        let is_of_this_machine = |finding: &Finding| {
            matches!(finding.reason, Reason::NoRoute | Reason::ForbiddenHere | Reason::NoResources)
        };
        match ended.alive {
            _ if self.summary.stopped => {}
            Some(Reason::SynAck) => self.found.push_back((target, Liveness::Up("syn-ack"))),
            Some(Reason::Reset) => self.found.push_back((target, Liveness::Up("reset"))),
            Some(_) => self.found.push_back((target, Liveness::Up("icmp-response"))),
            // It could not even be asked: why, its ports will say.
            None if ended.findings.iter().any(is_of_this_machine) => {
                self.found.push_back((target, Liveness::Assumed));
            }
            None => self.nobody(target),
        }
    }

    /// Nothing is there: that is the verdict on all its ports.
    fn nobody(&mut self, target: Target) {
        let finding = |port: &u16| Finding {
            port: *port,
            state: State::Unknown,
            reason: Reason::NoAnswer,
            attempts: 0,
            rtt: None,
            service: None,
            banner: None,
        };
        let ended = Ended {
            findings: self.ports.iter().map(finding).collect(),
            loss: Loss::Unknown,
            notes: Vec::new(),
            elapsed: Duration::ZERO,
            alive: None,
        };
        self.silent += self.ports.len() as u64;
        self.report(target, Liveness::NoAnswer, ended);
    }

    // --- in and out

    /// Takes up targets while there is room: first those that are known to be there.
    fn admit(&mut self) {
        let work = self.work;
        while work.group().has_room() {
            if let Some((target, live)) = self.found.pop_front() {
                let wanted = self.wanted(target.address, false);
                let number = work.group().admit(target, wanted, work.now());
                self.lives.insert(number, live);
                continue;
            }
            if self.asking.as_ref().is_some_and(|asking| !asking.has_room()) {
                return;
            }
            let Some(target) = self.held.take().or_else(|| self.targets.next()) else {
                self.exhausted = true;
                return;
            };
            if work.group().is_in_work(&target) || self.is_asked(target.scoped()) {
                self.held = Some(target);
                return;
            }
            self.take_up(target);
        }
    }

    fn is_asked(&self, place: Scoped) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.is_asking(place.0))
            || self.found.iter().any(|(found, _)| found.scoped() == place)
    }

    /// A new target: asked for a sign of life, or scanned at once.
    fn take_up(&mut self, target: Target) {
        let now = self.work.now();
        let Some(asking) = &mut self.asking else {
            let wanted = self.wanted(target.address, false);
            let number = self.work.group().admit(target, wanted, now);
            self.lives.insert(number, Liveness::Assumed);
            return;
        };
        if let Err(target) = asking.ask_link(target, now) {
            let wanted = self.wanted(target.address, true);
            let asked = target.clone();
            let number = self.work.group().admit(target, wanted, now);
            if let Some(asking) = &mut self.asking {
                asking.ask_echo(&asked, number, now);
            }
        }
    }

    fn wanted(&self, address: IpAddr, any: bool) -> Wanted {
        Wanted {
            ports: if any { Arc::from(discovery::PORTS) } else { Arc::clone(&self.ports) },
            on_link: self.routes.is_on_link(address),
            timeout: self.plan.timeout,
            retries: self.plan.retries,
            seed: self.plan.seed ^ seed_of(address),
            any,
        }
    }

    /// Tells what is new.
    fn tell(&mut self) {
        let (ended, opened, tally) = {
            let mut group = self.work.group();
            (group.take_ended(), group.take_opened(), group.tally())
        };
        opened.into_iter().for_each(|port| self.sink.open(port));
        for (number, target, ended) in ended {
            match self.lives.remove(&number) {
                Some(live) => {
                    let live = liveness(live, &ended.findings);
                    self.report(target, live, ended);
                }
                None => self.answered(target, &ended),
            }
        }
        self.summary.probes = tally.probes;
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            let targets = self.plan.targets_total;
            self.sink.progress(Progress {
                done: tally.decided + self.silent,
                total: targets.map_or(0, |targets| targets.saturating_mul(self.ports.len() as u64)),
                probes: tally.probes,
                open: tally.open,
            });
        }
    }

    fn report(&mut self, target: Target, liveness: Liveness, ended: Ended) {
        let report = TargetReport {
            target: target.written,
            address: target.address,
            scope: target.scope,
            other_addresses: target.other_addresses,
            liveness,
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

/// Why the target counts as there. Who answered first among its ports and its echo is a matter of luck, and so what
/// its ports say goes before; neighbours are always asked alone.
fn liveness(asked: Liveness, findings: &[Finding]) -> Liveness {
    let has = |state| findings.iter().any(|finding| finding.state == state);
    match asked {
        Liveness::NoAnswer | Liveness::Up("arp-response") => asked,
        _ if has(State::Open) => Liveness::Up("syn-ack"),
        _ if has(State::Closed) => Liveness::Up("reset"),
        _ => asked,
    }
}
