//! What the user's own `ssh_config` says of a host. `ssh -G` is asked, which knows `Match`, `Include` and all tokens;
//! it connects to nothing. (`ssh(1)`, `ssh_config(5)`)

use super::class::{Class, Failed};
use crate::command::Command;
use crate::limits::CONFIG_PATIENCE;
use crate::outcome::{Ending, StartError};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is done about a host whose key is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It is refused.
    Strict,
    /// The user is asked, for all such hosts at once.
    Ask,
    /// It is accepted and remembered; a changed key is refused.
    AcceptNew,
    /// Everything is accepted, a changed key too. Whoever is in between can read and answer.
    Off,
}

/// What is given for all hosts, over their configuration.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Another configuration file than the user's own; `none` for none.
    pub file: Option<PathBuf>,
    /// The user to be there.
    pub user: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// A private key to try first.
    pub identity: Option<PathBuf>,
    /// What is done about unknown keys.
    pub policy: Option<Policy>,
    /// Files with known hosts, instead of the user's own.
    pub known_hosts: Option<PathBuf>,
    /// How long a connection may take to come about.
    pub connect_timeout: Option<Duration>,
}

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// As the user wrote it, without a user in front.
    pub written: String,
    /// Name or address that is connected to.
    pub hostname: String,
    /// Its port.
    pub port: u16,
    /// The user to be there.
    pub user: String,
    /// What it is called among known hosts, instead of its name and port.
    pub host_key_alias: Option<String>,
    /// What is done about unknown keys.
    pub policy: Policy,
    /// The user's files with known hosts; the first takes new ones.
    pub user_known_hosts: Vec<PathBuf>,
    /// The machine's.
    pub global_known_hosts: Vec<PathBuf>,
    /// Whether new names are hidden.
    pub hash_known_hosts: bool,
    /// Private keys, in order.
    pub identity_files: Vec<PathBuf>,
    /// Certificates beside those named like a key.
    pub certificate_files: Vec<PathBuf>,
    /// Whether an agent's other keys are left alone.
    pub identities_only: bool,
    /// The agent's socket; none when there is to be none.
    pub identity_agent: Option<PathBuf>,
    /// Whether keys are to be tried at all.
    pub pubkey: bool,
    /// Whether passwords may be.
    pub password: bool,
    /// Hosts in between, in order.
    pub proxy_jump: Option<String>,
    /// A command whose input and output are the connection.
    pub proxy_command: Option<String>,
    /// Only addresses of this family: 4 or 6.
    pub family: Option<u8>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// Between two signs of life that are asked for.
    pub alive_interval: Duration,
    /// So many may stay unanswered.
    pub alive_count: usize,
}

/// Asks for the settings of a host, which may have a user in front: `ada@web01`.
///
/// # Errors
/// The configuration is wrong, or has no answer for such a name.
pub async fn settings(host: &str, overrides: &Overrides) -> Result<Settings, Failed> {
    let failed =
        |why: String| Failed::new(Class::Config, format!("cannot read the configuration for {host}: {why}"));
    // A name like `-oProxyCommand=…` would be an option.
    if host.is_empty() || host.starts_with('-') || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(failed("this is no name of a host".to_owned()));
    }
    let mut command = Command::new("ssh").arg("-G");
    if let Some(file) = &overrides.file {
        command = command.arg("-F").arg(file);
    }
    for (option, value) in [
        ("-l", overrides.user.clone().map(OsString::from)),
        ("-p", overrides.port.map(|port| port.to_string().into())),
        ("-i", overrides.identity.clone().map(OsString::from)),
    ] {
        if let Some(value) = value {
            command = command.arg(option).arg(value);
        }
    }
    let asked = command.arg("--").arg(host).env("LC_ALL", "C.UTF-8").time_limit(CONFIG_PATIENCE).run().await;
    let text = match asked {
        Ok(outcome) if outcome.ending == Ending::Exited(0) => outcome.stdout.to_text(),
        Ok(outcome) => {
            let said = outcome.stderr.to_text();
            return Err(failed(said.lines().next().unwrap_or("`ssh -G` has no answer").to_owned()));
        }
        // Without OpenSSH's client there is no configuration of it that could be meant.
        Err(StartError::NotFound { .. }) => String::new(),
        Err(error) => return Err(failed(error.to_string())),
    };
    Ok(read(host, &text, overrides))
}

