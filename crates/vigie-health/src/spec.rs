//! A check as people write it: `[OPTION=VALUE,…] KIND:WHAT`.

use crate::outside::Role;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// A check: what to look at, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSpec {
    /// What it is called in answers. When nothing else is said, what was written; but of a command only its name, and
    /// of an address nothing behind the path, because everybody who may ask reads it.
    pub name: String,
    /// What to look at.
    pub target: Target,
    /// How long a look may take, if not the service's own limit.
    pub time_limit: Option<Duration>,
}

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whether a connection can be made.
    Tcp {
        /// `HOST:PORT`.
        address: String,
    },
    /// What is answered to a GET.
    Http {
        /// Where to connect to, `HOST:PORT`.
        address: String,
        /// What the `Host` header says.
        host: String,
        /// Path and query.
        path: String,
        /// Which statuses are good.
        status: RangeInclusive<u16>,
        /// A text that the body must hold.
        body: Option<String>,
    },
    /// What a command says with its exit code, as plugins of Nagios do: 0 ok, 1 warning, 2 critical, 3 unknown.
    Exec {
        /// For `sh -c`.
        line: String,
    },
    /// What this machine is in a group.
    Role {
        /// The group.
        group: String,
        /// What it must be.
        role: Role,
    },
}

/// Text that is no check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    /// None of the kinds.
    #[error(
        "`{0}` is no check: give tcp:HOST:PORT, http://HOST:PORT/PATH, exec:COMMAND or role:GROUP=principal, \
         with options in front such as [name=db,timeout=2s]"
    )]
    Kind(String),
    /// Not `HOST:PORT`.
    #[error("`{0}` is not HOST:PORT")]
    Address(String),
    /// Not an address of HTTP.
    #[error("`{0}` is not http://HOST:PORT/PATH (https is checked by a command: exec:curl -fsS URL)")]
    Url(String),
    /// A command or a group that is empty.
    #[error("`{0}` names nothing")]
    Empty(String),
    /// Not a role.
    #[error("`{0}` is not GROUP=principal or GROUP=secondaire")]
    Role(String),
    /// The brackets do not end.
    #[error("the options of `{0}` do not end with ]")]
    Open(String),
    /// No such option, or not for this kind.
    #[error("`{option}` is no option of this kind of check: there are {known}")]
    Option {
        /// What was written.
        option: String,
        /// What could be.
        known: &'static str,
    },
    /// An option's value.
    #[error("`{value}` is no value of {option}: {wanted}")]
    Value {
        /// The option.
        option: &'static str,
        /// What was written.
        value: String,
        /// What could be.
        wanted: &'static str,
    },
}

/// Statuses that are good when nothing else is said: as HAProxy has it.
const GOOD: RangeInclusive<u16> = 200..=399;

impl FromStr for CheckSpec {
    type Err = BadSpec;

    fn from_str(text: &str) -> Result<Self, BadSpec> {
        let text = text.trim();
        let (options, what) = match text.strip_prefix('[') {
            // A body may hold any bracket but the one before the check.
            Some(rest) => rest.split_once("] ").ok_or_else(|| BadSpec::Open(text.to_owned()))?,
            None => ("", text),
        };
        let what = what.trim();
        let target = target(what)?;
        let mut spec = CheckSpec { name: name(what, &target), target, time_limit: None };
        let mut rest = options;
        while !rest.is_empty() {
            // The text to look for is the last option, and takes everything.
            let (option, more) = match rest.strip_prefix("body=") {
                Some(_) => (rest, ""),
                None => rest.split_once(',').unwrap_or((rest, "")),
            };
            spec.option(option)?;
            rest = more;
        }
        Ok(spec)
    }
}

impl CheckSpec {
    fn option(&mut self, option: &str) -> Result<(), BadSpec> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let bad = |option, wanted| BadSpec::Value { option, value: value.to_owned(), wanted };
        match (name.trim(), &mut self.target) {
            ("name", _) if !value.is_empty() => value.clone_into(&mut self.name),
            ("name", _) => return Err(bad("name", "it is empty")),
            ("timeout", _) => {
                let limit = seconds(value).ok_or_else(|| bad("timeout", "give 500ms, 2s or 1m"))?;
                self.time_limit = Some(limit);
            }
            ("status", Target::Http { status, .. }) => {
                *status = statuses(value).ok_or_else(|| bad("status", "give 200 or 200-299"))?;
            }
            ("body", Target::Http { body, .. }) if !value.is_empty() => *body = Some(value.to_owned()),
            ("body", Target::Http { .. }) => return Err(bad("body", "it is empty")),
            (_, target) => {
                let known = match target {
                    Target::Http { .. } => "name, timeout, status and body",
                    _ => "name and timeout",
                };
                return Err(BadSpec::Option { option: option.to_owned(), known });
            }
        }
        Ok(())
    }
}

fn name(what: &str, target: &Target) -> String {
    let name = match target {
        Target::Exec { line } => {
            let program = line.split_whitespace().find(|word| !word.contains('='));
            program.and_then(|word| word.rsplit('/').next()).unwrap_or("exec")
        }
        Target::Http { .. } => what.split('?').next().unwrap_or(what),
        Target::Tcp { .. } | Target::Role { .. } => what,
    };
    name.to_owned()
}

