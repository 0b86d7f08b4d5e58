//! `vigie ports --from`: 1,000 ports from four places, 20 ms away; with one in a hundred packets lost on the way of one
//! of them, and with differences that were planted.
//!
//! ```text
//!             20 ms            ┌── from-v1 … from-v4, an sshd each
//!  from-a ════ TUN ════ from-r ┤
//!                              └── from-t, with 40 listeners
//! ```

use super::super::ports::router::{self, Way};
use super::super::report::{Row, Target};
use super::super::roles::bed::quietly;
use super::super::roles::namespace::Namespace;
use super::super::running::Running;
use super::super::series::{Series, Unit};
use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The round trip between whoever asks and the places.
const RTT: Duration = Duration::from_millis(20);

/// How many places there are.
const PLACES: u8 = 4;

/// The address whose ports are looked at.
const TARGET: &str = "10.78.9.2";

/// The ports that are looked at.
const PORTS: &str = "1-1000";

/// How long a helper may take to be ready.
const READY: Duration = Duration::from_secs(10);

/// What is planted, and where it shows.
const PLANTED: &str = "table inet planted { chain f { type filter hook forward priority 0\n \
    ip saddr 10.78.1.2 tcp dport 33 drop\n ip saddr 10.78.2.2 tcp dport 508 reject with tcp reset\n \
    ip saddr 10.78.3.2 tcp dport 700 reject with icmpx type admin-prohibited\n tcp dport 900-909 drop\n}\n}\n";
const PLANTED_PORTS: [u16; 3] = [33, 508, 700];

/// One in a hundred packets between the first place and the target, each way.
const LOSSY: &str = "table inet lossy { chain f { type filter hook forward priority 0\n \
    ip saddr 10.78.1.2 ip daddr 10.78.9.2 numgen random mod 100 < 1 drop\n \
    ip saddr 10.78.9.2 ip daddr 10.78.1.2 numgen random mod 100 < 1 drop\n}\n}\n";

/// Ports that listen, spread over those that are looked at.
fn listeners() -> impl Iterator<Item = u16> {
    (0..40).map(|n| 8 + n * 25)
}

/// Times `rounds` runs, and counts what is wrong in `runs` with loss and in one with differences. Keys and logs go into
/// a directory of its own.
pub(crate) fn run(vigie: &Path, dir: &Path, rounds: u32, runs: u32) -> Result<Vec<Row>> {
    let bed = Bed::new(vigie, dir)?;
    let mut times = Series::new(Unit::Seconds);
    for _ in 0..rounds {
        let start = Instant::now();
        let found = bed.look()?;
        times.push_time(start.elapsed());
        if found.result != "same" {
            bail!("it does not see the same from everywhere, where nothing differs: {found:?}");
        }
    }
    bed.router.nft(LOSSY)?;
    let mut wrong = 0;
    for _ in 0..runs {
        wrong += u64::from(!bed.look()?.differing.is_empty());
    }
    bed.router.nft("delete table inet lossy\n")?;
    bed.router.nft(PLANTED)?;
    let found = bed.look()?.differing;
    let planted = BTreeSet::from(PLANTED_PORTS);
    let missed = found.symmetric_difference(&planted).count() as u64;
    let count = |number| Series::of(Unit::Count, number);
    Ok(vec![
        Row::alone("1,000 ports from four places, 20 ms away", times, Target::AtMost(5.0)),
        Row::alone(
            format!("1 % loss at one place: runs of {runs} with a false difference"),
            count(wrong),
            Target::AtMost(0.0),
        ),
        Row::alone("three planted differences: missed or invented", count(missed), Target::AtMost(0.0)),
    ])
}

/// What a run found.
#[derive(Debug)]
struct Found {
    result: String,
    differing: BTreeSet<u16>,
}

/// Where it all happens.
struct Bed<'a> {
    vigie: &'a Path,
    here: Namespace,
    router: Namespace,
    dir: &'a Path,
    // End with it.
    _helpers: Vec<Running>,
    _others: Vec<Namespace>,
}

