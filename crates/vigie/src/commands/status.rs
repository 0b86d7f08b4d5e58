//! `vigie status`

use crate::context::{Context, hub_failure};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, Table, ago, bytes, count, counted, short_time, span};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use vigie_model::UnixNanos;
use vigie_model::status::{AgentStatus, RoleStatus, RootStatus};
use vigie_web::text::rfc3339;

/// Show how the hub and its machines do
///
/// Machines with their address and roots, what is watched and how, what waits, and where changes may have
/// been missed. Where no hub was named and none answers, how this machine's agent does.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie status
  vigie status --json | jq .")]
pub(crate) struct StatusArgs {}

impl StatusArgs {
    async fn ask(&self, context: &Context) -> Result<Value, Failure> {
        if context.agent_is_meant() {
            return Ok(context.agent().await?.1);
        }
        match context.hub()?.status().await {
            Ok(status) => Ok(status),
            Err(error) if error.is_unreachable() && !context.hub_is_named() => match context.agent().await {
                Ok((_, status)) => Ok(status),
                Err(_) => Err(hub_failure(error)),
            },
            Err(error) => Err(hub_failure(error)),
        }
    }

    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let status = self.ask(&context).await?;
        if context.out.is_json() {
            context.out.json(&status)?;
        } else {
            for line in shown(&context.out, &status)? {
                context.out.line(&line)?;
            }
        }
        context.out.flush()?;
        Ok(Outcome::Done)
    }
}

/// A status for people: of a hub, of an agent alone, or of health answers.
fn shown(out: &Output, status: &Value) -> Result<Vec<String>, Failure> {
    let unread =
        |e: serde_json::Error| Failure::failed("the status is not what this version knows").because(&e);
    match status.get("part").and_then(Value::as_str) {
        Some("agent") => {
            let agent = AgentStatus::deserialize(status).map_err(unread)?;
            let mut lines = shown_agent(out, &agent);
            if let Some(mut health) = status.get("health").cloned() {
                // The agent has said more of its roles than its health answers know.
                health.as_object_mut().map(|fields| fields.remove("roles"));
                lines.push(String::new());
                lines.extend(crate::commands::health::shown::shown(out, &health)?);
            }
            Ok(lines)
        }
        Some("health") => crate::commands::health::shown::shown(out, status),
        _ => Ok(shown_hub(out, &HubStatus::deserialize(status).map_err(unread)?)),
    }
}

fn shown_agent(out: &Output, agent: &AgentStatus) -> Vec<String> {
    let since = ago(UnixNanos(agent.link.since_unix_ns));
    let paint = if agent.link.state == "connected" { Paint::Good } else { Paint::Attention };
    let link = out.paint(paint, &agent.link.state);
    let mut lines = vec![format!(
        "agent    {} (vigie {}), to {}: {link} ({since})",
        agent.machine, agent.version, agent.hub
    )];
    lines.extend(agent.link.why.iter().map(|why| format!("         {}", out.paint(Paint::Bad, why))));
    lines.push(format!("waiting  {}", waiting(agent)));
    lines.extend(agent.roles.iter().map(|role| shown_role(out, role)));
    if !agent.roots.is_empty() {
        lines.push(String::new());
        lines.extend(roots_table([agent]));
    }
    lines.extend(remarks(out, [agent]));
    lines
}

fn shown_role(out: &Output, role: &RoleStatus) -> String {
    let RoleStatus { group, role, epoch, barred, why, .. } = role;
    let epoch = epoch.map(|epoch| format!(", epoch {epoch}")).unwrap_or_default();
    let barred = if *barred { ", never principal" } else { "" };
    let why = why.as_ref().map(|why| format!(": {}", out.paint(Paint::Bad, why))).unwrap_or_default();
    format!("role     {role} in {group}{epoch}{barred}{why}")
}

