//! `vigie role show`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, Table, ago, span};
use clap::Args;
use std::time::Duration;
use vigie_model::UnixNanos;
use vigie_model::status::{MemberStatus, PrincipalStatus};
use vigie_web::messages::GroupStatus;

/// Show who is principal of which group, since when and why, and who stands by
///
/// Members are in line: should the principal go, the first of them that is connected and willing is next.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie role show
  vigie role show db --json | jq -r .principal.machine")]
pub(crate) struct ShowArgs {
    /// Only this group
    group: Option<String>,
}

impl ShowArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let groups = context.hub()?.roles(self.group.as_deref()).await.map_err(hub_failure)?;
        if groups.is_empty() && !context.out.is_json() {
            context.out.remark("there is no group yet; `vigie agent --role GROUP` makes one");
        }
        print(&mut context.out, &groups)?;
        Ok(Outcome::Done)
    }
}

/// Prints groups, for people or as lines of JSON.
pub(super) fn print(out: &mut Output, groups: &[GroupStatus]) -> std::io::Result<()> {
    for (at, group) in groups.iter().enumerate() {
        if out.is_json() {
            out.json(group)?;
            continue;
        }
        if at > 0 {
            out.line("")?;
        }
        for line in shown(out, group) {
            out.line(&line)?;
        }
    }
    out.flush()
}

fn shown(out: &Output, group: &GroupStatus) -> Vec<String> {
    let ttl = span(Duration::from_millis(group.ttl_ms));
    let mut settings = vec![group.mode.clone(), format!("lease {ttl}")];
    if group.preempt {
        settings.push("preempts".into());
    }
    if group.paused {
        settings.push(out.paint(Paint::Attention, "paused"));
    }
    let mut lines = vec![format!("{}  ({})", group.group, settings.join(", "))];
    lines.push(match &group.principal {
        Some(principal) => format!("  {}", shown_principal(out, principal)),
        None => format!("  {}", out.paint(Paint::Attention, "nobody is principal")),
    });
    if let Some(last) = &group.last_ended {
        let when = ago(UnixNanos(last.at_unix_ns));
        let detection = last.detection_ms.filter(|ms| *ms > 0);
        let detection = detection.map(|ms| format!(", noticed after {}", span(Duration::from_millis(ms))));
        lines.push(format!(
            "  before: {} until {when}, epoch {}, {}{}",
            last.machine,
            last.epoch,
            last.cause,
            detection.unwrap_or_default()
        ));
    }
    let mut table = Table::new(&[], &[]);
    for member in &group.members {
        table.row(shown_member(out, member));
    }
    lines.extend(table.lines().into_iter().map(|line| format!("  {line}")));
    lines
}

fn shown_principal(out: &Output, principal: &PrincipalStatus) -> String {
    let PrincipalStatus { machine, epoch, since_unix_ns, cause, lease_left_ms, asked } = principal;
    let since = ago(UnixNanos(*since_unix_ns));
    let lease = lease_left_ms.map(|ms| format!(", lease left {}", span(Duration::from_millis(ms))));
    let asked = asked.as_ref().map(|why| format!(", is stepping down ({why})"));
    format!(
        "{} {machine}, epoch {epoch}, since {since} ({cause}){}{}",
        out.paint(Paint::Good, "principal"),
        lease.unwrap_or_default(),
        asked.unwrap_or_default()
    )
}

fn shown_member(out: &Output, member: &MemberStatus) -> [String; 4] {
    let paint = if member.role == "principal" { Paint::Good } else { Paint::Dim };
    let connected = if member.connected { String::new() } else { out.paint(Paint::Attention, "away") };
    let heard = span(Duration::from_millis(member.heard_ms_ago));
    let mut remarks = vec![format!("heard {heard} ago")];
    if member.priority != 0 {
        remarks.push(format!("priority {}", member.priority));
    }
    if member.nofailover {
        remarks.push("never principal".into());
    }
    [member.machine.clone(), out.paint(paint, &member.role), connected, remarks.join(", ")]
}
