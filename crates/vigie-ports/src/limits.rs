//! Every bound of this crate, with its reason.

use std::time::Duration;

/// Most of a file of service names that is read, in bytes: nmap's has one megabyte.
pub const SERVICES_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Longest list of ports, in bytes: all 65,535 of them one by one.
pub const PORTS_TEXT_BYTES_MAX: usize = 512 * 1024;

/// Longest word that is a target, in bytes: a node set of thousands of unlike names.
pub const TARGET_BYTES_MAX: usize = 256 * 1024;

/// Names of one scan: each is resolved before the first probe.
pub const NAMES_MAX: u64 = 65_536;

/// Longest list of targets, in bytes: two million addresses.
pub const LIST_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Names that are resolved at the same time: enough to hide one slow server, few enough for any.
pub const RESOLVERS: usize = 16;

/// A look-up that fails after so long got no answer from any server; glibc waits for 5 s at first.
pub const LOOK_UP_SLOW: Duration = Duration::from_secs(4);

/// So many of those in a row, and nobody is asked any more: 40 seconds, where 20,000 names would take hours.
pub const LOOK_UPS_SLOW_MAX: usize = 48;

/// Addresses of one name that are listed.
pub const ADDRESSES_OF_NAME_MAX: usize = 64;

/// Addresses that are scanned without being asked twice: a /8.
pub const ADDRESSES_UNASKED_MAX: u128 = 1 << 24;

/// Pairs of address and port that are scanned without being asked twice: seven hours at [`USUAL_RATE`].
pub const PROBES_UNASKED_MAX: u128 = 1 << 28;

/// Probes a second that estimates assume.
pub const USUAL_RATE: u32 = 10_000;

/// Ports of a state other than open from which on XML sums them up: more than 25, as nmap does, so that comparisons
/// find the same ports listed.
pub const XML_FOLDED_MIN: usize = 26;

/// Longest element of XML, in bytes: the lists of 65,535 ports that nmap writes have at most 400,000.
pub const XML_ELEMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Ports of one host in XML: every TCP port once.
pub const XML_PORTS_OF_HOST_MAX: usize = 65_536;

/// Longest line of JSON, in bytes: a target with all ports listed one by one has eight million.
pub const JSON_LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Targets of a file that is compared: a /12.
pub const REPORTS_MAX: usize = 1 << 20;

/// Ports on nmap's command line, in bytes: the kernel takes no argument longer than 128 KiB (`MAX_ARG_STRLEN`).
pub const NMAP_PORTS_BYTES_MAX: usize = 120 * 1024;

/// What is kept of nmap's standard error, in bytes.
pub const NMAP_STDERR_BYTES_MAX: u64 = 4 * 1024;

/// How long nmap may take to end after it was asked to.
pub const NMAP_KILL_AFTER: Duration = Duration::from_secs(2);

/// How long nmap may look at the services of one target.
pub const NMAP_HOST_TIMEOUT: Duration = Duration::from_secs(600);

/// IPv6 targets that wait in memory while nmap scans those of IPv4, since one run of nmap takes one kind.
pub const V6_TARGETS_FOR_NMAP_MAX: usize = 1 << 20;

/// Bytes of a banner that are kept.
pub const BANNER_BYTES_MAX: usize = 256;

/// How long a connection for a banner may take to be made.
pub const BANNER_CONNECT: Duration = Duration::from_secs(3);

/// How long a service may take to speak first. Those which greet do so at once; a slow one looks its client up first.
pub const BANNER_GREETING: Duration = Duration::from_millis(1500);

/// How long a service may take to answer, TLS handshake included.
pub const BANNER_ANSWER: Duration = Duration::from_secs(3);

/// Names of a certificate that are kept.
pub const CERTIFICATE_NAMES_MAX: usize = 32;

/// Bytes of one text of a certificate that are kept.
pub const CERTIFICATE_TEXT_BYTES_MAX: usize = 256;

/// Longest baseline, in bytes: a thousand targets with all ports listed from a dozen places.
pub const BASELINE_BYTES_MAX: u64 = 32 * 1024 * 1024;