fn shown_hub(out: &Output, hub: &HubStatus) -> Vec<String> {
    let paint = if hub.store == "ok" { Paint::Good } else { Paint::Bad };
    let listen = hub.listen.as_ref().map(|address| format!(", agents on {address}")).unwrap_or_default();
    let HubSizes { records, unread, blocks, journal_bytes, pack_bytes, index_bytes } = hub.sizes;
    let mut lines = vec![
        format!("hub      vigie {}, store {}{listen}", hub.version, out.paint(paint, &hub.store)),
        format!(
            "stored   {}, {}: journal {}, packs {}, index {}",
            counted(records, "record"),
            counted(blocks, "block"),
            bytes(journal_bytes),
            bytes(pack_bytes),
            bytes(index_bytes)
        ),
    ];
    if unread > 0 {
        let unread = format!("{} cannot be read, and take no part in any answer", counted(unread, "record"));
        lines.push(format!("         {}", out.paint(Paint::Bad, &unread)));
    }
    lines.push(String::new());
    if hub.machines.is_empty() {
        lines.push("no machine has enrolled yet: `vigie hub invite NAME` makes a token".to_owned());
        return lines;
    }
    lines.extend(machines_table(&hub.machines));
    let agents: Vec<_> = hub.machines.iter().filter_map(|machine| machine.agent.as_ref()).collect();
    if !agents.is_empty() {
        lines.push(String::new());
        lines.extend(roots_table(agents.iter().copied()));
    }
    for machine in &hub.machines {
        for gap in &machine.gaps {
            let since = gap.since_unix_ns.map(|ns| format!(" since {}", short_time(&rfc3339(UnixNanos(ns)))));
            let text = format!(
                "gap      changes of {}:{} may be missing{} ({}, record #{})",
                machine.name,
                gap.root,
                since.unwrap_or_default(),
                gap.cause,
                gap.opened_seq
            );
            lines.push(out.paint(Paint::Attention, &text));
        }
    }
    lines.extend(remarks(out, agents));
    lines
}

fn machines_table(machines: &[MachineStatus]) -> Vec<String> {
    let mut table = Table::new(&["MACHINE", "ADDRESS", "CONNECTED", "LAST RECORD", "WAITING"], &[]);
    for machine in machines {
        let last = match (machine.last_seq, machine.last_observed_unix_ns) {
            (Some(seq), Some(ns)) => format!("#{seq}, {}", ago(UnixNanos(ns))),
            _ => "none".to_owned(),
        };
        let connected = match (machine.connected_since_unix_ns, machine.away_since_unix_ns) {
            (Some(ns), _) => ago(UnixNanos(ns)),
            (None, Some(ns)) => format!("away since {}", short_time(&rfc3339(UnixNanos(ns)))),
            (None, None) => "away".to_owned(),
        };
        let local = if machine.connected { "this process" } else { "-" };
        let address = machine.address.clone().unwrap_or_else(|| local.to_owned());
        let waiting = match &machine.agent {
            Some(agent) => waiting(agent),
            None if machine.connected => "no answer".to_owned(),
            None => "-".to_owned(),
        };
        table.row([machine.name.clone(), address, connected, last, waiting]);
    }
    table.lines()
}

/// What an agent still has to send, and how far it is behind, where that is known.
fn waiting(agent: &AgentStatus) -> String {
    let queue = &agent.queue;
    let facts = queue.facts + queue.unacknowledged;
    if facts + queue.contents == 0 {
        return "nothing".to_owned();
    }
    let waiting = format!("{}, {}", counted(facts, "record"), counted(queue.contents, "content"));
    match queue.lag_ms {
        0 => waiting,
        lag => format!("{waiting}, {} behind", span(Duration::from_millis(lag))),
    }
}

fn roots_table<'a>(agents: impl IntoIterator<Item = &'a AgentStatus>) -> Vec<String> {
    let heading = ["ROOT", "STATE", "BACKEND", "NODE IDS", "OBJECTS", "DIRECTORIES"];
    let mut table = Table::new(&heading, &[4, 5]);
    for agent in agents {
        for root in &agent.roots {
            table.row([
                format!("{}:{}", agent.machine, root.path),
                root.state.clone(),
                root.backend.clone(),
                root.node_id_tier.clone(),
                count(root.nodes),
                count(root.watches),
            ]);
        }
    }
    table.lines()
}

/// What the person in charge should know.
fn remarks<'a>(out: &Output, agents: impl IntoIterator<Item = &'a AgentStatus>) -> Vec<String> {
    let mut lines = Vec::new();
    for agent in agents {
        for root in &agent.roots {
            let place = format!("{}:{}", agent.machine, root.path);
            let warning = root.warning.iter().map(|w| format!("warning  {place}: {w}"));
            lines
                .extend(warning.chain(not_read(root, &place)).map(|text| out.paint(Paint::Attention, &text)));
        }
        let notices = agent.notices.iter().map(|notice| format!("notice   {}: {notice}", agent.machine));
        lines.extend(notices.map(|text| out.paint(Paint::Attention, &text)));
    }
    lines
}

