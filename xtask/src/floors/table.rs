//! The floors as data. `ARCHITECTURE.md` shows the same table; `cargo xtask floors` compares them.

/// One product crate: on which floor it stands and what it alone may use.
pub(crate) struct Room {
    pub(crate) name: &'static str,
    /// It may use crates of lower floors only: none of its own floor, none above.
    pub(crate) floor: u8,
    /// What it holds, in the words of the table.
    pub(crate) holds: &'static str,
    /// Dependencies that no other product crate may name.
    pub(crate) alone: &'static [&'static str],
    /// If given, all that it may depend on.
    pub(crate) only: Option<&'static [&'static str]>,
}

const fn room(floor: u8, name: &'static str, holds: &'static str, alone: &'static [&'static str]) -> Room {
    Room { name, floor, holds, alone, only: None }
}

/// The house, from the top.
pub(crate) const ROOMS: &[Room] = &[
    room(4, "vigie", "the command line, configuration, the wiring of all parts", &[]),
    room(3, "vigie-web", "the HTTP API of hub and agent, and its client", &[]),
    room(2, "vigie-agent", "the watching side: engine, outbox, link to the hub", &[]),
    room(2, "vigie-hub", "the remembering side: sessions, apply, requests, notices", &[]),
    room(
        1,
        "vigie-wire",
        "frames, messages, handshake, links (TLS, in memory), enrolment",
        &["prost", "prost-build", "protox"],
    ),
    room(1, "vigie-watch", "backends, settle, scan, diff, whole reads, chunks, ignore rules", &["fastcdc"]),
    room(
        1,
        "vigie-store",
        "disk, journal, packs, tree index, instants, check, compression",
        &["fjall", "zstd"],
    ),
    room(1, "vigie-role", "election, lease, epoch; the fence, and roles as plain lines", &[]),
    room(1, "vigie-archive", "a tree as a PAX tar stream, and its writing to disk", &["tar"]),
    room(1, "vigie-health", "checks, hysteresis, drain, answers for load balancers", &[]),
    room(
        1,
        "vigie-exec",
        "commands of this machine and of others: time limits, bounded output, output as data, SSH",
        &["russh", "russh-sftp"],
    ),
    room(
        1,
        "vigie-ports",
        "targets and ports, scan engines, nmap driver, reports and their comparison",
        &["socket2", "quick-xml"],
    ),
    room(1, "vigie-meter", "the Linky meter: its frames, and where its values go", &["rumqttc"]),
    room(
        1,
        "vigie-inspect",
        "what a Python script would do, without running it",
        &["tree-sitter", "tree-sitter-python"],
    ),
    room(
        1,
        "vigie-tools",
        "echo, datagrams, HTTP and the public address, for people and scripts",
        &["reqwest", "rustls-native-certs"],
    ),
    Room {
        name: "vigie-model",
        floor: 0,
        holds: "the words as types; no I/O, no async runtime",
        alone: &[],
        only: Some(&["blake3", "minicbor", "serde", "thiserror"]),
    },
];

/// Workspace members beside the product: they may use everything, no product crate may use them.
pub(crate) const BESIDE: &[&str] = &["xtask", "sim"];

/// Packages that must not be in the build at all, with the reason.
pub(crate) const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "rustls runs on ring: one provider in the whole build"),
    ("openssl-sys", "TLS is rustls: one implementation in the whole build"),
    ("notify", "it drops events silently; vigie-watch has its own backends"),
];

/// Files that may allow `unsafe`, each because of a system call that no safe wrapper offers.
pub(crate) const UNSAFE: &[(&str, &str)] = &[
    ("crates/vigie-watch/src/files/handle.rs", "name_to_handle_at(2) and FS_IOC_GETFSUUID"),
    ("crates/vigie-watch/src/files/xattrat.rs", "listxattrat(2) and getxattrat(2)"),
    ("crates/vigie-watch/tests/it/real.rs", "truncate(2), by path"),
    ("crates/vigie-wire/src/socket.rs", "TCP_NOTSENT_LOWAT"),
    ("crates/vigie-role/src/clock.rs", "a timer in the runtime"),
    ("crates/vigie-ports/src/connect/sys.rs", "IP_RECVERR and its messages, TCP_INFO"),
    ("crates/vigie-ports/src/discovery/link.rs", "addresses of packet sockets"),
    ("xtask/src/bench/ports/router.rs", "TUNSETIFF"),
    ("xtask/src/bench/ssh/tools.rs", "wait4(2), for what a program used"),
    ("crates/vigie-meter/src/device.rs", "a serial line in the runtime"),
    ("crates/vigie-exec/src/process.rs", "wait4(2), for what a command used; a pidfd in the runtime"),
    ("crates/vigie-tools/src/cast/batch.rs", "recvmmsg(2) and sendmmsg(2), SO_RXQ_OVFL and SO_MEMINFO"),
];
