//! The places that ports are looked at from.

use super::HERE;
use super::inside::{self, Inside};
use super::told::fold;
use super::ways::{Agent, By, FORWARDED_MAX, OwnProgram};
use crate::failure::Failure;
use crate::output::{Output, count, escaped};
use crate::reaching::accept;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use vigie_exec::ssh::class::{Class, Failed};
use vigie_exec::ssh::connect::{Connector, Refusal};
use vigie_exec::ssh::forward::{Answer, Lookout};
use vigie_exec::ssh::trust::Stranger;
use vigie_ports::vantages::sight::{PROHIBITED, Sight};
use vigie_ports::{EngineChoice, Plan, Sink, State, Target, TargetReport};

/// A port of a target, by its number among targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) target: usize,
    pub(super) port: u16,
}

/// All of them.
pub(super) struct Places {
    names: Vec<String>,
    places: Vec<Place>,
    connector: Arc<Connector>,
    patience: Duration,
    stop: watch::Receiver<bool>,
    by: By,
    own: OwnProgram,
    progress: Arc<Progress>,
}

/// How far the looks are that are under way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Ports that have an answer, from all places.
    pub(super) done: Arc<AtomicU64>,
    /// How many are to have one.
    pub(super) total: AtomicU64,
}

/// What it takes to have a program look.
struct Means<'a> {
    connector: &'a Connector,
    own: &'a OwnProgram,
    stop: &'a watch::Receiver<bool>,
    out: &'a Output,
}

/// One of them.
pub(super) struct Place {
    name: String,
    eye: Eye,
    /// Why nothing can be seen from there.
    pub(super) failed: Option<Failed>,
    /// Lines that our looks cost in the log over there.
    pub(super) log_lines: u64,
}

/// What looks.
enum Eye {
    /// Our own scanner.
    Here,
    /// Channels that forward.
    Forwarding(Box<Lookout>),
    /// A program there.
    Program(Box<Agent>),
    /// Nothing yet, or nothing any more.
    Blind,
}

// === impl Places ===

