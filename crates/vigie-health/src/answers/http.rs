//! What HTTP is answered: 200 or 503, and why as JSON.

use super::Seen;
use crate::monitor::CheckState;
use crate::outside::Role;
use crate::verdict::State;
use serde::Serialize;

/// An answer, before it is written as HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, 503, 404 or 405.
    pub status: u16,
    /// JSON with a line end; not sent to HEAD and OPTIONS.
    pub body: String,
}

/// The body of an answer.
#[derive(Clone, Debug, Serialize)]
pub struct Said<'a> {
    ok: bool,
    /// What is not as asked for; none when all is.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    health: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    draining: bool,
    stopping: bool,
    #[serde(skip_serializing_if = "<[CheckState]>::is_empty")]
    checks: &'a [CheckState],
}

/// The answer to a GET of this path; none when there is no such path.
///
/// | path | 200 when |
/// |---|---|
/// | `/live` | this program answers |
/// | `/health` | all checks are well |
/// | `/ready`, `/` | and it is neither drained nor stopping |
/// | `/principal` | and it is the principal of its group |
/// | `/secondaire` | and it is a secondaire of its group |
pub fn answer(path: &str, seen: &Seen) -> Option<Answer> {
    let why = match path {
        "/live" => None,
        "/health" => unwell(seen),
        "/ready" | "/" => unready(seen),
        "/principal" => unready(seen).or_else(|| not_in_role(seen, Role::Principal)),
        "/secondaire" => unready(seen).or_else(|| not_in_role(seen, Role::Secondaire)),
        _ => return None,
    };
    let ok = why.is_none();
    // A life sign must not fail with what it tells of.
    let checks = if path == "/live" { &[][..] } else { &seen.checks[..] };
    let said = Said {
        ok,
        why,
        health: seen.state,
        role: seen.role.as_ref().map(|seen| seen.role.map_or("unknown", Role::as_str)),
        group: seen.role.as_ref().map(|seen| seen.group.as_str()),
        epoch: seen.role.as_ref().and_then(|seen| seen.epoch),
        draining: seen.drained.is_some(),
        stopping: seen.stopping,
        checks,
    };
    Some(Answer { status: if ok { 200 } else { 503 }, body: json(&said) })
}

pub(super) fn refusal(status: u16, why: &str) -> Answer {
    Answer { status, body: json(&serde_json::json!({ "ok": false, "why": why })) }
}

fn json(value: &impl Serialize) -> String {
    // Plain structs of text and numbers; whatever went wrong, the status tells.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}

fn unwell(seen: &Seen) -> Option<String> {
    let why = || seen.why.clone().unwrap_or_default();
    match seen.state {
        State::Up => None,
        State::Down => Some(why()),
        State::Unknown => Some(format!("not known yet: {}", why())),
    }
}

fn unready(seen: &Seen) -> Option<String> {
    let drained = || {
        let drained = seen.drained.as_ref()?;
        let reason = drained.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        Some(format!("drained{reason}"))
    };
    let stopping = seen.stopping.then(|| "stopping".to_owned());
    stopping.or_else(drained).or_else(|| unwell(seen))
}

fn not_in_role(seen: &Seen, wanted: Role) -> Option<String> {
    match &seen.role {
        None => Some("this machine is in no group".to_owned()),
        Some(seen) if seen.role == Some(wanted) => None,
        Some(seen) => match seen.role {
            Some(role) => Some(format!("{} in {}", role.as_str(), seen.group)),
            None => Some(format!("no role in {}", seen.group)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::Drained;
    use crate::outside::RoleSeen;

    fn statuses(seen: &Seen) -> [u16; 5] {
        ["/live", "/health", "/ready", "/principal", "/secondaire"]
            .map(|path| answer(path, seen).unwrap().status)
    }

    #[test]
    fn each_path_asks_for_more() {
        let role = |role| Some(RoleSeen { group: "web".into(), role, epoch: Some(7), lease: None });
        let up = Seen { state: State::Up, ..Seen::default() };
        let principal = Seen { role: role(Some(Role::Principal)), ..up.clone() };
        let secondaire = Seen { role: role(Some(Role::Secondaire)), ..up.clone() };
        assert_eq!(statuses(&up), [200, 200, 200, 503, 503]);
        assert_eq!(statuses(&principal), [200, 200, 200, 200, 503]);
        assert_eq!(statuses(&secondaire), [200, 200, 200, 503, 200]);
        assert_eq!(statuses(&Seen { role: role(None), ..up.clone() }), [200, 200, 200, 503, 503]);
        let drained = Some(Drained { reason: None, since_unix_ns: 0 });
        assert_eq!(statuses(&Seen { drained, ..principal.clone() }), [200, 200, 503, 503, 503]);
        assert_eq!(statuses(&Seen { stopping: true, ..principal.clone() }), [200, 200, 503, 503, 503]);
        assert_eq!(statuses(&Seen { state: State::Down, ..principal.clone() }), [200, 503, 503, 503, 503]);
        assert_eq!(statuses(&Seen { state: State::Unknown, ..principal }), [200, 503, 503, 503, 503]);
        assert_eq!(answer("/", &up), answer("/ready", &up));
        assert_eq!(answer("/metrics", &up), None);
    }

    #[test]
    fn the_body_says_why() {
        let seen = Seen {
            state: State::Down,
            why: Some("db: \"refused\"".into()),
            role: Some(RoleSeen {
                group: "web".into(),
                role: Some(Role::Principal),
                epoch: Some(7),
                lease: None,
            }),
            ..Seen::default()
        };
        let expected = "{\"ok\":false,\"why\":\"db: \\\"refused\\\"\",\"health\":\"down\",\"role\":\"principal\",\
            \"group\":\"web\",\"epoch\":7,\"draining\":false,\"stopping\":false}\n";
        assert_eq!(answer("/principal", &seen).unwrap().body, expected);
        let up = Seen { state: State::Up, ..Seen::default() };
        let expected = "{\"ok\":true,\"health\":\"up\",\"draining\":false,\"stopping\":false}\n";
        assert_eq!(answer("/ready", &up).unwrap().body, expected);
    }
}
