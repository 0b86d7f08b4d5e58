//! `vigie ports TARGET --from HOSTS`: the same ports from several places.
//!
//! In reading order: this file, what is asked for and the order of the looks · `places` from where, and `ways` how · `inside` what the
//! target itself says · `against` the baseline · `told` the result for scripts, `shown` for people.

mod against;
mod inside;
mod places;
mod shown;
mod told;
mod ways;

use super::{PortsArgs, request, scanning};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Bar, Output, count};
use crate::reaching::WayArgs;
use crate::signals::EndSignals;
use against::Against;
use clap::Args;
use places::{Asked, Places, Progress};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;
use vigie_ports::Target;
use vigie_ports::services::Services;
use vigie_ports::vantages::verdict::ROUNDS;
use vigie_ports::vantages::view::View;
use ways::By;

/// The word for this machine among places. A host of this name is reached by another of its names.
const HERE: &str = "here";

/// Pairs of port and place that are looked at in one run: all ports of one target from sixty places.
const LOOKS_MAX: u128 = 4_000_000;

/// How long the answer of a port is waited for when nothing else is said: the kernel over there sends a lost SYN again
/// after one second, and its answer has time to come.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Between two looks at how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The same from several places.
#[derive(Args, Debug)]
#[command(next_help_heading = "From several places")]
pub(super) struct FromArgs {
    /// Look from these hosts, over SSH, and say where they differ; `here` is this machine
    #[arg(
        long,
        value_name = "HOSTS",
        conflicts_with_all = ["xml", "grep", "banner", "service", "diff", "engine", "rate", "retries", "no_ping"]
    )]
    from: Option<String>,

    /// Who looks on those hosts
    #[arg(long, value_name = "WAY", value_enum, requires = "from", default_value_t = By::Auto)]
    by: By,

    /// Compare with this file, too
    #[arg(long, value_name = "FILE", requires = "from")]
    baseline: Option<PathBuf>,

    /// Write what is found to the baseline, instead of comparing with it; what it allows stays
    #[arg(long, requires = "baseline")]
    save: bool,

    /// Ask the target itself over SSH, by its own name or as HOST: who listens there explains why ports differ, and its
    /// host key is compared with the baseline
    #[arg(
        long,
        value_name = "HOST",
        requires = "from",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    ask_target: Option<String>,

    #[command(flatten)]
    way: WayArgs,

    /// The port of SSH there [default: as ssh_config says]
    #[arg(long, value_name = "PORT", requires = "from", value_parser = clap::value_parser!(u16).range(1..))]
    ssh_port: Option<u16>,
}

impl FromArgs {
    /// Whether that is what is wanted.
    pub(super) fn is_given(&self) -> Result<bool, Failure> {
        if self.from.is_none() && self.way.is_given() {
            return Err(Failure::usage("from where? Options about other machines are for --from HOSTS"));
        }
        Ok(self.from.is_some())
    }

    /// The places by name, each once.
    async fn names(&self) -> Result<Vec<String>, Failure> {
        let text = self.from.as_deref().unwrap_or_default();
        let mut names = self.way.inventory()?.hosts(text).await.map_err(|e| Failure::of(&e).into_usage())?;
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        if names.is_empty() { Err(Failure::usage("from where? No place is named")) } else { Ok(names) }
    }
}

/// A target with what was seen of it.
struct Seen {
    target: Target,
    view: View,
}

pub(super) async fn run(args: PortsArgs, context: Context) -> Result<Outcome, Failure> {
    let services = Services::of_this_machine();
    let ports = request::ports(&args, &services, &context.out)?;
    let request = request::targets(&args)?;
    let against = Against::read(&args.places)?;
    let names = args.places.names().await?;
    check_size(request.size().saturating_mul((ports.as_slice().len() * names.len()) as u128))?;
    let mut end = EndSignals::listen()?;
    let Some((list, unresolved)) = scanning::resolved(request, &mut end, &context).await? else {
        context.out.warn("interrupted while names were resolved; nothing was probed");
        return Ok(Outcome::Partial);
    };
    let new = |target: Target| Seen { view: View::new(ports.as_slice(), names.len()), target };
    let mut seen: Vec<Seen> = list.iter().map(new).collect();
    if seen.is_empty() {
        context.out.warn("no target is left to be looked at");
        return Ok(Outcome::Partial);
    }
    check_targets(&seen, &args.places, &context.out)?;
    let (stop, stopping) = watch::channel(false);
    let patience = args.timeout.unwrap_or(PATIENCE);
    let connector = args.places.way.connector(args.places.ssh_port, end.next()).await?;
    let mut places = Places::new(names, connector, args.places.by, patience, stopping);
    let progress = places.progress();
    let looking = async {
        places.connect(args.places.way.may_ask(), &context.out).await?;
        places.choose(seen.len() * ports.as_slice().len(), &context.out).await;
        look_at_all(&mut places, &mut seen, &against, &context.out).await;
        Ok(match &args.places.ask_target {
            Some(host) => ask_targets(&places, &seen, host, &context.out).await,
            None => HashMap::new(),
        })
    };
    let Some(inside) = follow(looking, &progress, context.out.is_json(), &mut end, &stop).await? else {
        return Ok(Outcome::Partial);
    };
    let is_stopped = *stop.borrow();
    let result = told::Result::of(&seen, &places, &against, &services, &inside);
    let mut out = context.out;
    if out.is_json() {
        result.print_json(&mut out)?;
    } else {
        shown::print(&result, &mut out)?;
    }
    if is_stopped {
        let unsaved = if args.places.save { "; the baseline is not written" } else { "" };
        out.warn(&format!("stopped before the end: this is what was seen so far{unsaved}"));
    } else {
        against.save(&seen, &places, &inside, &out)?;
    }
    places.close(&out).await;
    Ok(result.outcome(is_stopped || unresolved))
}

