//! Every bound of this crate, with its reason.

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

/// Addresses of one name that are listed.
pub const ADDRESSES_OF_NAME_MAX: usize = 64;

/// Addresses that are scanned without being asked twice: a /8.
pub const ADDRESSES_UNASKED_MAX: u128 = 1 << 24;

/// Pairs of address and port that are scanned without being asked twice: seven hours at [`USUAL_RATE`].
pub const PROBES_UNASKED_MAX: u128 = 1 << 28;

/// Probes a second that estimates assume.
pub const USUAL_RATE: u32 = 10_000;
