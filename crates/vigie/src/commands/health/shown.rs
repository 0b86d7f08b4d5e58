//! The status of health answers, for people.

use crate::failure::Failure;
use crate::output::{Output, Paint, Table, ago, escaped};
use serde::Deserialize;
use serde_json::Value;
use vigie_model::UnixNanos;

/// How health answers do, as far as this version knows the fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HealthStatus {
    listen: String,
    health: String,
    ready: bool,
    stopping: bool,
    drained: Option<Drained>,
    roles: Vec<Role>,
    checks: Vec<Check>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Drained {
    reason: Option<String>,
    since_unix_ns: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Role {
    group: String,
    role: Option<String>,
    epoch: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Check {
    name: String,
    state: String,
    since_unix_ns: i64,
    last: Option<String>,
    detail: String,
}

/// The lines to print, of health answers as a part of their own or inside of an agent.
pub(crate) fn shown(out: &Output, status: &Value) -> Result<Vec<String>, Failure> {
    let status = HealthStatus::deserialize(status)
        .map_err(|e| Failure::failed("the status is not what this version knows").because(&e))?;
    let ready = if status.ready { "ready" } else { "not ready" };
    let stopping = if status.stopping { ", stopping" } else { "" };
    let word = out.paint(paint(&status.health), &status.health);
    let mut lines = vec![format!("health   {word}, {ready}{stopping}; load balancers on {}", status.listen)];
    if let Some(drained) = &status.drained {
        let reason = drained.reason.as_ref().map(|text| format!(": {}", escaped(text.as_bytes())));
        let since = ago(UnixNanos(drained.since_unix_ns));
        let text = format!("drained  {since}{}", reason.unwrap_or_default());
        lines.push(out.paint(Paint::Attention, &text));
    }
    for Role { group, role, epoch } in &status.roles {
        let epoch = epoch.map(|epoch| format!(", epoch {epoch}")).unwrap_or_default();
        lines.push(format!("role     {} in {group}{epoch}", role.as_deref().unwrap_or("unknown")));
    }
    if !status.checks.is_empty() {
        lines.push(String::new());
        let mut table = Table::new(&["CHECK", "STATE", "SINCE", "LAST LOOK", "FOUND"], &[]);
        for check in &status.checks {
            table.row([
                escaped(check.name.as_bytes()),
                out.paint(paint(&check.state), &check.state),
                ago(UnixNanos(check.since_unix_ns)),
                check.last.clone().unwrap_or_else(|| "-".to_owned()),
                escaped(check.detail.as_bytes()),
            ]);
        }
        lines.extend(table.lines());
    }
    Ok(lines)
}

fn paint(state: &str) -> Paint {
    match state {
        "up" => Paint::Good,
        "down" => Paint::Bad,
        _ => Paint::Attention,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_machine_that_is_down_and_drained() {
        let status = json!({
            "part": "health", "listen": "10.0.0.5:7780", "health": "down", "ready": false,
            "drained": {"reason": "new kernel"}, "roles": [{"group": "web", "role": "principal", "epoch": 7}],
            "checks": [{"name": "db", "state": "down", "last": "critical", "detail": "refused"}],
        });
        let lines = shown(&Output::new(true), &status).unwrap();
        assert_eq!(lines[0], "health   down, not ready; load balancers on 10.0.0.5:7780");
        assert!(lines[1].starts_with("drained  ") && lines[1].ends_with(": new kernel"), "{lines:?}");
        assert_eq!(lines[2], "role     principal in web, epoch 7");
        assert!(lines[5].starts_with("db     down") && lines[5].ends_with("critical   refused"), "{lines:?}");
    }
}
