//! `vigie ip`

use crate::connecting::{ConnectArgs, setup_failure, url};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, Table, span};
use crate::places;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use vigie_model::{Clock, SystemClock};
use vigie_tools::http::Url;
use vigie_tools::http::client::Settings;
use vigie_tools::http::names::Family;
use vigie_tools::ip::ask::{Found, ask};
use vigie_tools::ip::memory::Memory;
use vigie_tools::ip::source::{Source, usual};
use vigie_tools::ip::verdict::Verdict;
use vigie_tools::limits::{IP_SOURCES_MAX, IP_TIMEOUT};

/// The file of what need not be asked again yet.
const MEMORY: &str = "ip.json";

/// Tell the public address of this machine, as several operators see it
///
/// ifconfig.me and other services are asked at once; two of different operators have to say the same. An answer is good
/// for a minute, and a service that asked to be left alone is left alone.
#[derive(Args, Debug)]
#[command(after_help = "\
Without -4 or -6 it is the IPv4 address, or the IPv6 address when nobody can be asked over IPv4. With several services,
exit code 0 when two agree, 1 when they disagree, 3 when only one answered, 4 when nobody did. One --source alone is
taken at its word: unconfirmed, 0.

EXAMPLES:
  vigie ip
  IP=$(vigie ip --quiet) && echo \"$IP\"
  vigie ip -6 --json
  vigie ip --source https://ifconfig.me/ip --quiet")]
pub(crate) struct IpArgs {
    /// The IPv4 address
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// The IPv6 address
    #[arg(short = '6', long)]
    ipv6: bool,

    /// Ask this service, and no other than those that are named; it has to answer with the address alone, with a line
    /// ip=ADDRESS, or with a JSON object that has an ip
    #[arg(long, value_name = "URL", value_parser = url)]
    source: Vec<Url>,

    /// Print the address alone, and nothing when it is not sure
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,

    /// Ask again, even if there is a young answer
    #[arg(long)]
    fresh: bool,

    /// How long the services may take
    #[arg(long, value_name = "SPAN", value_parser = crate::instant::span)]
    timeout: Option<Duration>,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// The answer for scripts.
#[derive(Serialize)]
struct Line<'a> {
    family: &'static str,
    verdict: &'static str,
    address: Option<String>,
    /// The proxy that was asked through: it is seen, not this machine.
    via_proxy: Option<&'a str>,
    answers: Vec<AnswerLine<'a>>,
}