/// Refuses what would not fit into memory, and nobody means.
fn check_size(looks: u128) -> Result<(), Failure> {
    if looks <= LOOKS_MAX {
        return Ok(());
    }
    let (looks, max) = (count(u64::try_from(looks).unwrap_or(u64::MAX)), count(LOOKS_MAX as u64));
    Err(Failure::usage(format!("these are {looks} looks at ports; up to {max} are compared at once"))
        .hint("fewer targets, ports or places, one run after the other"))
}

/// Refuses targets that places cannot share, and says which address a name is for all of them.
fn check_targets(seen: &[Seen], args: &FromArgs, out: &Output) -> Result<(), Failure> {
    if let Some(local) = seen.iter().find(|seen| seen.target.scope != 0) {
        return Err(Failure::usage(format!("{} is an address of one link only", local.target.written))
            .hint("other machines are on other links: give an address that all of them can reach"));
    }
    if args.ask_target.as_ref().is_some_and(|host| !host.is_empty()) && seen.len() > 1 {
        return Err(Failure::usage("one host cannot be asked about several targets")
            .hint("--ask-target without a host asks each by its own name"));
    }
    for Target { written, address, .. } in seen.iter().map(|seen| &seen.target) {
        if *written != address.to_string() {
            out.remark(&format!("{written} is {address}, as this machine resolves it, for all places"));
        }
    }
    Ok(())
}

/// Shows how far the looks are until they have ended. The first wish to end ends them early; at the second nothing more is
/// waited for: `None`.
async fn follow<T>(
    looking: impl Future<Output = Result<T, Failure>>,
    progress: &Progress,
    is_json: bool,
    end: &mut EndSignals,
    stop: &watch::Sender<bool>,
) -> Result<Option<T>, Failure> {
    let mut looking = std::pin::pin!(looking);
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    // Not before the first look: before, there may be questions at the terminal.
    let mut bar: Option<Bar> = None;
    let looked = loop {
        tokio::select! {
            looked = &mut looking => break looked.map(Some),
            _ = tick.tick() => {
                let (done, total) = (progress.done.load(Relaxed), progress.total.load(Relaxed));
                if total > 0 {
                    let bar = bar.get_or_insert_with(|| Bar::steps(is_json));
                    bar.set_steps(done, total, format!("{} of {} looks", count(done), count(total)));
                }
            }
            () = end.next() => {
                if stop.send_replace(true) {
                    break Ok(None);
                }
            }
        }
    };
    bar.iter().for_each(Bar::finish);
    looked
}

/// All ports once; then those in doubt again, all places at the same time, so that what changes with time is not taken
/// for what changes with place.
async fn look_at_all(places: &mut Places, seen: &mut [Seen], against: &Against, out: &Output) {
    let mut asked: Vec<Asked> = Vec::new();
    for (target, one) in seen.iter().enumerate() {
        asked.extend(one.view.ports().map(|port| Asked { target, port }));
    }
    look(places, seen, &asked, out).await;
    let mut doubtful = Vec::new();
    for (target, one) in seen.iter().enumerate() {
        let expected = against.expected(&one.target, places.names());
        let in_doubt = one.view.in_doubt(|place| places.is_blind(place), expected);
        doubtful.extend(in_doubt.into_iter().map(|port| Asked { target, port }));
    }
    for _ in 0..ROUNDS {
        if doubtful.is_empty() {
            return;
        }
        look(places, seen, &doubtful, out).await;
    }
    if places.is_stopped() {
        for Asked { target, port } in doubtful {
            seen[target].view.forget(port, "stopped");
        }
    }
}

/// Asks each target itself, by its own name or by the one that is given.
async fn ask_targets(
    places: &Places,
    seen: &[Seen],
    host: &str,
    out: &Output,
) -> HashMap<IpAddr, inside::Inside> {
    let mut told = HashMap::new();
    for Seen { target, .. } in seen {
        let host = if host.is_empty() { &target.written } else { host };
        told.insert(target.address, places.ask_inside(host, target.address, out).await);
    }
    told
}

async fn look(places: &mut Places, seen: &mut [Seen], asked: &[Asked], out: &Output) {
    let targets: Vec<Target> = seen.iter().map(|seen| seen.target.clone()).collect();
    for (place, sights) in places.look(asked, &targets, out).await.into_iter().enumerate() {
        for (Asked { target, port }, sight) in asked.iter().zip(sights) {
            seen[*target].view.add(place, *port, sight);
        }
    }
}