fn target(text: &str) -> Result<Target, BadSpec> {
    if text.starts_with("http://") {
        return http(text);
    }
    let Some((kind, what)) = text.split_once(':') else { return Err(BadSpec::Kind(text.to_owned())) };
    match kind {
        "tcp" => Ok(Target::Tcp { address: address(what)? }),
        "exec" if what.trim().is_empty() => Err(BadSpec::Empty(text.to_owned())),
        "exec" => Ok(Target::Exec { line: what.trim().to_owned() }),
        "role" => {
            let bad = || BadSpec::Role(what.to_owned());
            let (group, role) = what.split_once('=').ok_or_else(bad)?;
            let role = role.parse().map_err(|()| bad())?;
            if group.is_empty() {
                return Err(bad());
            }
            Ok(Target::Role { group: group.to_owned(), role })
        }
        "https" => Err(BadSpec::Url(text.to_owned())),
        _ => Err(BadSpec::Kind(text.to_owned())),
    }
}

fn address(text: &str) -> Result<String, BadSpec> {
    let bad = || BadSpec::Address(text.to_owned());
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let in_brackets = host.starts_with('[') && host.ends_with(']');
    let has_blank = host.contains(|c: char| c.is_whitespace() || c.is_control());
    if host.is_empty() || has_blank || (host.contains(':') && !in_brackets) || port.parse::<u16>().is_err() {
        return Err(bad());
    }
    Ok(text.to_owned())
}

fn http(text: &str) -> Result<Target, BadSpec> {
    let bad = || BadSpec::Url(text.to_owned());
    let uri: hyper::Uri = text.parse().map_err(|_| bad())?;
    let authority =
        uri.authority().filter(|a| !a.as_str().contains('@') && !a.host().is_empty()).ok_or_else(bad)?;
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => 80,
        Some(port) => port.trim_start_matches(':').parse::<u16>().map_err(|_| bad())?,
        None => return Err(bad()),
    };
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    Ok(Target::Http {
        address: format!("{}:{port}", authority.host()),
        host: authority.to_string(),
        path: path.to_owned(),
        status: GOOD,
        body: None,
    })
}

fn statuses(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let range = from.parse().ok()?..=to.parse().ok()?;
    (*range.start() >= 100 && *range.end() <= 599 && !range.is_empty()).then_some(range)
}

/// `500ms`, `2s`, `1m`: whole numbers of one unit.
fn seconds(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let span = match &text[digits..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    (!span.is_zero()).then_some(span)
}

impl fmt::Display for CheckSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> CheckSpec {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn every_kind_is_read() {
        let tcp = read("tcp:[::1]:5432");
        assert_eq!((tcp.name.as_str(), tcp.time_limit), ("tcp:[::1]:5432", None));
        assert_eq!(tcp.target, Target::Tcp { address: "[::1]:5432".into() });
        let http = read("[name=app,timeout=1500ms,status=200-204,body=a], ok] http://web/health?x=1");
        assert_eq!((http.name.as_str(), http.time_limit), ("app", Some(Duration::from_millis(1500))));
        let Target::Http { address, host, path, status, body } = http.target else { panic!() };
        assert_eq!((address.as_str(), host.as_str(), path.as_str()), ("web:80", "web", "/health?x=1"));
        assert_eq!((status, body.as_deref()), (200..=204, Some("a], ok")));
        let exec = read("[timeout=1m] exec: check_disk -w 10% [x] | grep ':'");
        assert_eq!(exec.target, Target::Exec { line: "check_disk -w 10% [x] | grep ':'".into() });
        assert_eq!(exec.name, "check_disk");
        assert_eq!(read("exec:TOKEN=secret /opt/bin/probe --key secret").name, "probe");
        assert_eq!(read("http://web/health?token=secret").name, "http://web/health");
        let role = read("role:web=secondaire");
        assert_eq!(role.target, Target::Role { group: "web".into(), role: Role::Secondaire });
    }

    #[test]
    fn what_is_no_check_says_what_is() {
        for (text, told) in [
            ("", "is no check"),
            ("ping:host", "is no check"),
            ("tcp:host", "HOST:PORT"),
            ("tcp::80", "HOST:PORT"),
            ("tcp:::1:80", "HOST:PORT"),
            ("tcp:host:99999", "HOST:PORT"),
            ("http://", "http://HOST"),
            ("http://u:p@host/", "http://HOST"),
            ("http://host:99999/", "http://HOST"),
            ("https://host/", "exec:curl"),
            ("exec: ", "names nothing"),
            ("role:web", "GROUP=principal"),
            ("role:=principal", "GROUP=principal"),
            ("role:web=king", "GROUP=principal"),
            ("[name=x", "do not end"),
            ("[status=200] tcp:a:1", "name and timeout"),
            ("[status=99] http://a/", "200-299"),
            ("[status=300-200] http://a/", "200-299"),
            ("[timeout=2] tcp:a:1", "500ms"),
            ("[timeout=0s] tcp:a:1", "500ms"),
            ("[timeout=99999999999999999999m] tcp:a:1", "500ms"),
            ("[timeout=9999999999999999999m] tcp:a:1", "500ms"),
            ("[name=] tcp:a:1", "empty"),
            ("[color=red] http://a/", "status and body"),
        ] {
            let error = text.parse::<CheckSpec>().expect_err(text).to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
