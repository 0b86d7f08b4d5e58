//! The line of HAProxy's agent-check, in the words that 2.6 and all later versions know.
//!
//! Three words, each of its own kind: health (`up`, `down`, `stopped`), administration (`ready`, `drain`, `maint`)
//! and weight (`50%`). HAProxy keeps each of them until it is told another, and only its agent can undo what its
//! agent set; so health and administration are said every time, and the weight every time where weights are used.
//! Behind them ` # ` and the reason, which counts only with a word of health. A line without any word changes
//! nothing (all of it measured on 2.6.12; `docs/health.md` has the table).

use super::{OnSecondaire, Seen};
use crate::checks::one_line;
use crate::limits::DESCRIPTION_BYTES_MAX;
use crate::verdict::State;

/// The line, with its end: HAProxy ignores one without.
pub fn agent_line(seen: &Seen, on_secondaire: OnSecondaire) -> String {
    if seen.stopping {
        return "stopped # stopping\n".to_owned();
    }
    let policy = if seen.stands_by() { on_secondaire } else { OnSecondaire::Up };
    let health = match (seen.state, policy) {
        (State::Down, _) | (_, OnSecondaire::Down) => Some("down"),
        (State::Up, _) => Some("up"),
        (State::Unknown, _) => None,
    };
    let admin = match (&seen.drained, policy) {
        (Some(_), _) | (None, OnSecondaire::Drain) => Some("drain"),
        (None, OnSecondaire::Maint) => Some("maint"),
        // Without a finding nothing is released.
        (None, _) => health.map(|_| "ready"),
    };
    let weight = match (on_secondaire, policy) {
        (OnSecondaire::Weight(_), OnSecondaire::Weight(percent)) => Some(format!("{percent}%")),
        (OnSecondaire::Weight(_), _) if health.is_some() => Some("100%".to_owned()),
        _ => None,
    };
    let words = [health.map(str::to_owned), admin.map(str::to_owned), weight];
    let mut line = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let about = description(seen);
    if health.is_some() && !about.is_empty() {
        line.push_str(" # ");
        line.push_str(&about);
    }
    line.push('\n');
    line
}

/// What a person wants to read in HAProxy's table, in printable ASCII.
fn description(seen: &Seen) -> String {
    let role = seen.role.as_ref().map(|seen| {
        let role = seen.role.map_or("unknown", |role| role.as_str());
        let epoch = seen.epoch.map(|epoch| format!(" epoch={epoch}")).unwrap_or_default();
        format!("role={role} group={}{epoch}", seen.group)
    });
    let drained = seen.drained.as_ref().map(|drained| match &drained.reason {
        Some(reason) => format!("drained: {reason}"),
        None => "drained".to_owned(),
    });
    let parts: Vec<String> = [role, drained, seen.why.clone()].into_iter().flatten().collect();
    let ascii: String = parts.join("; ").replace(|c: char| !c.is_ascii(), "?");
    one_line(&ascii, DESCRIPTION_BYTES_MAX).replace('…', "...")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::Drained;
    use crate::outside::{Role, RoleSeen};

    fn seen(state: State, role: Option<Option<Role>>, drained: bool) -> Seen {
        Seen {
            state,
            why: (state == State::Down).then(|| "db: cannot connect".to_owned()),
            role: role.map(|role| RoleSeen {
                group: "web".into(),
                role,
                epoch: role.map(|_| 7),
                lease: None,
            }),
            drained: drained.then(|| Drained { reason: Some("kernel".into()), since_unix_ns: 0 }),
            ..Seen::default()
        }
    }

    const P: Option<Option<Role>> = Some(Some(Role::Principal));
    const S: Option<Option<Role>> = Some(Some(Role::Secondaire));

    #[test]
    fn every_combination_has_its_line() {
        use OnSecondaire::{Down, Drain, Maint, Up, Weight};
        use State::{Down as D, Unknown as U, Up as O};
        let p = "role=principal group=web epoch=7";
        let s = "role=secondaire group=web epoch=7";
        for (state, role, drained, policy, expected) in [
            (O, None, false, Down, "up ready\n".to_owned()),
            (D, None, false, Down, "down ready # db: cannot connect\n".to_owned()),
            (U, None, false, Down, "\n".to_owned()),
            (O, None, true, Down, "up drain # drained: kernel\n".to_owned()),
            (D, None, true, Down, "down drain # drained: kernel; db: cannot connect\n".to_owned()),
            (U, None, true, Down, "drain\n".to_owned()),
            (O, P, false, Down, format!("up ready # {p}\n")),
            (D, P, false, Maint, format!("down ready # {p}; db: cannot connect\n")),
            (O, P, false, Weight(10), format!("up ready 100% # {p}\n")),
            (O, S, false, Up, format!("up ready # {s}\n")),
            (O, S, false, Down, format!("down ready # {s}\n")),
            (O, S, false, Maint, format!("up maint # {s}\n")),
            (O, S, false, Drain, format!("up drain # {s}\n")),
            (O, S, false, Weight(10), format!("up ready 10% # {s}\n")),
            (D, S, false, Maint, format!("down maint # {s}; db: cannot connect\n")),
            (O, S, true, Maint, format!("up drain # {s}; drained: kernel\n")),
            (U, S, false, Down, format!("down ready # {s}\n")),
            (U, S, false, Maint, "maint\n".to_owned()),
            (U, P, false, Weight(10), "\n".to_owned()),
            (O, Some(None), false, Down, "down ready # role=unknown group=web\n".to_owned()),
        ] {
            assert_eq!(
                agent_line(&seen(state, role, drained), policy),
                expected,
                "{state:?} {role:?} {policy}"
            );
        }
        let stopping = Seen { stopping: true, ..seen(O, P, true) };
        assert_eq!(agent_line(&stopping, Down), "stopped # stopping\n");
    }

    #[test]
    fn no_text_breaks_out_of_the_line() {
        let mut bad = seen(State::Down, None, false);
        bad.why = Some(format!("é\r\nup ready\x00\x7f {}", "x".repeat(500)));
        let line = agent_line(&bad, OnSecondaire::Down);
        assert!(line.starts_with("down ready # ? up ready xxx") && line.ends_with("x...\n"), "{line}");
        assert!(line.len() < 200 && line.is_ascii());
        assert_eq!(line.matches(|c: char| c.is_control()).count(), 1);
    }
}
