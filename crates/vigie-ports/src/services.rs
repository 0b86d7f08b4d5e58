//! Names of services: from this machine's `/etc/services`, with a few of our own where that is silent.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::limits::SERVICES_BYTES_MAX;

/// Where Unix keeps the names, services(5).
pub const ETC_SERVICES: &str = "/etc/services";

/// Where the user's own nmap keeps its file. Read at run time only: its licence forbids to take it along.
pub const NMAP_SERVICES: [&str; 3] = [
    "/usr/share/nmap/nmap-services",
    "/usr/local/share/nmap/nmap-services",
    "/opt/local/share/nmap/nmap-services",
];

/// What usually listens on which TCP port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    names: BTreeMap<u16, String>,
    /// Other names of a port, for looking up by name.
    aliases: Vec<(String, u16)>,
}

/// nmap's own file, if this machine has one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NmapServices {
    /// Its names, which nmap's XML has; `unknown` is one of them.
    pub names: Services,
    /// TCP ports by how often they were seen open, the likeliest first.
    pub by_likelihood: Vec<u16>,
}

// === impl Services ===

impl Services {
    /// The names of this machine, and ours for ports that it does not know.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let mut services =
            read_bounded(Path::new(ETC_SERVICES)).map_or_else(Self::default, |text| Self::parse(&text));
        for (port, name) in OURS {
            services.names.entry(*port).or_insert_with(|| (*name).to_owned());
        }
        services
    }

    /// Reads the notation of services(5): `name port/tcp alias… # comment`. Lines that are none are passed over, as
    /// getservbyname(3) does.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut services = Services::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next().and_then(tcp_port)) else { continue };
            services.add(port, name);
            for alias in words {
                services.aliases.push((alias.to_owned(), port));
            }
        }
        services
    }

    fn add(&mut self, port: u16, name: &str) {
        match self.names.entry(port) {
            Entry::Vacant(vacant) => drop(vacant.insert(name.to_owned())),
            Entry::Occupied(_) => self.aliases.push((name.to_owned(), port)),
        }
    }

    /// What usually listens there.
    #[must_use]
    pub fn name(&self, port: u16) -> Option<&str> {
        self.names.get(&port).map(String::as_str)
    }

    /// Whether there is no name at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// All ports that have a name, ascending.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.names.keys().copied()
    }

    /// Ports whose name, or one of its aliases, fits a pattern with `*` and `?`.
    #[must_use]
    pub fn matching(&self, pattern: &str) -> Vec<u16> {
        let named = self.names.iter().map(|(port, name)| (name, *port));
        let aliased = self.aliases.iter().map(|(name, port)| (name, *port));
        named.chain(aliased).filter(|(name, _)| fits(pattern, name)).map(|(_, port)| port).collect()
    }
}

impl NmapServices {
    /// nmap's file, from where it is usually installed.
    #[must_use]
    pub fn installed() -> Option<Self> {
        NMAP_SERVICES.iter().find_map(|path| read_bounded(Path::new(path))).map(|text| Self::parse(&text))
    }

    /// Reads `name port/tcp frequency` lines.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut names = Services::default();
        let mut frequencies: Vec<(f64, u16)> = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next().and_then(tcp_port)) else { continue };
            names.add(port, name);
            if let Some(frequency) = words.next().and_then(|word| word.parse::<f64>().ok()) {
                frequencies.push((frequency, port));
            }
        }
        frequencies.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        NmapServices { names, by_likelihood: frequencies.into_iter().map(|(_, port)| port).collect() }
    }
}

/// `80/tcp`; port 0 is none.
fn tcp_port(word: &str) -> Option<u16> {
    let (port, protocol) = word.split_once('/')?;
    if protocol == "tcp" { port.parse().ok().filter(|port| *port > 0) } else { None }
}

