//! The engines, on a thread of their own, and the loop that listens to them and to the user.

use super::asking::{Asked, Asking};
use super::order::{Order, Places};
use super::printing::{End, Format, Printer};
use super::{Engine, PortsArgs, request};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Bar, count};
use crate::signals::EndSignals;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, JoinSet};
use vigie_ports::host::Host;
use vigie_ports::nmap::{self, NmapError, NmapSink};
use vigie_ports::ports::PortSet;
use vigie_ports::services::Services;
use vigie_ports::targets::{Request, TargetList, resolve};
use vigie_ports::{EngineChoice, Ping, Plan, Progress, ScanError, Sink, Target, TargetReport};

/// Up to so many targets are counted before the scan; beyond, the progress knows their number without exclusions.
const COUNTED: u128 = 1 << 16;

/// Reports that may wait to be printed before the engine waits for that.
const QUEUE: usize = 256;

/// What the engine's thread says.
enum News {
    Host(Box<Host>),
    Progress(Progress),
    Part(String, f64),
    Note(String),
}

/// How an engine ended.
struct Ended {
    stopped: bool,
    /// Targets that have no report, though their turn had come.
    missing: u64,
    problem: Option<String>,
}

pub(super) async fn run(args: PortsArgs, context: Context) -> Result<Outcome, Failure> {
    let services = Services::of_this_machine();
    let ports = request::ports(&args, &services, &context.out)?;
    let request = request::targets(&args)?;
    request::check_size(&args, &request, &ports)?;
    let wants_nmap = args.engine == Engine::Nmap || args.service;
    if wants_nmap && !nmap::is_installed() {
        return Err(nmap_failure(&NmapError::Missing));
    }
    let mut end = EndSignals::listen()?;
    let Some((list, unresolved)) = resolved(request, &mut end, &context).await? else {
        context.out.warn("interrupted while names were resolved; nothing was probed");
        return Ok(Outcome::Partial);
    };
    let total = list.count(COUNTED);
    if total == 0 {
        context.out.warn("no target is left to be scanned");
        return Ok(Outcome::Partial);
    }
    let plan = plan(&args, &ports, total);
    let format = Format::of(&args, &context.out);
    let printer = Printer::new(format, context.out, ports, total, args.engine == Engine::Nmap);
    Scan::start(&args, plan, list, services, printer).follow(&mut end, unresolved).await
}

/// The targets, and whether all names had an address; `None` when the user had enough.
pub(super) async fn resolved(
    request: Request,
    end: &mut EndSignals,
    context: &Context,
) -> Result<Option<(TargetList, bool)>, Failure> {
    let names = request.names();
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let resolving = tokio::task::spawn_blocking(move || resolve::resolve(&names, &stopping));
    let resolved = tokio::select! {
        resolved = resolving => resolved.map_err(|e| Failure::of(&e))?,
        () = end.next() => {
            stop.store(true, Ordering::Relaxed);
            return Ok(None);
        }
    };
    let (list, failed) = request.resolved(&resolved).map_err(|e| {
        Failure::of(&e).hint("it was to be left out, and might be any of the others: nothing was probed")
    })?;
    failed.iter().for_each(|name| context.out.warn(&name.to_string()));
    Ok(Some((list, !failed.is_empty())))
}

fn plan(args: &PortsArgs, ports: &PortSet, total: u128) -> Plan {
    let mut plan = Plan::new(ports.as_slice().into());
    plan.engine = match args.engine {
        Engine::Auto | Engine::Nmap => EngineChoice::Auto,
        Engine::Connect => EngineChoice::Connect,
        Engine::Syn => EngineChoice::Syn,
    };
    (plan.rate, plan.timeout, plan.retries) = (args.rate, args.timeout, args.retries);
    // Of a single target its ports are the answer, and asking first could only hide them.
    plan.ping = if args.no_ping || total == 1 { Ping::Skip } else { Ping::Ask };
    plan.targets_total = u64::try_from(total).ok();
    plan
}

/// A scan under way.
struct Scan {
    news: Receiver<News>,
    engine: JoinHandle<Result<Ended, Failure>>,
    list: Arc<TargetList>,
    places: Places,
    asking: Asking,
    asked: JoinSet<(u64, Asked)>,
    stop: Arc<AtomicBool>,
    bar: Bar,
    order: Order,
    printer: Printer,
    problems: bool,
}

impl Scan {
    fn start(args: &PortsArgs, plan: Plan, list: TargetList, services: Services, printer: Printer) -> Self {
        let (to, news) = channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let (list, places) = (Arc::new(list), Places::default());
        let asking = Asking::new(args.banner, args.service, Arc::clone(&stop));
        let bar = Bar::steps(printer.is_for_scripts());
        let (with_nmap, engine_stop) = (args.engine == Engine::Nmap, Arc::clone(&stop));
        let (engine_list, engine_places) = (Arc::clone(&list), places.clone());
        let engine = tokio::task::spawn_blocking(move || {
            let mut targets = engine_places.count(engine_list.iter());
            let mut told = Told { to, services };
            if with_nmap {
                with_nmap_engine(&plan, &mut targets, &mut told, &engine_stop)
            } else {
                with_own_engine(&plan, &mut targets, &mut told, &engine_stop)
            }
        });
        let (asked, order) = (JoinSet::new(), Order::default());
        Scan { news, engine, list, places, asking, asked, stop, bar, order, printer, problems: false }
    }