/// The settings in what `ssh -G` prints.
fn read(host: &str, text: &str, overrides: &Overrides) -> Settings {
    let (user, written) = host.rsplit_once('@').map_or((None, host), |(user, name)| (Some(user), name));
    let mut values: HashMap<String, Vec<&str>> = HashMap::new();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        values.entry(key.to_lowercase()).or_default().push(value.trim());
    }
    let first = |key: &str| {
        values.get(key).and_then(|v| v.first().copied()).filter(|v| !v.is_empty() && *v != "none")
    };
    let yes =
        |key: &str, otherwise: bool| first(key).map_or(otherwise, |value| matches!(value, "yes" | "true"));
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let port = first("port").and_then(|port| port.parse().ok()).or(overrides.port).unwrap_or(22);
    let own_user =
        || std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "root".to_owned());
    let user = first("user")
        .map(str::to_owned)
        .or_else(|| overrides.user.clone())
        .or_else(|| user.map(str::to_owned))
        .unwrap_or_else(own_user);
    let hostname = first("hostname").unwrap_or(written).trim_matches(['[', ']']).to_owned();
    let tokens = Tokens { home: &home, host: &hostname, written, user: &user, port };
    let files = |key: &str| -> Vec<PathBuf> {
        let all = values.get(key).into_iter().flatten().filter(|value| **value != "none");
        all.map(|value| tokens.path(value)).collect()
    };
    let lists = |key: &str, otherwise: &[&str]| -> Vec<PathBuf> {
        match first(key) {
            Some(list) => list.split_whitespace().map(|value| tokens.path(value)).collect(),
            None if values.contains_key(key) => Vec::new(),
            None => otherwise.iter().map(|value| tokens.path(value)).collect(),
        }
    };
    let mut identity_files = files("identityfile");
    if text.is_empty() {
        identity_files = ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| home.join(".ssh").join(name)).into();
        identity_files.splice(0..0, overrides.identity.clone());
    }
    let agent = match values.get("identityagent").and_then(|v| v.first().copied()) {
        Some("none") => None,
        None | Some("SSH_AUTH_SOCK") => std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
        Some(variable) if variable.starts_with('$') => std::env::var_os(&variable[1..]).map(PathBuf::from),
        Some(path) => Some(tokens.path(path)),
    };
    let seconds =
        |key: &str| first(key).and_then(|text| text.parse().ok()).filter(|s| *s > 0).map(Duration::from_secs);
    Settings {
        written: written.to_owned(),
        host_key_alias: first("hostkeyalias").map(str::to_owned),
        policy: overrides.policy.unwrap_or_else(|| policy(first("stricthostkeychecking"))),
        user_known_hosts: match &overrides.known_hosts {
            Some(file) => vec![file.clone()],
            None => lists("userknownhostsfile", &["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]),
        },
        global_known_hosts: lists(
            "globalknownhostsfile",
            &["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
        ),
        hash_known_hosts: yes("hashknownhosts", false),
        identity_files,
        certificate_files: files("certificatefile"),
        identities_only: yes("identitiesonly", false),
        identity_agent: agent,
        pubkey: first("pubkeyauthentication").is_none_or(|value| value != "no" && value != "false"),
        password: yes("passwordauthentication", true),
        proxy_jump: first("proxyjump").map(str::to_owned),
        proxy_command: first("proxycommand").map(|command| tokens.fill(command)),
        family: first("addressfamily").and_then(|family| match family {
            "inet" => Some(4),
            "inet6" => Some(6),
            _ => None,
        }),
        connect_timeout: overrides
            .connect_timeout
            .or_else(|| seconds("connecttimeout"))
            .unwrap_or(crate::limits::CONNECT_TIMEOUT),
        alive_interval: seconds("serveraliveinterval").unwrap_or(crate::limits::ALIVE_INTERVAL),
        alive_count: first("serveralivecountmax").and_then(|count| count.parse().ok()).unwrap_or(3),
        hostname,
        port,
        user,
    }
}

fn policy(word: Option<&str>) -> Policy {
    match word {
        Some("yes" | "true") => Policy::Strict,
        Some("accept-new") => Policy::AcceptNew,
        Some("no" | "off" | "false") => Policy::Off,
        _ => Policy::Ask,
    }
}

/// What stands for `%h` and its kin. `ssh -G` prints paths as they were written.
struct Tokens<'a> {
    home: &'a Path,
    host: &'a str,
    written: &'a str,
    user: &'a str,
    port: u16,
}

impl Tokens<'_> {
    fn path(&self, text: &str) -> PathBuf {
        let filled = self.fill(text);
        match filled.strip_prefix("~/") {
            Some(below) => self.home.join(below),
            None => filled.into(),
        }
    }

    fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                filled.push(c);
                continue;
            }
            match rest.next() {
                Some('%') => filled.push('%'),
                Some('h') => filled.push_str(self.host),
                Some('n' | 'k') => filled.push_str(self.written),
                Some('p') => filled.push_str(&self.port.to_string()),
                Some('r') => filled.push_str(self.user),
                Some('d') => filled.push_str(&self.home.to_string_lossy()),
                Some('u') => filled.push_str(&std::env::var("USER").unwrap_or_default()),
                Some(other) => filled.extend(['%', other]),
                None => filled.push('%'),
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "user ada\nhostname 10.0.0.7\nport 2222\nstricthostkeychecking accept-new\nhashknownhosts yes\n\
        identityfile ~/.ssh/%r-%h\nidentityfile /keys/b\nuserknownhostsfile /a /b\nglobalknownhostsfile none\n\
        proxyjump bob@bastion:23\nserveraliveinterval 0\nconnecttimeout 5\naddressfamily inet\nidentityagent none\n";

    #[test]
    fn what_ssh_says_is_what_holds() {
        let settings = read("web01", SAID, &Overrides::default());
        assert_eq!((settings.written.as_str(), settings.hostname.as_str()), ("web01", "10.0.0.7"));
        assert_eq!((settings.port, settings.user.as_str()), (2222, "ada"));
        assert_eq!(settings.policy, Policy::AcceptNew);
        assert!(settings.identity_files[0].ends_with(".ssh/ada-10.0.0.7"), "{settings:?}");
        assert_eq!(settings.user_known_hosts, ["/a", "/b"].map(PathBuf::from));
        assert!(settings.global_known_hosts.is_empty() && settings.identity_agent.is_none());
        assert_eq!(settings.proxy_jump.as_deref(), Some("bob@bastion:23"));
        assert_eq!((settings.connect_timeout, settings.family), (Duration::from_secs(5), Some(4)));
    }

    #[test]
    fn options_of_ours_win_over_it() {
        let overrides = Overrides {
            policy: Some(Policy::Strict),
            known_hosts: Some("/k".into()),
            connect_timeout: Some(Duration::from_secs(1)),
            ..Overrides::default()
        };
        let settings = read("web01", SAID, &overrides);
        assert_eq!((settings.policy, settings.connect_timeout), (Policy::Strict, Duration::from_secs(1)));
        assert_eq!(settings.user_known_hosts, [PathBuf::from("/k")]);
    }

    #[tokio::test]
    async fn what_looks_like_an_option_is_no_host() {
        for host in ["-oProxyCommand=touch x", "", "a b", "a\nb"] {
            let failed = settings(host, &Overrides::default()).await.unwrap_err();
            assert_eq!(failed.class, Class::Config);
        }
    }
}
