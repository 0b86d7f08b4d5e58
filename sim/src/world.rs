//! What there is in a story, and how it is broken: the hub is killed, with and without its disk's power; the
//! agent is killed, or stopped; the link is cut; the disk fills up.

use crate::deeds;
use crate::dice::Dice;
use crate::judge::{self, Model};
use anyhow::{Context, Result, anyhow, ensure};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vigie_agent::roles::boot_leases;
use vigie_agent::{Agent, CleanStop, Cpu, Dial, DialError, Parts};
use vigie_hub::Hub;
use vigie_model::{
    AgentRecord, BytePath, Clock, FileEvent, GapCause, Incarnation, MachineId, Origin, RecordNo, Seq, Stream,
    UnixNanos,
};
use vigie_role::clock::Alarm;
use vigie_store::disk::{SimDisk, SimFault};
use vigie_store::{Batch, IndexMedium, MemIndex, NewRecord, Options, Store};
use vigie_watch::fakes::FakeFs;
use vigie_watch::{Config, Engine};
use vigie_wire::{Caller, Cut, Link, MachineCard, Peer, memory_pair};

const MACHINE: MachineId = MachineId([0xa1; 16]);
const HUB: MachineId = MachineId([0xb0; 16]);
/// Someone who writes notes, a stream that this version does not know.
const SCRIBE: MachineId = MachineId([0x5c; 16]);
/// How long agent and hub have to agree once nothing disturbs them any more.
const SETTLE_WITHIN: Duration = Duration::from_secs(3600);

/// The runtime's time; the date moves along with it.
#[derive(Debug)]
struct SimClock(Instant);

impl Clock for SimClock {
    fn wall(&self) -> UnixNanos {
        UnixNanos(1_800_000_000_000_000_000).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The way from the agent to whichever hub is alive.
#[derive(Default)]
struct Road {
    hub: Mutex<Option<Hub>>,
    cut: Mutex<Option<Cut>>,
}

impl Road {
    fn lead_to(&self, hub: Option<Hub>) {
        *self.hub.lock().unwrap_or_else(PoisonError::into_inner) = hub;
    }

    fn cut(&self) {
        if let Some(cut) = self.cut.lock().unwrap_or_else(PoisonError::into_inner).take() {
            cut.cut();
        }
    }
}

impl Dial for Road {
    fn hub(&self) -> String {
        "the simulated hub".into()
    }

    fn dial(&self) -> futures::BoxFuture<'_, Result<Link, DialError>> {
        let hub = self.hub.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let hub = hub.ok_or(DialError::NoHub)?;
            let card = MachineCard {
                id: MACHINE,
                name: "simulated".into(),
                certificate: [0; 32],
                not_after: UnixNanos(i64::MAX),
            };
            let (hub_end, our_end, cut) = memory_pair(Peer::Machine(card), Peer::Hub { hub: HUB });
            *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = Some(cut);
            hub.serve(hub_end);
            Ok(our_end)
        })
    }

    fn attend(&self, _caller: Caller) -> futures::BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The shape of the trait's futures, without a dependency for the name alone.
mod futures {
    pub(crate) type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
}

struct World {
    dice: Dice,
    tell: bool,
    clock: Arc<dyn Clock>,
    fs: FakeFs,
    disk: SimDisk,
    index: MemIndex,
    road: Arc<Road>,
    hub: Option<(Hub, JoinHandle<()>)>,
    agent: Option<(Agent, vigie_agent::Running)>,
    clean_stop: Option<CleanStop>,
    snapshot: Option<Vec<u8>>,
    notes: u64,
    /// Whether the disk may have run out of room.
    full: bool,
    /// Trees that were checked once, and must be the same for ever.
    past: Vec<(Seq, Model)>,
}

/// Plays a story to its end.
pub(crate) async fn play(seed: u64, steps: u32, tell: bool) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SimClock(Instant::now()));
    let mut world = World {
        dice: Dice::new(seed),
        tell,
        fs: FakeFs::new(Arc::clone(&clock)),
        clock,
        disk: SimDisk::new(seed),
        index: MemIndex::default(),
        road: Arc::default(),
        hub: None,
        agent: None,
        clean_stop: None,
        snapshot: None,
        notes: 0,
        full: false,
        past: Vec::new(),
    };
    deeds::found(&world.fs)?;
    world.start_hub()?;
    world.start_agent()?;
    let end = world.run(steps).await;
    if end.is_err() {
        world.tell_journal();
    }
    end
}

/// Records that are told when a story ends badly.
const TOLD_RECORDS: usize = 60;

impl World {
    async fn run(&mut self, steps: u32) -> Result<()> {
        for step in 0..steps {
            self.step().await.with_context(|| format!("step {step}"))?;
        }
        self.settle().await.context("at the end")?;
        self.judge_past()?;
        ensure!(self.store()?.verify(&mut |_| true)?.is_whole(), "a block or a frame is damaged");
        Ok(())
    }