    /// Listens until the engine has ended and everything is printed, or the user has had enough.
    async fn follow(mut self, end: &mut EndSignals, unresolved: bool) -> Result<Outcome, Failure> {
        let printed = self.listen(end).await;
        if printed.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        // The engine never outlives its reader for long: it looks whether to stop many times a second.
        self.news.close();
        let ended = (&mut self.engine).await.map_err(|e| Failure::of(&e))?;
        self.bar.finish();
        printed?;
        let Ended { stopped, missing, problem } = ended?;
        for host in self.order.rest() {
            self.printer.host(&host, self.list.aliases(host.scoped()))?;
        }
        if let Some(problem) = &problem {
            self.printer.warn(problem);
        }
        if missing > 0 {
            self.printer.warn(&format!("{} targets have no result", count(missing)));
        }
        if stopped {
            self.printer.warn("stopped before the end: this is what was found so far");
        }
        let incomplete = stopped || unresolved || missing > 0 || problem.is_some() || self.problems;
        let covered = self.printer.finish(&End { incomplete })?;
        Ok(Outcome::partial_if(incomplete || !covered))
    }

    /// Takes news, answers and signals as they come.
    async fn listen(&mut self, end: &mut EndSignals) -> Result<(), Failure> {
        let mut wishes = 0;
        let mut is_over = false;
        while !(is_over && self.asked.is_empty()) {
            tokio::select! {
                news = self.news.recv(), if !is_over => match news {
                    Some(news) => self.take(news)?,
                    None => is_over = true,
                },
                Some(done) = self.asked.join_next() => {
                    let (number, Asked { host, problem }) = done.map_err(|e| Failure::of(&e))?;
                    if let Some(problem) = problem {
                        self.problems = true;
                        self.bar.above(|| self.printer.warn(&problem));
                    }
                    self.print(number, host)?;
                }
                () = end.next() => {
                    self.stop.store(true, Ordering::Relaxed);
                    wishes += 1;
                    // Whoever asks twice does not wait for what is under way.
                    if wishes > 1 {
                        self.asked.shutdown().await;
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, news: News) -> Result<(), Failure> {
        match news {
            News::Host(host) => {
                let number = self.places.leave(host.scoped());
                if self.asking.has_questions(&host) {
                    let asking = self.asking.clone();
                    self.asked.spawn(async move { (number, asking.ask(*host).await) });
                } else {
                    self.print(number, *host)?;
                }
            }
            News::Progress(Progress { done, total, probes, open }) => {
                let text = format!("{} open, {} probes", count(open), count(probes));
                self.bar.set_steps(done, total, text);
            }
            News::Part(task, percent) => self.bar.set_steps(percent as u64, 100, format!("nmap: {task}")),
            News::Note(note) => {
                let printer = &mut self.printer;
                self.bar.above(|| printer.note(&note));
            }
        }
        Ok(())
    }

    fn print(&mut self, number: u64, host: Host) -> Result<(), Failure> {
        self.order.push(number, host);
        while let Some(host) = self.order.pop() {
            let (printer, list) = (&mut self.printer, &self.list);
            self.bar.above(|| printer.host(&host, list.aliases(host.scoped())))?;
        }
        Ok(())
    }
}

/// The engine's side of the news.
struct Told {
    to: Sender<News>,
    services: Services,
}

impl Told {
    /// News that must not be lost; nobody listening is seen at the next look at `stop`.
    fn send(&self, news: News) {
        let _ = self.to.blocking_send(news);
    }

    /// News that the next ones make up for.
    fn hint(&self, news: News) {
        let _ = self.to.try_send(news);
    }
}

impl Sink for Told {
    fn report(&mut self, report: TargetReport) {
        self.send(News::Host(Box::new(Host::of(report, &self.services))));
    }

    fn progress(&mut self, progress: Progress) {
        self.hint(News::Progress(progress));
    }

    fn note(&mut self, note: &str) {
        self.send(News::Note(note.to_owned()));
    }
}

impl NmapSink for Told {
    fn host(&mut self, host: Host) {
        self.send(News::Host(Box::new(host)));
    }

    fn progress(&mut self, task: &str, percent: f64) {
        self.hint(News::Part(task.to_owned(), percent));
    }
}

fn with_own_engine(
    plan: &Plan,
    targets: &mut dyn Iterator<Item = Target>,
    told: &mut Told,
    stop: &AtomicBool,
) -> Result<Ended, Failure> {
    let summary = vigie_ports::scan(plan, targets, told, stop).map_err(|error| {
        let failure = Failure::of(&error);
        match error {
            ScanError::NotPermitted { .. } => failure.hint(
                "run it as root, give the program the capability (setcap cap_net_raw+ep PROGRAM), or use \
                 --engine connect, which needs no privilege",
            ),
            ScanError::NoSockets { .. } => failure.hint(
                "allow more open files (ulimit -n, LimitNOFILE= of a unit), or use --engine connect, which \
                 gets by with fewer",
            ),
            ScanError::Setup { .. } | ScanError::Failed => failure,
        }
    })?;
    Ok(Ended { stopped: summary.stopped, missing: 0, problem: None })
}

fn with_nmap_engine(
    plan: &Plan,
    targets: &mut (dyn Iterator<Item = Target> + Send),
    told: &mut Told,
    stop: &AtomicBool,
) -> Result<Ended, Failure> {
    let summary = nmap::scan(plan, targets, told, stop).map_err(|error| nmap_failure(&error))?;
    let problem = summary.problem.map(|problem| problem.to_string());
    Ok(Ended { stopped: summary.stopped, missing: summary.missing, problem })
}

fn nmap_failure(error: &NmapError) -> Failure {
    let failure = Failure::of(error);
    match error {
        NmapError::Missing => failure.hint("install it (apt-get install nmap), or use another engine"),
        NmapError::TooManyRanges(_) => failure.into_usage().hint("scan all ports instead: --all-ports"),
        NmapError::Start(_) | NmapError::Failed { .. } => failure,
    }
}
