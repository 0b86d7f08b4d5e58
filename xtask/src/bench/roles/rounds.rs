//! Random faults in many groups side by side, with leases as short as they may be: never two principals at once, and
//! never a write of an old one. `judge` decides it afterwards, from the logs.

use super::bed::{Bed, probe_command};
use super::cluster::{AgentPlan, Hub, lasting_port};
use super::judge::{self, Term};
use super::link::Link;
use super::probe::{self, Fenced};
use crate::bench::report::{Row, Target};
use crate::bench::running::Running;
use crate::bench::series::{Series, Unit};
use anyhow::{Context, Result, anyhow, bail};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

const TTL: &str = "500ms";

const AGENTS: usize = 3;

/// The longest that a fault lasts: twice a lease and a half.
const FAULT_MS_MAX: u64 = 1250;

/// From one write of somebody to the next, in each group.
const BETWEEN_WRITES: Duration = Duration::from_millis(80);

/// How often it is told how far it is.
const TOLD_EVERY: u32 = 100;

/// What happens in a round, to an agent or to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Killed(usize),
    Frozen(usize),
    Cut(usize),
    HubKilled,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Fault::Killed(_) => "kills",
            Fault::Frozen(_) => "freezes",
            Fault::Cut(_) => "dropped links",
            Fault::HubKilled => "hub restarts",
        }
    }
}

/// What came of one group.
#[derive(Default)]
struct Outcome {
    faults: BTreeMap<&'static str, u32>,
    terms: usize,
    clashes: u64,
    accepted: usize,
    refused: usize,
    stale: u64,
}

pub(super) fn run(bed: &mut Bed) -> Result<Vec<Row>> {
    let dir = bed.fresh("rounds")?;
    let settings = &bed.settings;
    let (start, begun) = (Instant::now(), AtomicU32::new(0));
    let outcomes = std::thread::scope(|scope| {
        let groups: Vec<_> = (0..settings.groups)
            .map(|number| {
                let (dir, begun) = (dir.join(format!("group-{number}")), &begun);
                let random = Random(settings.seed.wrapping_mul(1000) + u64::from(number));
                scope.spawn(move || one_group(&settings.vigie, &dir, random, begun, settings.rounds))
            })
            .collect();
        groups
            .into_iter()
            .map(|group| group.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
            .collect::<Result<Vec<Outcome>>>()
    })?;
    let all = outcomes.into_iter().fold(Outcome::default(), Outcome::add);
    let rounds = bed.settings.rounds;
    let faults: Vec<String> = all.faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
    bed.remark(format!(
        "{rounds} rounds in {} groups, {:.0} s: {}; {} terms; {} writes passed the fence, {} were refused",
        bed.settings.groups,
        start.elapsed().as_secs_f64(),
        faults.join(", "),
        all.terms,
        all.accepted,
        all.refused
    ));
    if all.terms < rounds as usize / 4 || all.refused == 0 {
        bail!("hardly anything happened: the rounds prove nothing");
    }
    let row = |what: &str, count| {
        let what = format!("{what}, {rounds} rounds, lease {TTL}");
        Row::alone(what, Series::of(Unit::Count, count), Target::AtMost(0.0))
    };
    Ok(vec![row("two principals at once", all.clashes), row("writes of an old epoch that passed", all.stale)])
}

impl Outcome {
    fn add(mut self, other: Outcome) -> Outcome {
        for (name, count) in other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        Outcome {
            faults: self.faults,
            terms: self.terms + other.terms,
            clashes: self.clashes + other.clashes,
            accepted: self.accepted + other.accepted,
            refused: self.refused + other.refused,
            stale: self.stale + other.stale,
        }
    }
}

/// A hub and its agents, with all that can go wrong between them.
struct Group {
    hub: Hub,
    members: Vec<Member>,
    random: Random,
    faults: BTreeMap<&'static str, u32>,
}

struct Member {
    plan: AgentPlan,
    link: Link,
    process: Option<Running>,
}

fn one_group(vigie: &Path, dir: &Path, random: Random, begun: &AtomicU32, rounds: u32) -> Result<Outcome> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let fence = dir.join("fence");
    let mut group = Group::start(vigie, dir, &fence, random)?;
    let logs: Vec<PathBuf> = group.members.iter().map(|member| member.plan.hook_log()).collect();
    let (is_over, seed) = (AtomicBool::new(false), Random(group.random.next()));
    let writes = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_on(vigie, &fence, &logs, seed, &is_over));
        let gone = group.go_through(begun, rounds);
        is_over.store(true, Ordering::Relaxed);
        let writes = writer.join().unwrap_or_else(|_| Err(anyhow!("the writer panicked")));
        gone.and(writes)
    })
    .with_context(|| format!("in {}", dir.display()))?;
    group.judge(writes)
}

/// Whoever was principal writes on, whether it still is or not: as a program would that nobody stopped.
fn write_on(
    vigie: &Path,
    fence: &Path,
    logs: &[PathBuf],
    mut random: Random,
    is_over: &AtomicBool,
) -> Result<Vec<Fenced>> {
    let mut writes = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(BETWEEN_WRITES);
        let (hooks, _) = probe::read(&logs[random.below(logs.len() as u64) as usize])?;
        let last = hooks.into_iter().rfind(|noted| noted.principal).and_then(|noted| noted.epoch);
        if let Some(epoch) = last {
            writes.push(probe::write_fenced(vigie, fence, epoch)?);
        }
    }
    Ok(writes)
}