/// A text file, or its beginning if it is absurdly long; `None` if it cannot be read.
fn read_bounded(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(SERVICES_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a name fits a pattern: `*` is anything, `?` one character, case does not matter. Goes back to the last
/// `*` only, which is enough, and so takes no more than length × length.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut last_star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((star, taken)) = last_star else { return false };
                last_star = Some((star, taken + 1));
                p = star + 1;
                n = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// What Debian's file does not name and administrators meet daily, by IANA's registry or the software's own manual.
const OURS: &[(u16, &str)] = &[
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "domain"),
    (80, "http"),
    (110, "pop3"),
    (111, "sunrpc"),
    (143, "imap2"),
    (389, "ldap"),
    (443, "https"),
    (445, "microsoft-ds"),
    (465, "submissions"),
    (587, "submission"),
    (636, "ldaps"),
    (873, "rsync"),
    (993, "imaps"),
    (995, "pop3s"),
    (1521, "oracle"),
    (1723, "pptp"),
    (1883, "mqtt"),
    (2049, "nfs"),
    (2375, "docker"),
    (2376, "docker-s"),
    (2379, "etcd-client"),
    (2380, "etcd-server"),
    (3128, "ndl-aas"),
    (3268, "msft-gc"),
    (3269, "msft-gc-ssl"),
    (3306, "mysql"),
    (3389, "ms-wbt-server"),
    (4222, "nats"),
    (5044, "lxi-evntsvc"),
    (5353, "mdns"),
    (5357, "wsdapi"),
    (5432, "postgresql"),
    (5601, "esmagent"),
    (5900, "rfb"),
    (5984, "couchdb"),
    (5985, "wsman"),
    (5986, "wsmans"),
    (6379, "redis"),
    (6443, "sun-sr-https"),
    (7687, "bolt"),
    (8086, "influxdb"),
    (8123, "clickhouse"),
    (8200, "trivnet1"),
    (8300, "consul-rpc"),
    (8443, "pcsync-https"),
    (8500, "fmtp"),
    (8883, "secure-mqtt"),
    (9042, "cassandra"),
    (9092, "kafka"),
    (9090, "prometheus"),
    (9093, "alertmanager"),
    (9100, "hp-pdl-datastr"),
    (9200, "wap-wsp"),
    (9300, "vrace"),
    (9999, "vigie-role"),
    (10250, "kubelet"),
    (11211, "memcached"),
    (15672, "rabbitmq-admin"),
    (26379, "redis-sentinel"),
    (27017, "mongodb"),
    (51413, "bittorrent"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const ETC: &str = "# comment\nhttp\t\t80/tcp\t\twww\t# WorldWideWeb\nhttps 443/tcp\nhttps 443/udp\nbroken\n\
                       zero 0/tcp\nbig 70000/tcp\nhttp-alt 8080/tcp webcache\nother 80/tcp\n";

    #[test]
    fn etc_services_is_read_as_the_manual_says() {
        let services = Services::parse(ETC);
        assert_eq!(services.ports().collect::<Vec<_>>(), [80, 443, 8080]);
        assert_eq!(services.name(80), Some("http"));
        assert_eq!(services.name(81), None);
        assert_eq!(services.matching("http"), [80]);
        assert_eq!(services.matching("http*"), [80, 443, 8080]);
        assert_eq!(services.matching("WWW"), [80]);
        assert_eq!(services.matching("other"), [80]);
        assert_eq!(services.matching("ftp"), Vec::<u16>::new());
    }

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, name) in
            [("*", ""), ("*", "x"), ("a*c", "abbc"), ("a?c", "abc"), ("*b*", "abc"), ("a**", "a")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "x"), ("a", "ab"), ("a?c", "ac"), ("*b", "abc"), ("?", "")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(!fits(&"*a".repeat(200), &"a".repeat(150)));
    }

    #[test]
    fn nmaps_file_gives_names_and_an_order() {
        // Made up: nmap's own numbers stay where they are.
        let text = "# comment\nfoo\t80/tcp\t0.25\t# x\nunknown\t9/tcp\t0.5\nbar\t53/udp\t0.9\nbaz\t7/tcp\t0.25\nbad\t8/tcp\n";
        let nmap = NmapServices::parse(text);
        assert_eq!(nmap.by_likelihood, [9, 7, 80]);
        assert_eq!((nmap.names.name(80), nmap.names.name(9)), (Some("foo"), Some("unknown")));
    }

    #[test]
    fn this_machine_knows_ssh() {
        assert_eq!(Services::of_this_machine().name(22), Some("ssh"));
        assert!(OURS.is_sorted_by_key(|(port, _)| *port / 1000), "roughly in order");
    }
}
