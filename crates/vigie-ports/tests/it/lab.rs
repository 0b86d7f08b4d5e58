//! Two network namespaces and a cable between them: `10.9.0.1` and `fd09::1` scan, `10.9.0.2` and `fd09::2` are
//! scanned.

use std::fs::File;
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::net::netdevice::name_to_index;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use vigie_ports::targets::Request;
use vigie_ports::targets::resolve::Resolved;
use vigie_ports::{EngineChoice, Finding, Plan, Sink, Summary, Target, TargetReport, scan};

use crate::forger::{Forger, Seen};

pub(crate) const V4: &str = "10.9.0.2";
pub(crate) const V6: &str = "fd09::2";
/// With a second cable: what the far ends of both have.
pub(crate) const LOCAL: &str = "fe80::99";

/// Namespaces that vanish with it.
pub(crate) struct Lab {
    from: String,
    to: String,
}

/// What a scan told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) reports: Vec<TargetReport>,
    pub(crate) notes: Vec<String>,
}

impl Sink for Told {
    fn report(&mut self, report: TargetReport) {
        self.reports.push(report);
    }

    fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {said}", args.join(" "));
}

/// Whether this process may make namespaces and has the programs for it; says so if not.
fn is_possible() -> bool {
    let root = rustix::process::geteuid().is_root();
    let has = |program: &str| {
        ["/usr/sbin", "/sbin", "/usr/bin"].iter().any(|dir| Path::new(dir).join(program).exists())
    };
    if root && has("ip") && has("nft") {
        return true;
    }
    eprintln!("skipped: this needs root, ip and nft");
    false
}

impl Lab {
    /// The two namespaces; `None`, with a word, where that cannot be.
    pub(crate) fn new() -> Option<Lab> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !is_possible() {
            return None;
        }
        let name = format!("vigie{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let lab = Lab { from: format!("{name}a"), to: format!("{name}b") };
        run("ip", &["netns", "add", &lab.from]);
        run("ip", &["netns", "add", &lab.to]);
        lab.ip(&lab.from, &format!("link add v0 type veth peer name v0 netns {}", lab.to));
        for (space, last) in [(&lab.from, 1), (&lab.to, 2)] {
            lab.ip(space, &format!("address add 10.9.0.{last}/24 dev v0"));
            lab.ip(space, &format!("address add fd09::{last}/64 dev v0 nodad"));
            lab.ip(space, "link set v0 up");
            lab.ip(space, "link set lo up");
        }
        Some(lab)
    }

    /// A second cable, `v1`, and on the far ends of both the same link-local address, [`LOCAL`]: two machines could not
    /// be told apart any less.
    pub(crate) fn add_twin(&self) {
        self.ip(&self.from, &format!("link add v1 type veth peer name v1 netns {}", self.to));
        self.ip(&self.from, "link set v1 up");
        self.ip(&self.to, "link set v1 up");
        for device in ["v0", "v1"] {
            self.ip(&self.to, &format!("address add {LOCAL}/64 dev {device} nodad"));
        }
        for (space, device) in [&self.from, &self.to].into_iter().flat_map(|s| [(s, "v0"), (s, "v1")]) {
            self.wait_for_address(space, device);
        }
    }

