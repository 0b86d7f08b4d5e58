//! `vigie health check`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, Table};
use crate::service::checks::{Shell, check_specs};
use crate::service::role_files::{RoleFile, RoleFiles};
use crate::signals::EndSignals;
use clap::Args;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use vigie_health::{CheckSpec, Finding, Outside, Verdict, check_once};

/// Check once: for cron, for scripts, and to try a check out
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 0 when all is well (warnings included), 1 when a check failed, 3 when one could not look and none failed.
See `vigie health --help` for the checks.

EXAMPLES:
  vigie health check tcp:127.0.0.1:22
  vigie health check '[body=ok] http://127.0.0.1:8080/health' 'exec:/usr/lib/nagios/plugins/check_load -w 4 -c 8'
  vigie health check tcp:db:5432 --json | jq .verdict")]
pub(crate) struct CheckArgs {
    /// What to check
    #[arg(value_name = "SPEC", required = true)]
    checks: Vec<CheckSpec>,

    /// How long a look may take
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = crate::instant::span)]
    timeout: Duration,

    /// This machine's role in a group, from a file, as for `vigie health serve`
    #[arg(long = "role", value_name = "GROUP=FILE")]
    roles: Vec<RoleFile>,
}

impl CheckArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let roles = RoleFiles::new(self.roles)?;
        check_specs(&self.checks, roles.groups(), "a file that does: --role GROUP=FILE")?;
        // What runs here is in process groups of its own, which Ctrl-C at a terminal does not reach.
        let mut end = EndSignals::listen()?;
        let following = roles.follow();
        let outside = Outside { commands: Arc::new(Shell), roles: following.roles() };
        let mut looks = begin(&self.checks, &outside, self.timeout);
        let findings = tokio::select! {
            findings = finish(&mut looks) => findings.map_err(|e| Failure::of(&e))?,
            () = end.next() => {
                // Waits until every command has been killed, which it would else outlive with luck.
                looks.shutdown().await;
                return Err(Failure::failed("interrupted"));
            }
        };
        print(&mut context.out, &self.checks, &findings)?;
        Ok(outcome(&findings))
    }
}

/// Looks with the place of their check.
type Looks = JoinSet<(usize, Finding)>;

/// Begins to look at all of them at once.
fn begin(checks: &[CheckSpec], outside: &Outside, time_limit: Duration) -> Looks {
    let mut looks = JoinSet::new();
    for (index, spec) in checks.iter().cloned().enumerate() {
        let outside = outside.clone();
        looks.spawn(async move { (index, check_once(&spec, &outside, time_limit).await) });
    }
    looks
}

/// The findings in the order of their checks.
async fn finish(looks: &mut Looks) -> Result<Vec<Finding>, JoinError> {
    let mut findings = Vec::new();
    while let Some(look) = looks.join_next().await {
        findings.push(look?);
    }
    findings.sort_by_key(|(index, _)| *index);
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

/// A check that failed is a finding; one that could not look leaves the question open.
fn outcome(findings: &[Finding]) -> Outcome {
    match findings.iter().map(|finding| finding.verdict).max() {
        Some(Verdict::Critical) => Outcome::Negative,
        Some(Verdict::Unknown) => Outcome::Partial,
        _ => Outcome::Done,
    }
}

/// A finding as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    check: &'a str,
    verdict: Verdict,
    detail: &'a str,
    took_ms: u64,
}

fn print(out: &mut Output, checks: &[CheckSpec], findings: &[Finding]) -> std::io::Result<()> {
    let mut table = Table::new(&[], &[]);
    for (spec, finding) in checks.iter().zip(findings) {
        let Finding { verdict, detail, took } = finding;
        let paint = match verdict {
            Verdict::Ok => Paint::Good,
            Verdict::Warning | Verdict::Unknown => Paint::Attention,
            Verdict::Critical => Paint::Bad,
        };
        if out.is_json() {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            out.json(&Line { check: &spec.name, verdict: *verdict, detail, took_ms })?;
        }
        table.row([out.paint(paint, verdict.as_str()), spec.name.clone(), detail.clone()]);
    }
    if !out.is_json() {
        for line in table.lines() {
            out.line(&line)?;
        }
    }
    out.flush()
}