impl<'a> Bed<'a> {
    fn new(vigie: &'a Path, dir: &'a Path) -> Result<Self> {
        let (here, router) = (Namespace::new("from-a")?, Namespace::new("from-r")?);
        let way = Way { rtt_us: RTT.as_micros() as u64, ..Way::default() };
        let mut helpers = vec![router::join([(&here, "10.78.0.1"), (&router, "10.78.0.2")], way)?];
        quietly("ip", ["netns", "exec", &router.name, "sysctl", "-qw", "net.ipv4.ip_forward=1"])?;
        quietly("ip", ["-n", &here.name, "route", "add", "10.78.0.0/16", "via", "10.78.0.2"])?;
        for name in ["id", "host"] {
            let path = dir.join(name);
            quietly("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", &path.to_string_lossy()])?;
        }
        std::fs::create_dir_all("/run/sshd").context("cannot make /run/sshd")?;
        let mut others = Vec::new();
        for number in (1..=PLACES).chain([9]) {
            let name = if number > PLACES { "from-t".to_owned() } else { format!("from-v{number}") };
            let space = Namespace::new(&name)?;
            let (near, far) = (format!("10.78.{number}.1"), format!("10.78.{number}.2"));
            router.cable((&format!("p{number}"), &near), Some(&space), ("eth9", &far))?;
            quietly("ip", ["-n", &space.name, "route", "add", "default", "via", &near])?;
            helpers.push(if number > PLACES { listen(&space)? } else { serve(&space, dir, number)? });
            others.push(space);
        }
        let config =
            (1..=PLACES).map(|place| format!("Host v{place}\n  HostName 10.78.{place}.2\n  User root\n"));
        std::fs::write(dir.join("config"), config.collect::<String>()).context("cannot write")?;
        Ok(Bed { vigie, here, router, dir, _helpers: helpers, _others: others })
    }

    /// One run.
    fn look(&self) -> Result<Found> {
        let at = |name: &str| self.dir.join(name);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.here.name]).arg(self.vigie).args(["ports", TARGET, "--json"]);
        command.args(["--from", &format!("v[1-{PLACES}]"), "-p", PORTS, "--host-keys", "accept-new"]);
        command.arg("--ssh-config").arg(at("config")).arg("--known-hosts").arg(at("known"));
        command.arg("-i").arg(at("id")).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
        // A difference is no failure of the run.
        let output = command.output().with_context(|| shell::cannot_start(&command))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let of_kind = |kind: &'static str| lines.iter().filter(move |line| line["kind"] == kind);
        let Some(end) = of_kind("end").next() else {
            bail!("`vigie ports --from` fails: {}", String::from_utf8_lossy(&output.stderr).trim_end());
        };
        let differing = of_kind("ports").filter(|line| line["verdict"] == "vantage-dependent");
        let port = |line: &Value| line["ports"].as_str().and_then(|ports| ports.parse().ok());
        Ok(Found {
            result: end["result"].as_str().unwrap_or_default().to_owned(),
            differing: differing.filter_map(port).collect(),
        })
    }
}

/// Listeners at the target.
fn listen(space: &Namespace) -> Result<Running> {
    let mut listen = Command::new("ip");
    let program = std::env::current_exe().context("cannot find this program")?;
    listen.args(["netns", "exec", &space.name]).arg(program).arg("ports-listen");
    listen.args(listeners().map(|port| port.to_string()));
    let mut child = Running::with_streams(listen.stdout(Stdio::piped()))?;
    let mut out = child.stdout().context("the listeners have no output")?;
    // It says a word when it is ready.
    std::io::Read::read_exact(&mut out, &mut [0]).context("the listeners did not start")?;
    Ok(child)
}

/// An sshd at a place, with what Debian sets by default.
fn serve(space: &Namespace, dir: &Path, number: u8) -> Result<Running> {
    let config = dir.join(format!("sshd{number}"));
    let text = format!(
        "HostKey {0}/host\nAuthorizedKeysFile {0}/id.pub\nPidFile none\nUsePAM no\nStrictModes no\nSetEnv SHLVL=9\n",
        dir.display()
    );
    std::fs::write(&config, text).context("cannot write a configuration")?;
    let mut sshd = Command::new("ip");
    sshd.args(["netns", "exec", &space.name, "/usr/sbin/sshd", "-D", "-e", "-f"]).arg(&config);
    let running = Running::start(&mut sshd, &dir.join("log"))?;
    let start = Instant::now();
    let mut ask = Command::new("ip");
    ask.args(["netns", "exec", &space.name, "ss", "-Hltn", "sport", "=", ":22"]);
    while shell::output(&mut ask)?.is_empty() {
        if start.elapsed() > READY {
            bail!("an sshd is not ready");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(running)
}