#[derive(Serialize)]
struct AnswerLine<'a> {
    source: &'a str,
    operator: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl IpArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        if self.source.len() > IP_SOURCES_MAX {
            return Err(Failure::usage(format!("at most {IP_SOURCES_MAX} services can be named")));
        }
        let settings = self.connect.clone().settings(self.timeout.unwrap_or(IP_TIMEOUT), 0);
        let file = places::cache().map(|dir| dir.join(MEMORY));
        let mut memory = file.as_deref().map(Memory::load).unwrap_or_default();
        let found = self.find(&settings, &mut memory).await?;
        save(file, &memory);
        let proxy = found.answers.iter().find_map(|answer| settings.proxy_for(&answer.source.url));
        if let Some(proxy) = &proxy {
            context.out.warn(&format!(
                "asked through the proxy {proxy}: its address is seen, and not this machine's"
            ));
        }
        self.print(&mut context.out, &found, proxy.as_deref())?;
        self.outcome(&found)
    }

    async fn find(&self, settings: &Settings, memory: &mut Memory) -> Result<Found, Failure> {
        let families = match (self.ipv4, self.ipv6) {
            (true, _) => &[Family::V4][..],
            (_, true) => &[Family::V6],
            _ => &[Family::V4, Family::V6],
        };
        let now = u64::try_from(SystemClock::default().wall().0 / 1_000_000_000).unwrap_or(0);
        let mut first = None;
        for &family in families {
            let sources = match self.source.as_slice() {
                [] => usual(family),
                named => named.iter().cloned().map(Source::new).collect(),
            };
            let asked = ask(&sources, family, settings, memory, self.fresh, now).await;
            let found = asked.map_err(|error| setup_failure(&error))?;
            if found.verdict != Verdict::Nothing {
                return Ok(found);
            }
            // What is wrong with the first is what is wrong.
            first.get_or_insert(found);
        }
        first.ok_or_else(|| Failure::failed("there is nobody to ask"))
    }

    /// Whether one service was asked because the user wants it so.
    fn is_alone(&self) -> bool {
        self.source.len() == 1
    }

    fn outcome(&self, found: &Found) -> Result<Outcome, Failure> {
        match found.verdict {
            Verdict::Agreed(_) => Ok(Outcome::Done),
            Verdict::Unconfirmed(_) => Ok(Outcome::partial_if(!self.is_alone())),
            Verdict::Disagree => Ok(Outcome::Negative),
            Verdict::Nothing => {
                let mut failure =
                    Failure::failed(format!("nobody told the {} address", found.family.as_str()));
                for answer in &found.answers {
                    if let Err(why) = &answer.address {
                        failure = failure.adding(&format!("{}: {why}", answer.source.operator));
                    }
                }
                Err(failure.hint(
                    "is there a way out of this network? Behind a proxy, set https_proxy or --proxy URL",
                ))
            }
        }
    }

    fn print(&self, out: &mut Output, found: &Found, proxy: Option<&str>) -> std::io::Result<()> {
        if out.is_json() {
            out.json(&line(found, proxy))?;
        } else if self.quiet {
            match found.verdict {
                Verdict::Agreed(address) => out.line(&address.to_string())?,
                Verdict::Unconfirmed(address) if self.is_alone() => out.line(&address.to_string())?,
                Verdict::Unconfirmed(address) => out.warn(&format!("only one operator answered: {address}")),
                Verdict::Disagree => {
                    out.warn("the operators disagree; without --quiet it is told who says what")
                }
                Verdict::Nothing => {}
            }
        } else if found.verdict != Verdict::Nothing {
            print_for_people(out, found)?;
        }
        out.flush()
    }
}

fn print_for_people(out: &mut Output, found: &Found) -> std::io::Result<()> {
    let word = match found.verdict {
        Verdict::Agreed(_) => out.paint(Paint::Good, "agreed"),
        Verdict::Unconfirmed(_) => out.paint(Paint::Attention, "unconfirmed"),
        Verdict::Disagree | Verdict::Nothing => out.paint(Paint::Bad, "the operators disagree"),
    };
    match found.verdict.address() {
        Some(address) => out.line(&format!("{address}  {word}"))?,
        None => out.line(&word)?,
    }
    let mut table = Table::new(&[], &[]);
    for answer in &found.answers {
        let said = match &answer.address {
            Ok(address) => address.to_string(),
            Err(why) => why.clone(),
        };
        let age = answer.age.map_or_else(String::new, |age| format!("(asked {} ago)", span(age)));
        table.row([format!("  {}", answer.source.operator), said, age]);
    }
    table.lines().iter().try_for_each(|line| out.line(line))
}

fn line<'a>(found: &'a Found, via_proxy: Option<&'a str>) -> Line<'a> {
    let answers = found.answers.iter().map(|answer| AnswerLine {
        source: answer.source.url.as_str(),
        operator: &answer.source.operator,
        address: answer.address.as_ref().ok().map(ToString::to_string),
        age_s: answer.age.map(|age| age.as_secs()),
        error: answer.address.as_ref().err().map(String::as_str),
    });
    Line {
        family: found.family.as_str(),
        verdict: found.verdict.as_str(),
        address: found.verdict.address().map(|address| address.to_string()),
        via_proxy,
        answers: answers.collect(),
    }
}

/// What cannot be remembered is asked again; that is no failure.
fn save(file: Option<PathBuf>, memory: &Memory) {
    if let Some(error) = file.and_then(|file| memory.save(&file).err()) {
        tracing::info!(%error, "the answers are not remembered");
    }
}
