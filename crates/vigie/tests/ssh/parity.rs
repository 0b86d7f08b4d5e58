//! Fifty configurations: what is used of them is what `ssh -G` answers, and where it can be watched, what `ssh` does.

use crate::server::{Said, Server, can_run, said};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use vigie_exec::ssh::config::{Overrides, Policy, Settings, settings};

/// Each with the name that is asked for. `DIR` is a directory of the test's own, `PORT` a server's port.
const CONFIGS: &[(&str, &str)] = &[
    ("127.0.0.1", "Port PORT"),
    ("127.0.0.1", "Port=PORT\nUser=ada"),
    ("127.0.0.1", "port  =  PORT\n\tUSER\tada"),
    ("127.0.0.1", "Port \"PORT\"\nUser \"ada lovelace\""),
    ("web", "Host web\n  HostName 127.0.0.1\n  Port PORT"),
    ("web", "Host w?b\n  HostName 127.0.0.1\nHost *\n  Port PORT"),
    ("web7", "Host web* !web7\n  User no\nHost web*\n  HostName 127.0.0.1\n  Port PORT\n  User ada"),
    ("web", "Host db web other\n  HostName 127.0.0.1\n  Port PORT\nHost web\n  Port 1\n  User ada"),
    ("5", "Host 5\n  HostName 127.0.0.%h\n  Port PORT"),
    ("127.0.0.1", "Host *\n  Port PORT\nMatch host 127.0.0.*\n  User of-address"),
    ("web", "Host web\n  HostName 127.0.0.1\nMatch host 127.0.0.1\n  User of-address\n  Port PORT"),
    ("web", "Host web\n  HostName 127.0.0.1\nMatch originalhost web\n  User of-name\n  Port PORT"),
    ("web", "Host web\n  HostName 127.0.0.1\n  Port PORT\nMatch originalhost web,!web\n  User no"),
    ("bob@web", "Host web\n  HostName 127.0.0.1\n  Port PORT\nMatch user bob\n  IdentityFile DIR/of-bob"),
    ("web", "Host web\n  HostName 127.0.0.1\n  User ada\nMatch user ada\n  Port PORT"),
    ("web", "Match exec \"test %n = web\"\n  HostName 127.0.0.1\n  Port PORT"),
    ("web", "Match exec false\n  User no\nMatch all\n  HostName 127.0.0.1\n  Port PORT"),
    ("web", "Match !exec \"false\" originalhost web\n  HostName 127.0.0.1\n  Port PORT"),
    ("web", "Match localuser no-such-user\n  User no\nHost web\n  HostName 127.0.0.1\n  Port PORT"),
    ("web", "Include DIR/included\nHost *\n  User late"),
    ("web", "Host web\n  Include DIR/included\nHost *\n  User late"),
    ("other", "Host web\n  Include DIR/included\nHost *\n  HostName 127.0.0.1\n  Port PORT"),
    ("web", "Include DIR/no-such-* DIR/incl*"),
    ("web", "HostName 127.0.0.1\nPort PORT\nIdentityFile DIR/a\nIdentityFile DIR/b\nIdentitiesOnly yes"),
    ("web", "HostName 127.0.0.1\nPort PORT\nUser ada\nIdentityFile DIR/%h-%n-%p-%r-%u-%k"),
    (
        "web",
        "HostName 127.0.0.1\nPort PORT\nIdentityFile DIR/%i-%l-%L-%C-%%\nIdentityFile \"DIR/with blanks %r\"",
    ),
    ("web", "HostName 127.0.0.1\nPort PORT\nIdentityFile ${PATH}\nIdentityFile ~/.ssh/of-%h"),
    ("web", "HostName 127.0.0.1\nPort PORT\nIdentityFile none"),
    (
        "web",
        "HostName 127.0.0.1\nPort PORT\nIdentityFile DIR/a\nCertificateFile DIR/c-%h\nCertificateFile DIR/d",
    ),
    ("web", "HostName 127.0.0.1\nPort PORT\nIdentityAgent none\nPubkeyAuthentication no"),
    ("web", "HostName 127.0.0.1\nPort PORT\nIdentityAgent DIR/agent-%r\nPasswordAuthentication no"),
    ("web", "HostName 127.0.0.1\nPort PORT\nHostKeyAlias Farm"),
    ("web", "HostName 127.0.0.1\nPort PORT\nHostKeyAlias farm\nIdentityFile DIR/%k"),
    ("web", "HostName 127.0.0.1\nPort PORT\nUserKnownHostsFile DIR/one DIR/two-%h-%k DIR/three"),
    ("web", "HostName 127.0.0.1\nPort PORT\nUserKnownHostsFile \"DIR/a file\" \"DIR/another file\" DIR/b"),
    ("web", "HostName 127.0.0.1\nPort PORT\nUserKnownHostsFile none\nGlobalKnownHostsFile DIR/g DIR/h"),
    ("web", "HostName 127.0.0.1\nPort PORT\nUserKnownHostsFile ~/of-%r ${HOME}/x\nGlobalKnownHostsFile none"),
    ("web", "HostName 127.0.0.1\nPort PORT\nUserKnownHostsFile DIR/100%%-%C"),
    ("web", "HostName 127.0.0.1\nPort PORT\nStrictHostKeyChecking yes\nHashKnownHosts yes"),
    ("web", "HostName 127.0.0.1\nPort PORT\nStrictHostKeyChecking no\nUserKnownHostsFile DIR/new"),
    ("web", "HostName 127.0.0.1\nPort PORT\nStrictHostKeyChecking off\nUserKnownHostsFile DIR/new"),
    ("web", "HostName 127.0.0.1\nPort PORT\nStrictHostKeyChecking accept-new\nUserKnownHostsFile DIR/new"),
    ("web", "HostName 127.0.0.1\nPort PORT\nStrictHostKeyChecking ask\nHashKnownHosts no"),
    ("localhost", "Port PORT\nAddressFamily inet\nConnectTimeout 7"),
    ("::1", "Port PORT\nAddressFamily inet6\nConnectTimeout none"),
    ("web", "HostName 127.0.0.1\nPort PORT\nServerAliveInterval 5\nServerAliveCountMax 2\nConnectTimeout 1m"),
    ("web", "Host web\n  HostName 127.0.0.1\n  Port PORT\n  ProxyJump ada@one:2222,two"),
    ("web", "HostName 127.0.0.1\nProxyJump none\nPort PORT\nHost *\n  ProxyJump late"),
    ("web", "HostName 127.0.0.1\nPort 2200\nUser ada\nProxyCommand nc -x \"a b\" %h %p %r %n %%"),
    (
        "Web.Example",
        "CanonicalizeHostname yes\nCanonicalizeFallbackLocal yes\nCanonicalDomains invalid\nHost web.example\n  HostName 127.0.0.1\n  Port PORT",
    ),
];