    /// Until an interface has a link-local address that may be used.
    fn wait_for_address(&self, space: &str, device: &str) {
        let show = format!("-n {space} -6 address show dev {device} scope link -tentative");
        while Command::new("ip").args(show.split(' ')).output().unwrap().stdout.is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// The targets of a request, as users write it, on the side that scans.
    pub(crate) fn targets(&self, words: &[&str]) -> Vec<Target> {
        inside(&self.from, || {
            let mut request = Request::default();
            words.iter().for_each(|word| request.add(word).unwrap());
            let (list, _) = request.resolved(&Resolved::default()).unwrap();
            list.iter().collect()
        })
    }

    fn ip(&self, space: &str, command: &str) {
        let args: Vec<&str> = ["-n", space].into_iter().chain(command.split(' ')).collect();
        run("ip", &args);
    }

    /// `ip` on the side that scans.
    pub(crate) fn ip_here(&self, command: &str) {
        self.ip(&self.from, command);
    }

    /// `ip` on the side that is scanned.
    pub(crate) fn ip_there(&self, command: &str) {
        self.ip(&self.to, command);
    }

    /// Sets a kernel parameter on the side that is scanned.
    pub(crate) fn sysctl_there(&self, setting: &str) {
        run("ip", &["netns", "exec", &self.to, "sysctl", "-qw", setting]);
    }

    /// Filters what comes in on the side that is scanned.
    pub(crate) fn filter(&self, rules: &str) {
        let rules = format!("table inet t {{ chain c {{ type filter hook input priority 0; {rules} }}; }}");
        run("ip", &["netns", "exec", &self.to, "nft", &rules]);
    }

    /// Filters what goes out on the side that scans.
    pub(crate) fn filter_here(&self, rules: &str) {
        let rules = format!("table inet t {{ chain c {{ type filter hook output priority 0; {rules} }}; }}");
        run("ip", &["netns", "exec", &self.from, "nft", &rules]);
    }

    /// Slows down what goes out on the side that scans, with a short queue.
    pub(crate) fn slow_here(&self, rate: &str) {
        let args = format!("-n {} qdisc add dev v0 root tbf rate {rate} burst 2000 limit 2000", self.from);
        run("tc", &args.split(' ').collect::<Vec<_>>());
    }

    /// Listens on the side that is scanned, on both protocols.
    pub(crate) fn listen(&self, ports: impl Iterator<Item = u16> + Send) -> Vec<TcpListener> {
        inside(&self.to, || ports.map(|port| TcpListener::bind(("::", port)).unwrap()).collect())
    }

    /// Listens on the far end of one cable only.
    pub(crate) fn listen_local(&self, device: &str, port: u16) -> TcpListener {
        inside(&self.to, || {
            let address: Ipv6Addr = LOCAL.parse().unwrap();
            let scope = name_to_index(UdpSocket::bind("[::]:0").unwrap(), device).unwrap();
            TcpListener::bind(SocketAddrV6::new(address, port, 0, scope)).unwrap()
        })
    }

    /// Does something while the side that is scanned forges its answers.
    pub(crate) fn forged<T>(
        &self,
        is_v6: bool,
        answer: impl Fn(&Forger, &Seen) + Send,
        what: impl FnOnce() -> T,
    ) -> T {
        let over = AtomicBool::new(false);
        let forger = inside(&self.to, || Forger::new(is_v6));
        std::thread::scope(|scope| {
            let forging = scope.spawn(|| forger.answer(&over, answer));
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what));
            over.store(true, Ordering::Relaxed);
            forging.join().unwrap();
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Scans from the side that scans.
    pub(crate) fn scan(&self, plan: &Plan, addresses: &[&str]) -> (Summary, Told) {
        let target = |address: &&str| Target::of(address.parse::<IpAddr>().unwrap());
        self.scan_targets(plan, addresses.iter().map(target).collect())
    }

    /// The same of targets.
    pub(crate) fn scan_targets(&self, plan: &Plan, targets: Vec<Target>) -> (Summary, Told) {
        inside(&self.from, || {
            let mut told = Told::default();
            let summary = scan(plan, &mut targets.into_iter(), &mut told, &AtomicBool::new(false)).unwrap();
            (summary, told)
        })
    }

    /// Scans one address; its findings.
    pub(crate) fn findings(&self, plan: &Plan, address: &str) -> Vec<Finding> {
        let (_, mut told) = self.scan(plan, &[address]);
        assert_eq!(told.reports.len(), 1);
        told.reports.remove(0).findings
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for space in [&self.from, &self.to] {
            let _ = Command::new("ip").args(["netns", "delete", space]).status();
        }
    }
}

/// Runs on a thread of its own in a namespace.
fn inside<T: Send>(space: &str, what: impl FnOnce() -> T + Send) -> T {
    let space = File::open(format!("/run/netns/{space}")).unwrap();
    std::thread::scope(|scope| {
        let enter = move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            what()
        };
        scope.spawn(enter).join().unwrap()
    })
}

/// A scan of these ports with this engine, everything else as it comes.
pub(crate) fn plan(engine: EngineChoice, ports: impl IntoIterator<Item = u16>) -> Plan {
    let ports: Vec<u16> = ports.into_iter().collect();
    Plan { engine, ..Plan::new(Arc::from(ports)) }
}
