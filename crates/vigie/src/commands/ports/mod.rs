//! `vigie ports`
//!
//! In reading order: `request` what to look at · `scanning` the engines, on their thread · `asking` banners and
//! services of what was found open · `order` reports in the user's order · `printing` all formats, with `table` for
//! people · `comparing` two files · `from` the same from several places.

mod asking;
mod comparing;
mod from;
mod order;
mod printing;
mod request;
mod scanning;
mod table;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Find the open TCP ports of machines: complete, the same twice, fast without tuning
///
/// Says `closed` only where a machine said so, and keeps apart what is filtered (silence, or a word that it is
/// forbidden), unreachable (the network says so) and unknown (it could not be probed). Needs no hub. Scan only what
/// you may.
#[derive(Args, Debug)]
#[command(after_help = "\
TARGETS: names, addresses, CIDR blocks (10.0.0.0/24, 2001:db8::/120), octet ranges (10.0.0-3.1-20), node sets
(web[01-12].example.org, 10.0.[1-3].4), all between commas or blanks. `-` reads them from standard input.

PORTS: 22,80,1000-2000  -100 (1 to 100)  60000-  - (all)  ssh  http*  [1-1024] (those with a name), between commas.
Without -p the 1,000 likeliest: by nmap's list where nmap is installed, else by our own judgement.

STATES: open; closed: a reset; filtered: silence or a prohibition; unreachable; unknown: could not be probed.

Exit code 0 when every port has its verdict, 3 when something could not be probed or resolved, or the scan was
stopped. With --diff 0 when nothing changed, 1 when something did, 3 when not everything could be compared.

With --from the ports are looked at from other machines, over SSH, as your own ~/.ssh/config says: HOSTS are names
between commas, node sets, groups such as @web, and `here` for this machine. Nothing is installed there. Ports on which
places differ are asked again three times before it is said. Exit code 0 when all is the same from everywhere, or just as
in the baseline, 1 when something differs, 3 when not everything could be seen.

EXAMPLES:
  vigie ports 192.0.2.10                             the 1,000 likeliest ports
  vigie ports web[01-12] -p 22,80,443 --banner       with what the services say of themselves
  vigie ports 10.0.0.0/24 --all-ports --exclude 10.0.0.1 --json > today.json
  vigie ports --diff yesterday.json today.json       what changed; also takes nmap's XML
  vigie ports db1 --engine nmap --xml > db1.xml      your own nmap, for ndiff and the like
  vigie ports db1 --from here,web[01-12]             the same from everywhere?
  vigie ports db1 --from @web --baseline db1.toml --save
  arp -an | grep -oE '[0-9.]{7,}' | vigie ports - --top 20")]
pub(crate) struct PortsArgs {
    /// What to look at
    #[arg(value_name = "TARGET", required_unless_present_any = ["target_files", "diff"])]
    targets: Vec<String>,

    /// Which ports, in nmap's notation
    #[arg(
        short,
        long,
        value_name = "SPEC",
        allow_hyphen_values = true,
        conflicts_with_all = ["top", "all_ports"]
    )]
    ports: Option<String>,

    /// As nmap has it, which is told what it is called here
    #[arg(short = 's', hide = true, value_name = "KIND", value_parser = nmaps_kind)]
    _nmaps_kind: Option<String>,

    /// The N likeliest ports
    #[arg(long, value_name = "N", conflicts_with = "all_ports", value_parser = clap::value_parser!(u16).range(1..))]
    top: Option<u16>,

    /// All 65,535 ports
    #[arg(long)]
    all_ports: bool,

    /// Leave these targets out, in any notation of targets
    #[arg(long, value_name = "TARGET")]
    exclude: Vec<String>,

    /// Read targets from a file, between blanks; `#` begins a comment; `-` is standard input
    #[arg(long = "targets", value_name = "FILE")]
    target_files: Vec<PathBuf>,

    /// Probe every target, also those that give no sign of life. A single target is never asked first
    #[arg(long)]
    no_ping: bool,

    /// Who probes: raw SYN segments where this user may send them and else connect(2), or one of them, or the nmap
    /// that is installed
    #[arg(long, value_name = "ENGINE", value_enum, default_value_t = Engine::Auto)]
    engine: Engine,

    /// Ask open ports what they are: their first bytes, and TLS certificates, which are shown unverified
    #[arg(long)]
    banner: bool,

    /// Let the nmap that is installed find out the services on open ports, and on no others (nmap -sV)
    #[arg(long)]
    service: bool,

    /// Most probes a second [default: as the network bears it]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Longest wait for one answer [default: learnt from each target; from other machines 2.5s]
    #[arg(long, value_name = "SPAN", value_parser = timeout)]
    timeout: Option<Duration>,

    /// How often silent ports are asked again [default: until the loss that was seen leaves no doubt]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100))]
    retries: Option<u32>,

    /// Print XML as nmap does
    #[arg(long, conflicts_with_all = ["json", "grep"])]
    xml: bool,

    /// Print grepable lines as nmap does
    #[arg(long, conflicts_with = "json")]
    grep: bool,

    /// Compare two results instead: files of `--json`, of `--xml`, or of nmap's own XML
    #[arg(
        long,
        num_args = 2,
        value_names = ["A", "B"],
        conflicts_with_all = ["targets", "target_files", "xml", "grep", "banner", "service"]
    )]
    diff: Option<Vec<PathBuf>>,

    /// Scan even what would take days
    #[arg(long)]
    yes_really: bool,

    #[command(flatten)]
    places: from::FromArgs,
}

/// Who probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Auto,
    Connect,
    Syn,
    Nmap,
}

impl PortsArgs {
    pub(crate) async fn run(self, context: Context) -> Result<Outcome, Failure> {
        let from_places = self.places.is_given()?;
        match &self.diff {
            Some(files) => comparing::run(files, context),
            None if from_places => from::run(self, context).await,
            None => scanning::run(self, context).await,
        }
    }
}

/// What a scan that nmap calls `-sS` or the like is here.
fn nmaps_kind(kind: &str) -> Result<String, String> {
    Err(match kind {
        "S" => "nmap's -sS is --engine syn here, which is chosen by itself where it may be".to_owned(),
        "T" => "nmap's -sT is --engine connect here".to_owned(),
        "V" => "nmap's -sV is --service here".to_owned(),
        _ => format!("nmap's -s{kind} is not here; --engine nmap lets your own nmap scan for open TCP ports"),
    })
}

/// A span that an answer may take.
fn timeout(text: &str) -> Result<Duration, String> {
    let span = crate::instant::span(text)?;
    let allowed = Duration::from_millis(1)..=Duration::from_secs(60);
    if allowed.contains(&span) { Ok(span) } else { Err("an answer may take from 1ms to 60s".to_owned()) }
}