impl Places {
    pub(super) fn new(
        names: Vec<String>,
        connector: Arc<Connector>,
        by: By,
        patience: Duration,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let eye = |name: &String| if name == HERE { Eye::Here } else { Eye::Blind };
        let new = |name: &String| Place { name: name.clone(), eye: eye(name), failed: None, log_lines: 0 };
        let places = names.iter().map(new).collect();
        Places {
            names,
            places,
            connector,
            patience,
            stop,
            by,
            own: OwnProgram::default(),
            progress: Arc::default(),
        }
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// How far the looks are.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Each with its name.
    pub(super) fn each(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.names.iter().map(String::as_str).zip(&self.places)
    }

    /// Whether nothing can be seen from a place.
    pub(super) fn is_blind(&self, place: usize) -> bool {
        self.places.get(place).is_none_or(|place| place.failed.is_some())
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Connects to all; a place that cannot be reached is blind. Hosts that are not known are shown once, together.
    pub(super) async fn connect(&mut self, may_ask: bool, out: &Output) -> Result<(), Failure> {
        let all: Vec<usize> = (0..self.names.len()).collect();
        let strangers = self.connect_some(&all).await;
        if !strangers.is_empty() && may_ask && !self.is_stopped() {
            let mut stop = self.stop.clone();
            let stopped = async {
                if stop.wait_for(|stop| *stop).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let again = accept(&strangers, &self.names, stopped).await?.unwrap_or_default();
            self.connector.trust().refresh();
            self.connect_some(&again).await;
        }
        for (name, place) in self.each() {
            if let Some(failed) = &place.failed {
                let hint = failed.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
                let text =
                    format!("nothing can be seen from {name}: {}: {failed}{hint}", failed.class.as_str());
                out.warn(&text.lines().map(|line| escaped(line.as_bytes())).collect::<Vec<_>>().join("\n"));
            }
        }
        Ok(())
    }

    /// Connects to some, all at once; those whose keys are not known come back.
    async fn connect_some(&mut self, which: &[usize]) -> Vec<(usize, Stranger)> {
        let mut tasks = tokio::task::JoinSet::new();
        for place in which.iter().copied().filter(|place| !matches!(self.places[*place].eye, Eye::Here)) {
            let (connector, name, mut stop) =
                (Arc::clone(&self.connector), self.names[place].clone(), self.stop.clone());
            tasks.spawn(async move {
                let connecting = async {
                    let settings = connector.settings(&name).await?;
                    let mut lookout = Lookout::new(&connector, &settings);
                    lookout.connect().await?;
                    Ok(lookout)
                };
                let connected: Result<Lookout, Refusal> = tokio::select! {
                    connected = connecting => connected,
                    _ = stop.wait_for(|stop| *stop) => Err(stopped().into()),
                };
                (place, connected)
            });
        }
        let mut strangers = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let Ok((index, connected)) = done else { continue };
            let place = &mut self.places[index];
            match connected {
                Ok(lookout) => (place.eye, place.failed) = (Eye::Forwarding(Box::new(lookout)), None),
                Err(Refusal { failed, stranger }) => {
                    place.failed = Some(failed);
                    strangers.extend(stranger.map(|stranger| (index, *stranger)));
                }
            }
        }
        strangers.sort_by_key(|(index, _)| *index);
        strangers
    }

    /// Chooses how each looks at so many ports, and says what that costs.
    pub(super) async fn choose(&mut self, ports: usize, out: &Output) {
        let wanted: &[By] = match self.by {
            By::Auto if ports > FORWARDED_MAX => &[By::Copy, By::Nmap],
            By::Copy => &[By::Copy],
            By::Nmap => &[By::Nmap],
            By::Auto | By::Forwarding => &[],
        };
        let (means, may_forward) =
            (Means { connector: &self.connector, own: &self.own, stop: &self.stop, out }, {
                matches!(self.by, By::Auto | By::Forwarding)
            });
        let choices = self.places.iter_mut().filter(|_| !wanted.is_empty()).map(|place| async {
            if let Err(failed) = place.take_program(wanted, &means).await
                && !may_forward
            {
                place.failed = Some(failed);
            }
        });
        futures_util::future::join_all(choices).await;
        let of_way = |way: &str| {
            let is_so = |(_, place): &(&str, &Place)| place.failed.is_none() && place.way() == way;
            let names: Vec<&str> = self.each().filter(is_so).map(|(name, _)| name).collect();
            (!names.is_empty()).then(|| fold(names.iter().copied()))
        };
        if let Some(names) = of_way("copy") {
            out.remark(&format!(
                "from {names} by this program, which is copied there and removed afterwards"
            ));
        }
        if let Some(names) = of_way("nmap") {
            out.remark(&format!("from {names} by the nmap that is there"));
        }
        if let Some(names) = of_way("forwarding") {
            let ports = count(ports as u64);
            out.remark(&format!(
                "from {names} by forwarding: nothing runs there; a port that is not open costs a line in the log of \
                 sshd, up to {ports} on each, and again where places differ"
            ));
        }
    }

    /// Looks at ports from all places at once; from each comes a sight of each port, in their order.
    pub(super) async fn look(
        &mut self,
        asked: &[Asked],
        targets: &[Target],
        out: &Output,
    ) -> Vec<Vec<Sight>> {
        let (patience, by) = (self.patience, self.by);
        let seeing = self.places.iter().filter(|place| place.failed.is_none()).count();
        let progress = &self.progress;
        progress.done.store(0, Ordering::Relaxed);
        progress.total.store((seeing * asked.len()) as u64, Ordering::Relaxed);
        let means = Means { connector: &self.connector, own: &self.own, stop: &self.stop, out };
        let looks = self.places.iter_mut().map(async |place| {
            let sights = place.look(asked, targets, patience, &self.stop, &progress.done).await;
            let is_prohibited = !sights.is_empty() && sights.iter().all(|sight| sight.reason == PROHIBITED);
            if is_prohibited
                && by == By::Auto
                && place.take_program(&[By::Copy, By::Nmap], &means).await.is_ok()
            {
                out.remark(&format!("{} forwards to none of these ports: by {}", place.name, place.way()));
                return place.look(asked, targets, patience, &self.stop, &progress.done).await;
            }
            sights
        });
        futures_util::future::join_all(looks).await
    }

    /// Asks a target itself.
    pub(super) async fn ask_inside(&self, host: &str, address: IpAddr, out: &Output) -> Inside {
        inside::ask(&self.connector, host, address, self.stop.clone(), out).await
    }

    /// Leaves all of them.
    pub(super) async fn close(self, out: &Output) {
        let leave = self.places.into_iter().map(|place| async {
            match place.eye {
                Eye::Forwarding(lookout) => lookout.close().await,
                Eye::Program(agent) => {
                    if let Err(left) = agent.close().await {
                        out.warn(&left);
                    }
                }
                Eye::Here | Eye::Blind => {}
            }
        });
        futures_util::future::join_all(leave).await;
    }
}

// === impl Place ===

impl Place {
    /// How it looks.
    pub(super) fn way(&self) -> &'static str {
        match &self.eye {
            Eye::Here => HERE,
            Eye::Forwarding(_) => "forwarding",
            Eye::Program(agent) => agent.way(),
            Eye::Blind => "nothing",
        }
    }

    /// Connections that were made to it.
    pub(super) fn connections(&self) -> u32 {
        match &self.eye {
            Eye::Forwarding(lookout) => lookout.connections(),
            Eye::Program(_) => 1,
            Eye::Here | Eye::Blind => 0,
        }
    }

    /// Has a program look instead of forwarding: the first of these that can be had.
    async fn take_program(&mut self, wanted: &[By], means: &Means<'_>) -> Result<(), Failed> {
        let Eye::Forwarding(lookout) = &self.eye else { return Ok(()) };
        let mut last = stopped();
        for by in wanted.iter().copied() {
            let mut stop = means.stop.clone();
            let getting = Agent::new(by, means.connector, lookout.settings(), means.own, means.stop);
            let got = tokio::select! {
                got = getting => got,
                _ = stop.wait_for(|stop| *stop) => Err(stopped()),
            };
            match got {
                Ok(agent) => {
                    if let Eye::Forwarding(lookout) =
                        std::mem::replace(&mut self.eye, Eye::Program(Box::new(agent)))
                    {
                        lookout.close().await;
                    }
                    return Ok(());
                }
                Err(failed) => {
                    means.out.remark(&escaped(failed.message.as_bytes()));
                    last = failed;
                }
            }
        }
        Err(last)
    }

    async fn look(
        &mut self,
        asked: &[Asked],
        targets: &[Target],
        patience: Duration,
        stop: &watch::Receiver<bool>,
        answered: &Arc<AtomicU64>,
    ) -> Vec<Sight> {
        let ports: Vec<SocketAddr> =
            asked.iter().map(|asked| SocketAddr::new(targets[asked.target].address, asked.port)).collect();
        let failed = match (&self.failed, &mut self.eye) {
            (None, Eye::Here) => return here(asked, targets, stop).await,
            (None, Eye::Forwarding(lookout)) => match lookout.ask(&ports, patience, stop, answered).await {
                Ok(answers) => {
                    let costs = |answer: &&Answer| !matches!(answer, Answer::Open | Answer::Silent);
                    self.log_lines += answers.iter().filter(costs).count() as u64;
                    return answers.iter().map(sight).collect();
                }
                Err(refusal) => refusal.failed,
            },
            (None, Eye::Program(agent)) => match agent.look(asked, targets, stop).await {
                Ok(sights) => return sights,
                Err(failed) => failed,
            },
            (None, Eye::Blind) => stopped(),
            (Some(failed), _) => failed.clone(),
        };
        let sights = vec![Sight::new(State::Unknown, failed.class.as_str()); asked.len()];
        self.failed = Some(failed);
        sights
    }
}

fn stopped() -> Failed {
    Failed { class: Class::Stopped, message: "stopped before it was connected".to_owned(), hint: None }
}

fn sight(answer: &Answer) -> Sight {
    let state = match answer {
        Answer::Prohibited => return Sight::new(State::Unknown, PROHIBITED),
        Answer::Open => State::Open,
        Answer::Refused => State::Closed,
        Answer::Unreachable(_) => State::Unreachable,
        Answer::Silent => State::Filtered,
        Answer::Failed(_) | Answer::Unclear(_) | Answer::Lost | Answer::Stopped => State::Unknown,
    };
    Sight::new(state, answer.word())
}

/// Looks from this machine, with the engine that sees what forwarding sees.
async fn here(asked: &[Asked], targets: &[Target], stop: &watch::Receiver<bool>) -> Vec<Sight> {
    struct Reports(Vec<TargetReport>);
    impl Sink for Reports {
        fn report(&mut self, report: TargetReport) {
            self.0.push(report);
        }
    }
    let mut by_target: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
    asked.iter().for_each(|asked| by_target.entry(asked.target).or_default().push(asked.port));
    // Targets with the same ports are one scan.
    let mut scans: BTreeMap<Vec<u16>, Vec<Target>> = BTreeMap::new();
    for (target, ports) in by_target {
        scans.entry(ports).or_default().push(targets[target].clone());
    }
    let flag = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&flag);
    let scanning = tokio::task::spawn_blocking(move || {
        let mut reports = Reports(Vec::new());
        for (ports, targets) in scans {
            let plan = Plan { engine: EngineChoice::Connect, ..Plan::new(ports.into()) };
            // What is not reported is not known, below.
            let _ = vigie_ports::scan(&plan, &mut targets.into_iter(), &mut reports, &stopping);
        }
        reports.0
    });
    let mut stop = stop.clone();
    let watching = async {
        if stop.wait_for(|stop| *stop).await.is_ok() {
            flag.store(true, Ordering::Relaxed);
        }
        std::future::pending::<()>().await;
    };
    let reports = tokio::select! {
        scanned = scanning => scanned.unwrap_or_default(),
        () = watching => Vec::new(),
    };
    let mut found: BTreeMap<(IpAddr, u16), Sight> = BTreeMap::new();
    for report in &reports {
        let sights = report.findings.iter().map(|finding| (finding.port, Sight::of_finding(finding)));
        found.extend(sights.map(|(port, sight)| ((report.address, port), sight)));
    }
    let sight = |asked: &Asked| {
        let found = found.remove(&(targets[asked.target].address, asked.port));
        found.unwrap_or_else(|| Sight::new(State::Unknown, "scan-failed"))
    };
    asked.iter().map(sight).collect()
}