/// How much of a root could not be read.
fn not_read(root: &RootStatus, place: &str) -> Option<String> {
    let noun = |number: u64, one: &str, many: &str| {
        (number > 0).then(|| format!("{} {}", count(number), if number == 1 { one } else { many }))
    };
    let files = noun(root.unreadable, "file that could not be read", "files that could not be read");
    let directories =
        noun(root.unseen, "directory that is not seen whole", "directories that are not seen whole");
    let all: Vec<String> = files.into_iter().chain(directories).collect();
    (!all.is_empty()).then(|| format!("unseen   {place}: {}", all.join(", ")))
}

/// How a hub does, as far as this version knows the fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HubStatus {
    version: String,
    listen: Option<String>,
    store: String,
    sizes: HubSizes,
    machines: Vec<MachineStatus>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct HubSizes {
    records: u64,
    unread: u64,
    blocks: u64,
    journal_bytes: u64,
    pack_bytes: u64,
    index_bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MachineStatus {
    name: String,
    connected: bool,
    address: Option<String>,
    connected_since_unix_ns: Option<i64>,
    away_since_unix_ns: Option<i64>,
    last_observed_unix_ns: Option<i64>,
    last_seq: Option<u64>,
    gaps: Vec<OpenGap>,
    agent: Option<AgentStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OpenGap {
    root: String,
    cause: String,
    since_unix_ns: Option<i64>,
    opened_seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_agent_that_was_refused_and_is_drained() {
        let status = json!({
            "part": "agent", "machine": "db1", "version": "9", "hub": "hub:7700",
            "link": {"state": "connected", "since_unix_ns": 0}, "roots": [],
            "queue": {"facts": 0, "unacknowledged": 0, "contents": 0, "lag_ms": 0},
            "roles": [{"group": "db", "role": "secondaire", "barred": false, "why": "the group is full"}],
            "health": {"listen": "10.0.0.5:7780", "health": "up", "drained": {"reason": "new kernel"},
                "roles": [{"group": "db", "role": "secondaire"}]},
        });
        let lines = shown(&Output::new(true), &status).unwrap();
        assert_eq!(lines[1..3], ["waiting  nothing", "role     secondaire in db: the group is full"]);
        assert_eq!(lines[4], "health   up, not ready; load balancers on 10.0.0.5:7780");
        assert!(lines[5].starts_with("drained  ") && lines[5].ends_with(": new kernel"), "{lines:?}");
        assert_eq!(lines.len(), 6, "{lines:?}");
    }

    #[test]
    fn records_that_cannot_be_read_are_told_where_there_are_any() {
        let shown_of = |unread: u64| {
            let sizes = json!({"records": 9, "unread": unread});
            shown(&Output::new(true), &json!({"part": "hub", "store": "ok", "sizes": sizes})).unwrap()
        };
        assert_eq!(shown_of(2)[2], "         2 records cannot be read, and take no part in any answer");
        assert_eq!(shown_of(0)[2], "");
    }

    #[test]
    fn how_far_an_agent_is_behind_is_said_where_it_is_known() {
        let queue = |lag_ms| {
            let status = json!({
                "part": "agent", "machine": "db1", "version": "9", "hub": "hub:7700",
                "link": {"state": "connecting", "since_unix_ns": 0}, "roots": [],
                "queue": {"facts": 1200, "unacknowledged": 0, "contents": 1, "lag_ms": lag_ms},
            });
            shown(&Output::new(true), &status).unwrap()[1].clone()
        };
        assert_eq!(queue(0), "waiting  1,200 records, 1 content");
        assert_eq!(queue(40), "waiting  1,200 records, 1 content, 40 ms behind");
    }

    #[test]
    fn a_hub_with_a_machine_away_and_a_gap() {
        let status = json!({
            "part": "hub", "version": "9", "listen": "[::]:7700", "store": "ok",
            "sizes": {"records": 1234, "blocks": 5, "journal_bytes": 10, "pack_bytes": 2048, "index_bytes": 0},
            "machines": [{
                "name": "web01", "connected": false, "newer": true,
                "gaps": [{"root": "/srv", "cause": "restart", "opened_seq": 7}],
            }],
        });
        let lines = shown(&Output::new(true), &status).unwrap();
        let expected = [
            "hub      vigie 9, store ok, agents on [::]:7700",
            "stored   1,234 records, 5 blocks: journal 10 B, packs 2.00 KiB, index 0 B",
            "",
            "MACHINE  ADDRESS  CONNECTED  LAST RECORD  WAITING",
            "web01    -        away       none         -",
            "gap      changes of web01:/srv may be missing (restart, record #7)",
        ];
        assert_eq!(lines, expected);
    }
}