impl Group {
    fn start(vigie: &Path, dir: &Path, fence: &Path, random: Random) -> Result<Group> {
        let hub = Hub::start_new(vigie, dir, lasting_port()?)?;
        hub.set_ttl(TTL)?;
        let mut members = Vec::new();
        for number in 0..AGENTS {
            let mut plan = hub.invite(&format!("m{number}"))?;
            let link = Link::start(hub.address)?;
            plan.hub = link.address;
            let probe = probe_command(&plan.hook_log())?;
            plan.hook = Some(format!("{probe} --fence {} --vigie {}", fence.display(), vigie.display()));
            members.push(Member { process: Some(plan.start()?), plan, link });
        }
        Ok(Group { hub, members, random, faults: BTreeMap::new() })
    }

    fn go_through(&mut self, begun: &AtomicU32, rounds: u32) -> Result<()> {
        loop {
            let (name, _) = self.hub.until_settled(AGENTS)?;
            let round = begun.fetch_add(1, Ordering::Relaxed);
            if round >= rounds {
                return Ok(());
            }
            if round > 0 && round.is_multiple_of(TOLD_EVERY) {
                eprintln!("bench: round {round} of {rounds}");
            }
            let principal = self.members.iter().position(|member| member.plan.name == name);
            self.round(principal.context("a principal that is no member")?)?;
        }
    }

    /// A fault, and sometimes a second one beside it; then both are mended, one after the other.
    fn round(&mut self, principal: usize) -> Result<()> {
        let first = self.draw(principal);
        let second = self.draw(principal);
        let both = self.random.below(4) == 0 && !first.is_same_place(second);
        let faults: Vec<Fault> = if both { vec![first, second] } else { vec![first] };
        for fault in &faults {
            *self.faults.entry(fault.name()).or_default() += 1;
            self.begin(*fault)?;
            self.pause(FAULT_MS_MAX / 5);
        }
        for fault in faults {
            self.pause(FAULT_MS_MAX);
            self.mend(fault)?;
        }
        self.pause(FAULT_MS_MAX / 5);
        Ok(())
    }

    /// Mostly the principal is hit.
    fn draw(&mut self, principal: usize) -> Fault {
        let whom =
            if self.random.below(4) > 0 { principal } else { self.random.below(AGENTS as u64) as usize };
        match self.random.below(4) {
            0 => Fault::Killed(whom),
            1 => Fault::Frozen(whom),
            2 => Fault::Cut(whom),
            _ => Fault::HubKilled,
        }
    }

    fn begin(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Killed(whom) => self.members[whom].process = None,
            Fault::Frozen(whom) => self.members[whom].signal(Signal::STOP)?,
            Fault::Cut(whom) => self.members[whom].link.cut(),
            Fault::HubKilled => self.hub.kill(),
        }
        Ok(())
    }

    fn mend(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Killed(whom) => self.members[whom].process = Some(self.members[whom].plan.start()?),
            Fault::Frozen(whom) => self.members[whom].signal(Signal::CONT)?,
            Fault::Cut(whom) => self.members[whom].link.mend(),
            Fault::HubKilled => self.hub.start()?,
        }
        Ok(())
    }

    fn pause(&mut self, ms_max: u64) {
        std::thread::sleep(Duration::from_millis(self.random.below(ms_max)));
    }

    /// After everybody has ended, from what they wrote.
    fn judge(mut self, mut writes: Vec<Fenced>) -> Result<Outcome> {
        self.members.iter_mut().for_each(|member| member.process = None);
        self.hub.kill();
        let mut terms: Vec<Term> = Vec::new();
        for (holder, member) in self.members.iter().enumerate() {
            let path = member.plan.log();
            let log = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let (hooks, fenced) = probe::read(&member.plan.hook_log())?;
            terms.extend(judge::terms(holder, &String::from_utf8_lossy(&log), &hooks)?);
            writes.extend(fenced);
        }
        let accepted = writes.iter().filter(|write| write.accepted).count();
        Ok(Outcome {
            faults: self.faults,
            terms: terms.len(),
            clashes: judge::clashes(&mut terms),
            accepted,
            refused: writes.len() - accepted,
            stale: judge::stale_writes(&writes),
        })
    }
}

impl Fault {
    /// Whether two of them would be undone by each other.
    fn is_same_place(self, other: Fault) -> bool {
        match (self, other) {
            (Fault::HubKilled, Fault::HubKilled) => true,
            (Fault::HubKilled, _) | (_, Fault::HubKilled) => false,
            (
                Fault::Killed(a) | Fault::Frozen(a) | Fault::Cut(a),
                Fault::Killed(b) | Fault::Frozen(b) | Fault::Cut(b),
            ) => a == b,
        }
    }
}

impl Member {
    fn signal(&self, signal: Signal) -> Result<()> {
        self.process.as_ref().context("an agent does not run")?.signal(signal)
    }
}

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