    /// The end of the journal, for whoever looks for the reason.
    fn tell_journal(&self) {
        let Ok(store) = self.store() else { return };
        let records = store.records_before(Seq(u64::MAX), TOLD_RECORDS).unwrap_or_default();
        for record in records {
            self.say(|| {
                format!("#{} n={} {:?}", record.seq, record.origin.n, FileEvent::decode(&record.fact))
            });
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.tell {
            eprintln!("{:>12?} {}", self.clock.monotonic(), what());
        }
    }

    async fn step(&mut self) -> Result<()> {
        match self.dice.below(100) {
            0..=59 => {
                let deed = deeds::one(&self.fs, &mut self.dice);
                let linked = deed.starts_with("link");
                self.say(|| deed);
                // A name that is made and gone before anyone could look tells inotify nothing of the node
                // that was written through it.
                if linked {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            60..=74 => self.wait(30).await,
            75..=79 => self.wait(5_000).await,
            80..=82 => {
                // More at once than the kernel's queue holds.
                for _ in 0..self.dice.below(60) {
                    let deed = deeds::any_but_link(&self.fs, &mut self.dice);
                    self.say(|| deed);
                }
            }
            83..=86 => {
                self.say(|| "the link is cut".into());
                self.road.cut();
            }
            87..=89 => self.kill_hub().await?,
            90..=91 => self.kill_agent(),
            92 => self.stop_agent().await?,
            93..=94 => {
                let room = self.dice.below(20_000) as u64;
                self.say(|| format!("the disk has room for {room} bytes"));
                self.disk.fault(SimFault::Room(room));
                self.full = true;
            }
            95..=96 => self.make_room(),
            97 => self.note().await?,
            _ => self.settle().await?,
        }
        Ok(())
    }

    async fn wait(&mut self, ms_max: usize) {
        let ms = self.dice.below(ms_max) as u64;
        self.say(|| format!("{ms} ms pass"));
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn make_room(&mut self) {
        self.say(|| "the disk has room again".into());
        self.disk.make_room();
        self.full = false;
    }

    fn start_hub(&mut self) -> Result<()> {
        self.say(|| "the hub starts".into());
        let options = Options {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::clone(&self.clock),
            index: IndexMedium::Memory(self.index.clone()),
            seal_bytes: 256 * 1024,
            read_only: false,
        };
        let (store, committer) = match Store::open(Path::new("/hub"), options) {
            Ok(opened) => opened,
            Err(why) if self.full => {
                self.say(|| format!("the hub cannot start: {why}"));
                return Ok(());
            }
            Err(why) => return Err(why).context("opening the store"),
        };
        let committer = tokio::spawn(committer.run());
        let hub = Hub::assemble(vigie_hub::Parts {
            store,
            clock: Arc::clone(&self.clock),
            cpu: vigie_hub::Cpu::Inline,
            machine: HUB,
            authority: None,
            leases: (Arc::clone(&self.clock), Alarm::Runtime(Arc::clone(&self.clock))),
        })?;
        self.road.lead_to(Some(hub.clone()));
        self.hub = Some((hub, committer));
        Ok(())
    }

    /// The hub's process dies in the middle of whatever it does; its machine may lose power with it.
    async fn kill_hub(&mut self) -> Result<()> {
        let Some((hub, committer)) = self.hub.take() else { return self.start_hub() };
        let power = self.dice.percent(60);
        self.say(|| format!("the hub dies{}", if power { " with its machine" } else { "" }));
        self.road.lead_to(None);
        let operations = self.dice.below(6) as u64;
        self.disk.fault(SimFault::DieAt(operations));
        for _ in 0..self.dice.below(20) {
            tokio::task::yield_now().await;
        }
        self.disk.fault(SimFault::DieAt(0));
        self.road.cut();
        hub.stop().await;
        hub.store().close();
        drop(hub);
        committer.await?;
        if power {
            self.disk.crash()
        } else {
            self.disk.restart()
        }
        if self.dice.percent(30) {
            self.say(|| "the index is lost".into());
            self.index = MemIndex::default();
        }
        if self.dice.percent(70) { self.start_hub() } else { Ok(()) }
    }

    fn start_agent(&mut self) -> Result<()> {
        self.say(|| "the agent starts".into());
        let (fs, clock) = (self.fs.clone(), Arc::clone(&self.clock));
        let queue_max = 16 + self.dice.below(64);
        let root = BytePath::new(deeds::ROOT)?;
        let mut config = Config::new(MACHINE, vec![root]);
        config.cookies = Some(BytePath::new(&b"/cookies"[..])?);
        self.fs.mkdir_all(b"/cookies")?;
        let parts = Parts {
            machine: MACHINE,
            name: "simulated".into(),
            make_engine: Box::new(move |wake| {
                let kernel = Box::new(fs.kernel(queue_max, wake));
                Engine::new(config.clone(), kernel, fs.files(), Arc::clone(&clock))
            }),
            files: self.fs.files(),
            clock: Arc::clone(&self.clock),
            cpu: Cpu::Inline,
            clean_stop: self.clean_stop.take(),
            snapshot: self.take_snapshot(),
            roles: Vec::new(),
            leases: boot_leases(),
        };
        self.agent = Some(Agent::assemble(parts, Arc::clone(&self.road) as Arc<dyn Dial>)?);
        Ok(())
    }

    fn kill_agent(&mut self) {
        self.say(|| "the agent dies".into());
        self.agent = None;
    }

    async fn stop_agent(&mut self) -> Result<()> {
        let Some((_, running)) = self.agent.take() else { return Ok(()) };
        self.say(|| "the agent stops".into());
        let stopped = running.shutdown(Duration::from_secs(5)).await;
        self.clean_stop = stopped.as_ref().map(|stopped| stopped.clean_stop);
        let mut bytes = Vec::new();
        let whole = stopped.map(|mut stopped| stopped.write_snapshot(&mut bytes)).transpose()?;
        self.snapshot = (whole == Some(true)).then_some(bytes);
        Ok(())
    }

    /// What the last stop left, or what the agent's disk made of it.
    fn take_snapshot(&mut self) -> Option<Box<dyn std::io::Read + Send>> {
        let mut bytes = self.snapshot.take()?;
        let at = self.dice.below(bytes.len());
        let fate = match self.dice.below(10) {
            0 => return None,
            1 => {
                bytes.truncate(at);
                "cut short"
            }
            2 => {
                bytes[at] ^= 1 << self.dice.below(8);
                "damaged"
            }
            _ => "as it was left",
        };
        self.say(|| format!("its snapshot is {fate}"));
        Some(Box::new(std::io::Cursor::new(bytes)))
    }

    /// Someone else's facts, of a stream that this version does not know.
    async fn note(&mut self) -> Result<()> {
        let Some((hub, _)) = &self.hub else { return Ok(()) };
        let fact = AgentRecord {
            observed: self.clock.wall(),
            stream: Stream::NOTES,
            kind: 40_000,
            version: 9,
            payload: b"anything".to_vec(),
        };
        let origin = Origin { machine: SCRIBE, incarnation: Incarnation(1), n: RecordNo(self.notes + 1) };
        let records = vec![NewRecord { origin, fact: fact.clone() }];
        let Ok(committed) = hub.store().commit(Batch { blocks: Vec::new(), records }).await else {
            return Ok(());
        };
        self.notes += 1;
        let back = hub.store().records(committed.first, 1)?;
        ensure!(back.first().map(|r| &r.fact) == Some(&fact), "an unknown record came back otherwise");
        Ok(())
    }

    fn store(&self) -> Result<&Store> {
        self.hub.as_ref().map(|(hub, _)| hub.store()).context("there is no hub")
    }

    /// Leaves both in peace until they agree, and compares.
    async fn settle(&mut self) -> Result<()> {
        self.say(|| "all is quiet".into());
        self.disk.make_room();
        if self
            .hub
            .as_ref()
            .is_some_and(|(hub, _)| matches!(hub.store().health(), vigie_store::Health::Poisoned(_)))
        {
            self.kill_hub().await?;
        }
        if self.hub.is_none() {
            self.start_hub()?;
        }
        if self.agent.is_none() {
            self.start_agent()?;
        }
        self.flush().await?;
        if self.open_gaps()?.iter().any(|gap| gap.cause == GapCause::KernelOverflow) {
            // A cookie that just fits into the kernel's queue comes through, and a gap opens right behind it: the
            // queue overflows with what follows the cookie, and nobody can know that it was nothing else.
            self.flush().await?;
        }
        let model = self.fs.snapshot(deeds::ROOT);
        let root = BytePath::new(deeds::ROOT)?;
        let at = *self.store()?.tail().borrow();
        judge::compare(self.store()?, MACHINE, &root, at, &model)?;
        let open = self.open_gaps()?;
        ensure!(open.is_empty(), "gaps are open: {open:?}");
        self.past.push((at, model));
        if self.dice.percent(20) {
            self.judge_past()?;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        let Some((agent, _)) = &self.agent else { return Err(anyhow!("there is no agent")) };
        let flushed = tokio::time::timeout(SETTLE_WITHIN, agent.flush()).await;
        if flushed.is_err() {
            return Err(anyhow!("nothing was flushed in an hour: {:?}", agent.status().await));
        }
        flushed?.map(drop).map_err(|why| anyhow!("flush: {why}"))
    }

    fn open_gaps(&self) -> Result<Vec<vigie_store::Gap>> {
        Ok(self.store()?.gaps(MACHINE)?.into_iter().filter(|gap| gap.closed.is_none()).collect())
    }

    fn judge_past(&self) -> Result<()> {
        let root = BytePath::new(deeds::ROOT)?;
        for (at, model) in &self.past {
            judge::compare(self.store()?, MACHINE, &root, *at, model)
                .with_context(|| format!("the tree as it was at #{at}"))?;
        }
        Ok(())
    }
}