struct Case<'a> {
    host: &'a str,
    file: PathBuf,
    found: Settings,
    /// What `ssh -G` printed.
    text: String,
}

impl Case<'_> {
    fn all(&self, key: &str) -> Vec<&str> {
        let value = |line: &'_ str| {
            line.split_once(' ').filter(|(name, _)| *name == key).map(|(_, value)| value.len())
        };
        let values = self.text.lines().filter_map(|line| Some(&line[line.len() - value(line)?..]));
        values.collect()
    }

    fn one(&self, key: &str) -> Option<&str> {
        self.all(key).first().copied().filter(|value| *value != "none")
    }

    /// What needs no filling in.
    fn compare(&self) {
        let (found, what) =
            (&self.found, format!("{} with\n{}", self.host, std::fs::read_to_string(&self.file).unwrap()));
        let number = |key: &str| self.one(key).and_then(|value| value.parse::<u64>().ok()).filter(|n| *n > 0);
        assert_eq!(Some(found.hostname.as_str()), self.one("hostname"), "{what}");
        assert_eq!(Some(u64::from(found.port)), number("port"), "{what}");
        assert_eq!(Some(found.user.as_str()), self.one("user"), "{what}");
        assert_eq!(found.host_key_alias.as_deref(), self.one("hostkeyalias"), "{what}");
        assert_eq!(found.proxy_jump.as_deref(), self.one("proxyjump"), "{what}");
        let policy = match self.one("stricthostkeychecking") {
            Some("true") => Policy::Strict,
            Some("false") => Policy::Off,
            Some("accept-new") => Policy::AcceptNew,
            other => {
                assert_eq!(other, Some("ask"), "{what}");
                Policy::Ask
            }
        };
        assert_eq!(found.policy, policy, "{what}");
        let family = self.one("addressfamily").filter(|family| *family != "any");
        assert_eq!(found.family.map(|f| if f == 4 { "inet" } else { "inet6" }), family, "{what}");
        if let Some(seconds) = number("connecttimeout") {
            assert_eq!(found.connect_timeout, Duration::from_secs(seconds), "{what}");
        }
        if let Some(seconds) = number("serveraliveinterval") {
            assert_eq!(found.alive_interval, Duration::from_secs(seconds), "{what}");
        }
        assert_eq!(Some(found.alive_count as u64), number("serveralivecountmax"), "{what}");
        for (found, key) in [
            (found.hash_known_hosts, "hashknownhosts"),
            (found.identities_only, "identitiesonly"),
            (found.pubkey, "pubkeyauthentication"),
            (found.password, "passwordauthentication"),
        ] {
            assert_eq!(
                Some(found),
                self.one(key).map(|value| value == "yes" || value == "true"),
                "{key}: {what}"
            );
        }
        let count = |key: &str| self.all(key).iter().filter(|value| **value != "none").count();
        assert_eq!(found.identity_files.len(), count("identityfile"), "{what}");
        assert_eq!(found.certificate_files.len(), count("certificatefile"), "{what}");
    }

    /// What `ssh` itself does, as it tells. False where it reaches no server.
    fn watch(&self) -> bool {
        // A jump that holds for its own host, too, would have `ssh` start itself without end.
        if self.found.proxy_jump.is_some() || self.found.proxy_command.is_some() {
            return false;
        }
        let mut command = Command::new("ssh");
        command.args(["-vvv", "-o", "BatchMode=yes", "-F"]).arg(&self.file).args(["--", self.host, "true"]);
        command.stdin(Stdio::null()).env_remove("SSH_AUTH_SOCK");
        let said: Said = said(command);
        let told = |prefix: &str, end: &str| -> Vec<String> {
            let value = |line: &str| {
                let (value, _) = line.trim_end().strip_prefix(prefix)?.rsplit_once(end)?;
                Some(value.to_owned())
            };
            said.err.lines().filter_map(value).collect()
        };
        let Some(server) = told("debug1: Authenticating to ", " as '").first().cloned() else { return false };
        let found = &self.found;
        let what = format!("{} with\n{}", self.host, std::fs::read_to_string(&self.file).unwrap());
        assert_eq!(server, format!("{}:{}", found.hostname, found.port), "{what}");
        let shown = |path: &Path| path.to_str().unwrap().to_owned();
        let is_beside = |file: &String| {
            file.strip_suffix("-cert").is_some_and(|key| found.identity_files.contains(&key.into()))
        };
        let mut identities = told("debug1: identity file ", " type ");
        identities.retain(|file| !is_beside(file));
        assert_eq!(
            found.identity_files.iter().map(|file| shown(file)).collect::<Vec<_>>(),
            identities,
            "{what}"
        );
        let certificates = told("debug1: certificate file ", " type ");
        assert_eq!(
            found.certificate_files.iter().map(|file| shown(file)).collect::<Vec<_>>(),
            certificates,
            "{what}"
        );
        // Each file that is not there is told, for the first time before the key is looked at.
        let mut missing = told("debug1: load_hostkeys: fopen ", ": No such file");
        let mut seen = std::collections::HashSet::new();
        missing.retain(|file| seen.insert(file.clone()));
        let files = found.user_known_hosts.iter().chain(&found.global_known_hosts);
        // One that has been made meanwhile, by `ssh`, is told of as missing, too.
        let ours: Vec<String> = files
            .map(|file| shown(file))
            .filter(|file| missing.contains(file) || !Path::new(file).exists())
            .collect();
        assert_eq!(ours, missing, "{what}");
        let alias = told("debug1: using hostkeyalias: ", "");
        assert_eq!(found.host_key_alias.as_ref(), alias.first(), "{what}");
        true
    }
}

