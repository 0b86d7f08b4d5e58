//! What the user's own `ssh_config` says of a host. `ssh -G` is asked, which knows `Match`, `Include` and all tokens;
//! it connects to nothing. (`ssh(1)`, `ssh_config(5)`)

use super::class::{Class, Failed};
use crate::command::Command;
use crate::limits::{CONFIG_PATIENCE, CONNECT_TIMEOUT, HANDSHAKE_PATIENCE};
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

impl Overrides {
    /// What of it `ssh` takes as options of one letter.
    pub(super) fn args(&self) -> Vec<OsString> {
        let options = [
            ("-F", self.file.clone().map(OsString::from)),
            ("-l", self.user.clone().map(OsString::from)),
            ("-p", self.port.map(|port| port.to_string().into())),
            ("-i", self.identity.clone().map(OsString::from)),
        ];
        let given = options.into_iter().filter_map(|(option, value)| Some([option.into(), value?]));
        given.flatten().collect()
    }
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
    /// How long the handshake on it may take: as for `ssh`, the time that was given for the connection holds here too.
    pub handshake_timeout: Duration,
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
    let command = Command::new("ssh").arg("-G").args(overrides.args());
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
    let alias = first("hostkeyalias");
    let tokens = Tokens { home: &home, host: &hostname, written, alias, user: &user, port };
    let files = |key: &str| -> Vec<PathBuf> {
        let all = values.get(key).into_iter().flatten().filter(|value| **value != "none");
        all.map(|value| tokens.path(value)).collect()
    };
    let lists = |key: &str, otherwise: &[&str]| -> Vec<PathBuf> {
        match first(key) {
            // Unlike others these are printed with their tokens filled in.
            Some(list) => paths_of(list).iter().map(|value| tokens.below_home(value)).collect(),
            None if values.contains_key(key) => Vec::new(),
            None => otherwise.iter().map(|value| tokens.below_home(value)).collect(),
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
    let given_timeout = overrides.connect_timeout.or_else(|| seconds("connecttimeout"));
    Settings {
        written: written.to_owned(),
        host_key_alias: alias.map(str::to_owned),
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
        connect_timeout: given_timeout.unwrap_or(CONNECT_TIMEOUT),
        handshake_timeout: given_timeout.unwrap_or(HANDSHAKE_PATIENCE),
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

/// Files between blanks, which `ssh -G` prints without the quotes around those that hold blanks themselves. A word that
/// is no beginning of a path goes on with the one before it.
fn paths_of(list: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for word in list.split(' ') {
        match paths.last_mut() {
            Some(last) if !word.starts_with(['/', '~', '.']) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => paths.push(word.to_owned()),
        }
    }
    paths
}

/// What stands for `%h` and its kin, and for `${HOME}` (`ssh_config(5)`, TOKENS). `ssh -G` prints most as they were written.
struct Tokens<'a> {
    home: &'a Path,
    host: &'a str,
    written: &'a str,
    alias: Option<&'a str>,
    user: &'a str,
    port: u16,
}

impl Tokens<'_> {
    fn path(&self, text: &str) -> PathBuf {
        self.below_home(&self.fill(&with_variables(text)))
    }

    fn below_home(&self, text: &str) -> PathBuf {
        match text.strip_prefix("~/") {
            Some(below) => self.home.join(below),
            None => text.into(),
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
                Some('n') => filled.push_str(self.written),
                Some('k') => filled.push_str(self.alias.unwrap_or(self.written)),
                Some('p') => filled.push_str(&self.port.to_string()),
                Some('r') => filled.push_str(self.user),
                Some('d') => filled.push_str(&self.home.to_string_lossy()),
                Some('u') => filled.push_str(&local_user()),
                Some('i') => filled.push_str(&rustix::process::getuid().as_raw().to_string()),
                Some('l') => filled.push_str(&local_host()),
                Some('L') => filled.push_str(local_host().split('.').next().unwrap_or_default()),
                Some('C') => filled.push_str(&self.hash()),
                Some(other) => filled.extend(['%', other]),
                None => filled.push('%'),
            }
        }
        filled
    }

    /// The hash of `%l%h%p%r`, a name for sockets and files; no trust rests on it.
    fn hash(&self) -> String {
        let text = format!("{}{}{}{}", local_host(), self.host, self.port, self.user);
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The name of whoever runs this, as the system knows it: a variable may say anything.
fn local_user() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = users.lines().find_map(|line| {
        let mut cells = line.split(':');
        let name = cells.next()?;
        (cells.nth(1) == Some(&uid)).then(|| name.to_owned())
    });
    known.or_else(|| std::env::var("USER").ok()).or_else(|| std::env::var("LOGNAME").ok()).unwrap_or_default()
}

fn local_host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim_end().to_owned()
}

/// With the values of variables in place of `${NAME}`. `ssh -G` ends with an error where one has none.
fn with_variables(text: &str) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(&std::env::var(name).unwrap_or_default());
        rest = behind;
    }
    filled + rest
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

    #[test]
    fn tokens_variables_and_blanks_in_paths() {
        let said = "hostname 10.0.0.7\nport 2222\nuser ada\nhostkeyalias farm\n\
            identityfile /k/%h-%n-%k-%p-%r-%%\ncertificatefile ${NO_SUCH_VARIABLE}/c\nuserknownhostsfile /a b/c ~/d /100%%\n";
        let settings = read("web01", said, &Overrides::default());
        assert_eq!(settings.identity_files, [PathBuf::from("/k/10.0.0.7-web01-farm-2222-ada-%")]);
        assert_eq!(settings.certificate_files, [PathBuf::from("/c")]);
        let [blank, home, percent] = settings.user_known_hosts.as_slice() else { panic!("{settings:?}") };
        assert_eq!((blank, percent), (&PathBuf::from("/a b/c"), &PathBuf::from("/100%%")));
        assert!(home.ends_with("d") && !home.starts_with("~"), "{home:?}");
    }

    #[tokio::test]
    async fn what_looks_like_an_option_is_no_host() {
        for host in ["-oProxyCommand=touch x", "", "a b", "a\nb"] {
            let failed = settings(host, &Overrides::default()).await.unwrap_err();
            assert_eq!(failed.class, Class::Config);
        }
    }
}
