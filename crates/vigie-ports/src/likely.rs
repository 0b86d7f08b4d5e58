//! Which ports are likely to be open, the likeliest first: our own judgement, where nmap's measured list is not
//! installed.
//!
//! It is the order in which somebody who keeps Linux servers would look: what nearly every network has, what common
//! server software listens on by its own manual, what the names in `/etc/services` say, and then the numbers that
//! people choose by habit. No measurement stands behind it, and none is claimed.

use crate::services::{NmapServices, Services};

/// Where an order comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// nmap's own file on this machine, made from measurements.
    Nmap,
    /// The judgement of this module.
    Judgement,
}

/// The `count` likeliest ports, the likeliest first, each once.
#[must_use]
pub fn likeliest(count: usize, services: &Services, nmap: Option<&NmapServices>) -> (Vec<u16>, Source) {
    let measured = nmap.map(|nmap| nmap.by_likelihood.as_slice()).unwrap_or_default();
    // A file with fewer is cut off, or not nmap's.
    let source =
        if measured.len() >= count && !measured.is_empty() { Source::Nmap } else { Source::Judgement };
    let measured = if source == Source::Nmap { measured } else { &[] };
    let ranges = |table: &'static [(u16, u16)]| table.iter().flat_map(|(from, to)| *from..=*to);
    let all =
        measured.iter().copied().chain(FIRST.iter().copied()).chain(services.ports()).chain(ranges(HABITS));
    let mut seen = vec![false; usize::from(u16::MAX) + 1];
    let is_new = |port: &u16| !std::mem::replace(&mut seen[usize::from(*port)], true);
    (all.filter(|port| *port > 0).filter(is_new).take(count).collect(), source)
}

/// By name, the likeliest first.
const FIRST: &[u16] = &[
    // The web, remote access, mail, names, files: what most networks show.
    80, 443, 22, 21, 25, 53, 3389, 445, 139, 110, 143, 993, 995, 587, 465, 23, 111, 135, 8080, 8443, 3306,
    5432, 5900, 2049, 389, 636, 88, 631, 873, 179, 1723, 8000, 8888, 8081, 3000, 5000, 9090, 9000, 3128,
    1080, // Stores and queues.
    6379, 27017, 9200, 11211, 5672, 1433, 1521, 9042, 2181, 9092, 5984, 8086, 7474, 7687, 9300, 27018, 27019,
    50000, 5671, 15672, 61616, 4222, 8123, 28015, 26379, 16379, 7000, 7001, 9160, 1883, 8883, 3050, 5433,
    33060, 6432, 4369, // Containers, clusters, virtual machines.
    2375, 2376, 2377, 2379, 2380, 6443, 10250, 10255, 10256, 10257, 10259, 8001, 8006, 16509, 16514, 902,
    5901, 5902, 5903, 3260, 6789, 6800, 6801, 24007, 49152, 7946, 8500, 8300, 8301, 8200, 4646, 4647, 4648,
    9443, 9001, 1194, // Watching and managing machines.
    9100, 9091, 9093, 9094, 9115, 9101, 9104, 9113, 9117, 9121, 9187, 9216, 9256, 5601, 5044, 9600, 3100,
    4317, 4318, 14250, 14268, 16686, 9411, 8125, 2003, 2004, 10050, 10051, 5666, 5665, 4949, 19999, 8140,
    4505, 4506, 10000, 5985, 5986, 623, 1984, 6556, 12489, 3493, 8089, 9997, 514, 601, 6514, 1514, 1515,
    12201, // Programs that people run: development servers, build servers, code, media, home.
    3001, 4000, 4200, 5173, 8008, 8010, 8082, 8083, 8084, 8085, 8087, 8088, 8090, 8096, 8099, 8181, 8880,
    8920, 9002, 9080, 9081, 9418, 3690, 50070, 50075, 8042, 4040, 7077, 18080, 10001, 10002, 8112, 9981,
    32400, 8123, 1880, 6767, 7878, 8989, 8686, 9117, 5055, 51413, 6881, 6969, 25565, 27015, 64738, 9987,
    30033, 10011, // Directories, printing, telephony, older services that still answer.
    464, 749, 3268, 3269, 515, 9102, 5060, 5061, 5222, 5269, 5280, 5281, 1720, 2000, 554, 8554, 1935, 6667,
    6697, 119, 563, 79, 113, 37, 13, 7, 9, 19, 17, 11, 70, 109, 512, 513, 540, 548, 427, 543, 544, 199, 161,
    162, 990, 989, 992, 853, 1099, 1098, 4444, 4445, 8009, 7002, 8005, 9043, 9060, 2086, 2087, 2082, 2083,
    2095, 2096, 3310, 783, 4190, 10024, 10025, 24, 26, 81, 82, 83, 84, 85, 90, 591, 593, 808, 888, 2222,
    2200, 22222, 2022, 2121, 5357, 5353, 62078, 7547, 548, 1900, 5800, 5801, 6000, 6001, 3689, 1701, 500,
    4500, 1812, 1813, 49, 264, 256, 259, 18264, 8291, 8728, 8729, 102, 502, 44818, 20000, 47808, 4840, 2404,
    1911, 789, 9600, 34964, 11112, 104, 2575, 9999, 7700, 7701, 7780,
];

/// Numbers that people and systems choose: round ones and their neighbours, reserved ones, the first dynamic ones.
/// The last range is all that is left.
const HABITS: &[(u16, u16)] = &[
    (8000, 8100),
    (9000, 9010),
    (3000, 3010),
    (5000, 5010),
    (4000, 4010),
    (7000, 7010),
    (6000, 6010),
    (1, 200),
    (8180, 8190),
    (8280, 8290),
    (8400, 8410),
    (8440, 8450),
    (8800, 8810),
    (8880, 8890),
    (9090, 9110),
    (9990, 9999),
    (10000, 10020),
    (5900, 5910),
    (2000, 2010),
    (1024, 1050),
    (49152, 49170),
    (32768, 32780),
    (30000, 30010),
    (20000, 20005),
    (50000, 50010),
    (11000, 11005),
    (12000, 12005),
    (15000, 15005),
    (16000, 16005),
    (18000, 18005),
    (40000, 40005),
    (60000, 60005),
    (200, 1023),
    (1, u16::MAX),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_likeliest_come_first_and_each_once() {
        let services = Services::parse("gopher 70/tcp\nodd 12345/tcp\n");
        let (ports, source) = likeliest(1000, &services, None);
        assert_eq!(source, Source::Judgement);
        assert_eq!((ports.len(), ports.iter().collect::<BTreeSet<_>>().len()), (1000, 1000));
        assert_eq!(&ports[..3], [80, 443, 22]);
        assert!(ports.contains(&12345), "what has a name on this machine is likely here");
        let (all, _) = likeliest(65_535, &services, None);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 65_535);
    }

    #[test]
    fn nmaps_order_wins_where_it_is_whole() {
        let nmap = NmapServices::parse("a 7/tcp 0.1\nb 9/tcp 0.2\n");
        let services = Services::default();
        assert_eq!(likeliest(2, &services, Some(&nmap)), (vec![9, 7], Source::Nmap));
        assert_eq!(likeliest(3, &services, Some(&nmap)), (vec![80, 443, 22], Source::Judgement));
        assert_eq!(likeliest(2, &services, Some(&NmapServices::default())).1, Source::Judgement);
    }
}