#[tokio::test]
async fn root_fifty_configurations_mean_what_they_mean_to_ssh() {
    if !can_run() {
        return;
    }
    assert_eq!(CONFIGS.len(), 50);
    let server = Server::start();
    let (dir, port) = (server.path("."), server.port.to_string());
    let dir = dir.canonicalize().unwrap();
    let filled = |text: &str| text.replace("DIR", dir.to_str().unwrap()).replace("PORT", &port);
    server.write("included", &filled("Host web\n  HostName 127.0.0.1\n  Port PORT\n  User of-include\n"));
    let mut watched = 0;
    for (index, (host, text)) in CONFIGS.iter().enumerate() {
        let file = server.write(&format!("config{index}"), &format!("{}\n", filled(text)));
        let mut command = Command::new("ssh");
        command.arg("-G").arg("-F").arg(&file).args(["--", host]).stdin(Stdio::null());
        let asked = said(command);
        assert_eq!(asked.code, 0, "{host} with\n{text}\n{asked:?}");
        let overrides = Overrides { file: Some(file.clone()), ..Overrides::default() };
        let found = settings(host, &overrides).await.unwrap();
        let case = Case { host, file, found, text: asked.out };
        case.compare();
        watched += usize::from(case.watch());
    }
    // The others go through hosts or commands that are not there, or to an address that nobody listens at.
    assert!(watched >= 44, "ssh reached the server with {watched} of them");
}
