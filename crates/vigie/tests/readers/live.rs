//! Commands of this machine, and what is true of it from elsewhere: `/proc`, `/sys`, `/etc`, system calls, what the test
//! itself has made.

use crate::score::{Field, Rows, Truth, field};
use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A command, with the truth about it.
pub(crate) struct Live {
    pub(crate) argv: Vec<String>,
    /// What `jc` is told that it is.
    pub(crate) jc: &'static [&'static str],
    pub(crate) fields: Vec<Field>,
    pub(crate) rows: Rows,
    /// Asked before and after the command has run: only what did not change meanwhile counts.
    pub(crate) truth: Box<dyn Fn() -> Vec<Truth>>,
    /// Beside the environment of all.
    pub(crate) env: Vec<(&'static str, &'static str)>,
}

/// What the commands are to show, made by the test: files, listeners, a process. Gone when dropped.
pub(crate) struct World {
    dir: tempfile::TempDir,
    listeners: Vec<TcpListener>,
    process: Child,
}

impl World {
    pub(crate) fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, size) in
            [("plain", 0), ("two  words", 1234), (" é -> x", 70_000), ("behind ", 5), ("-n", 9)]
        {
            fs::write(at(name), vec![b'x'; size]).unwrap();
        }
        fs::create_dir(at("directory")).unwrap();
        for (name, target) in [("link", "plain"), ("a -> b", "c"), ("one", "two -> three")] {
            std::os::unix::fs::symlink(target, at(name)).unwrap();
        }
        let listeners = ["127.0.0.1:0", "127.0.0.3:0", "0.0.0.0:0", "[::1]:0"];
        let listeners = listeners.iter().filter_map(|at| TcpListener::bind(at).ok()).collect();
        // It reads what never comes.
        let mut process = Command::new("sh");
        process.args(["-c", "read line", "a  b", "--é=1", "12 34"]).stdin(Stdio::piped());
        World { dir, listeners, process: process.spawn().unwrap() }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Gone already, if somebody else ended it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn live(
    line: &str,
    jc: &'static [&'static str],
    rows: Rows,
    fields: Vec<Field>,
    truth: impl Fn() -> Vec<Truth> + 'static,
) -> Live {
    let argv = line.split(' ').map(str::to_owned).collect();
    Live { argv, jc, fields, rows, truth: Box::new(truth), env: Vec::new() }
}

/// All of them.
pub(crate) fn all(world: &World) -> Vec<Live> {
    let mut all = vec![
        live(
            "df",
            &["--df"],
            Rows::ByKey,
            vec![
                field("target", "Mounted on|Monté sur", "mounted_on"),
                field("source", "Filesystem|Sys. de fichiers", "filesystem"),
                field("size", "1K-blocks|blocs de 1K", "1k_blocks"),
                field("used", "Used|Utilisé", "used"),
                field("available", "Available|Disponible", "available"),
            ],
            space,
        ),
        live(
            "free",
            &["--free"],
            Rows::InOrder,
            vec![
                field("total", "total", "total"),
                field("free", "free|libre", "free"),
                field("shared", "shared|partagé", "shared"),
                field("available", "available|disponible", "available"),
            ],
            memory,
        ),
        live(
            "ps aux",
            &["--ps"],
            Rows::ByKey,
            vec![
                field("pid", "PID", "pid"),
                field("user", "USER", "user"),
                field("size", "VSZ", "vsz"),
                field("command", "COMMAND", "command"),
            ],
            processes,
        ),
        live(
            "ps -ef",
            &["--ps"],
            Rows::ByKey,
            vec![
                field("pid", "PID", "pid"),
                field("user", "UID", "uid"),
                field("parent", "PPID", "ppid"),
                field("command", "CMD", "cmd"),
            ],
            processes,
        ),
        mounts("mount", &["--mount"], Rows::InOrder),
        mounts("findmnt", &["--findmnt"], Rows::ByKey),
        live(
            "id",
            &["--id"],
            Rows::InOrder,
            vec![
                field("uid", "uid", "uid.id"),
                field("user", "user", "uid.name"),
                field("gid", "gid", "gid.id"),
                field("group", "group", "gid.name"),
            ],
            own_ids,
        ),
        live(
            "getent passwd",
            &["--passwd"],
            Rows::InOrder,
            vec![
                field("name", "name", "username"),
                field("password", "password", "password"),
                field("uid", "uid", "uid"),
                field("gid", "gid", "gid"),
                field("comment", "gecos", "comment"),
                field("home", "home", "home"),
                field("shell", "shell", "shell"),
            ],
            || colons("/etc/passwd", &["name", "password", "uid", "gid", "comment", "home", "shell"]),
        ),
        live(
            "getent group",
            &["--group"],
            Rows::InOrder,
            vec![
                field("name", "name", "group_name"),
                field("password", "password", "password"),
                field("gid", "gid", "gid"),
                field("members", "members", "members"),
            ],
            || colons("/etc/group", &["name", "password", "gid", "members"]),
        ),
        live(
            "uptime",
            &["--uptime"],
            Rows::InOrder,
            vec![
                field("load 1", "load_1m", "load_1m"),
                field("load 5", "load_5m", "load_5m"),
                field("load 15", "load_15m", "load_15m"),
            ],
            load,
        ),
        live(
            "lsblk",
            &["--lsblk"],
            Rows::ByKey,
            vec![
                field("name", "name|NAME", "name"),
                field("number", "maj:min|MAJ:MIN", "maj_min"),
                field("read-only", "ro|RO", "ro"),
                field("removable", "rm|RM", "rm"),
            ],
            disks,
        ),
        live(
            "ip route",
            &["--ip-route"],
            Rows::ByKey,
            vec![
                field("destination", "dst", "destination|ip"),
                field("device", "dev", "dev"),
                field("gateway", "gateway", "via"),
            ],
            routes,
        ),
        live("sysctl net.ipv4.conf.lo", &["--sysctl"], Rows::InOrder, settings(), kernel_settings),
        live(
            "dpkg -l",
            &["--dpkg-l"],
            Rows::InOrder,
            vec![
                field("name", "Name|Nom", "name"),
                field("version", "Version", "version"),
                field("architecture", "Architecture", "architecture"),
                field("summary", "Description", "description"),
            ],
            packages,
        ),
    ];
    all.push(environment());
    all.push(directory(world));
    all.push(listeners(world, "ss -tln", "--ss", |ip| ip));
    all.push(listeners(world, "netstat -tln", "--netstat", |ip| ip.replace(['[', ']'], "")));
    all
}

fn lines(path: &str) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn colons(path: &str, names: &[&'static str]) -> Vec<Truth> {
    let row = |line: &String| names.iter().copied().zip(line.split(':').map(str::to_owned)).collect();
    lines(path).iter().map(row).collect()
}

/// The number of a key in a text like `/proc/meminfo`.
fn number(text: &[String], key: &str) -> String {
    let line = text.iter().find(|line| line.split(':').next() == Some(key));
    line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default().to_owned()
}

fn memory() -> Vec<Truth> {
    let text = lines("/proc/meminfo");
    let truth = |pairs: &[(&'static str, &str)]| -> Truth {
        pairs.iter().map(|(name, key)| (*name, number(&text, key))).collect()
    };
    vec![
        truth(&[
            ("total", "MemTotal"),
            ("free", "MemFree"),
            ("shared", "Shmem"),
            ("available", "MemAvailable"),
        ]),
        truth(&[("total", "SwapTotal"), ("free", "SwapFree")]),
    ]
}

fn load() -> Vec<Truth> {
    let text = fs::read_to_string("/proc/loadavg").unwrap();
    vec![["load 1", "load 5", "load 15"].into_iter().zip(text.split(' ').map(str::to_owned)).collect()]
}

/// Which file systems `df` shows is its own affair: a list of one column.
fn space() -> Vec<Truth> {
    let shown = Command::new("df").arg("--output=target").output().unwrap();
    let mounted = mounted();
    let row = |target: &str| {
        let mount = mounted.iter().rev().find(|mount| mount["target"] == target)?;
        let found = rustix::fs::statvfs(target).ok()?;
        let size = |blocks: u64| (blocks * found.f_frsize).div_ceil(1024).to_string();
        Some(Truth::from([
            ("target", target.to_owned()),
            ("source", mount["source"].clone()),
            ("size", size(found.f_blocks)),
            ("used", size(found.f_blocks - found.f_bfree)),
            ("available", size(found.f_bavail)),
        ]))
    };
    String::from_utf8(shown.stdout).unwrap().lines().skip(1).filter_map(row).collect()
}

/// From `/proc/self/mountinfo`, in its order (proc_pid_mountinfo(5)).
fn mounted() -> Vec<Truth> {
    let plain = |text: &str| text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
    let row = |line: &String| {
        let (place, kind) = line.split_once(" - ")?;
        let (place, kind): (Vec<&str>, Vec<&str>) = (place.split(' ').collect(), kind.split(' ').collect());
        Some(Truth::from([
            ("root", plain(place.get(3)?)),
            ("target", plain(place.get(4)?)),
            ("type", plain(kind.first()?)),
            ("source", plain(kind.get(1)?)),
        ]))
    };
    lines("/proc/self/mountinfo").iter().filter_map(row).collect()
}

fn mounts(line: &str, jc: &'static [&'static str], rows: Rows) -> Live {
    let fields = match rows {
        Rows::InOrder => vec![
            field("target", "target", "mount_point"),
            field("source", "source", "filesystem"),
            field("type", "fstype", "type"),
        ],
        Rows::ByKey => vec![
            field("target", "target|TARGET", "target"),
            field("source", "source|SOURCE", "source"),
            field("type", "fstype|FSTYPE", "fstype"),
        ],
    };
    live(line, jc, rows, fields, move || {
        let all = mounted();
        if rows == Rows::InOrder {
            return all;
        }
        let once = |target: &String| all.iter().filter(|mount| mount["target"] == *target).count() == 1;
        // `findmnt` tells the directory of a file system that is mounted elsewhere, too, which is another field here.
        all.iter().filter(|mount| once(&mount["target"]) && mount["root"] == "/").cloned().collect()
    })
}

fn names_by_id(path: &str) -> HashMap<String, String> {
    let names = colons(path, &["name", "password", "id"]);
    names.into_iter().rev().map(|row| (row["id"].clone(), row["name"].clone())).collect()
}

fn own_ids() -> Vec<Truth> {
    let status = lines("/proc/self/status");
    let (uid, gid) = (number(&status, "Uid"), number(&status, "Gid"));
    let name = |path: &str, id: &str| names_by_id(path).get(id).cloned().unwrap_or_default();
    let (user, group) = (name("/etc/passwd", &uid), name("/etc/group", &gid));
    vec![Truth::from([("uid", uid), ("user", user), ("gid", gid), ("group", group)])]
}

/// Processes whose command lines are printed as they are: of one line, without control characters.
fn processes() -> Vec<Truth> {
    let users = names_by_id("/etc/passwd");
    let row = |entry: fs::DirEntry| {
        let pid = entry.file_name().into_string().ok()?;
        pid.parse::<u32>().ok()?;
        let status = lines(&format!("/proc/{pid}/status"));
        let command = String::from_utf8(fs::read(entry.path().join("cmdline")).ok()?).ok()?;
        let command = match command.trim_end_matches('\0').replace('\0', " ") {
            // Of the kernel's own, or ended: by its name, in brackets or with a mark.
            command if command.is_empty() => return None,
            command => command.trim_end().to_owned(),
        };
        let user = users.get(&number(&status, "Uid"))?.clone();
        let fits = user.len() <= 8 && !command.contains(char::is_control);
        fits.then(|| {
            Truth::from([
                ("pid", pid),
                ("user", user),
                ("parent", number(&status, "PPid")),
                ("size", number(&status, "VmSize")),
                ("command", command),
            ])
        })
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(row).collect()
}

fn disks() -> Vec<Truth> {
    let row = |entry: fs::DirEntry| {
        let value = |name: &str| Some(fs::read_to_string(entry.path().join(name)).ok()?.trim().to_owned());
        let yes_no = |name: &str| Some(if value(name)? == "1" { "yes" } else { "no" }.to_owned());
        // Those without a size are not shown by all versions.
        (value("size")? != "0").then_some(())?;
        Some(Truth::from([
            ("name", entry.file_name().into_string().ok()?),
            ("number", value("dev")?),
            ("read-only", yes_no("ro")?),
            ("removable", yes_no("removable")?),
        ]))
    };
    fs::read_dir("/sys/block").into_iter().flatten().flatten().filter_map(row).collect()
}

/// From `/proc/net/route`: addresses are hexadecimal, in the machine's order.
fn routes() -> Vec<Truth> {
    let address =
        |text: &str| u32::from_str_radix(text, 16).map(|bits| std::net::Ipv4Addr::from(bits.to_le_bytes()));
    let row = |line: &String| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let (to, mask) = (address(cells.get(1)?).ok()?, u32::from_str_radix(cells.get(7)?, 16).ok()?);
        let gateway = address(cells.get(2)?).ok()?;
        let to = if mask == 0 { "default".to_owned() } else { format!("{to}/{}", mask.count_ones()) };
        let mut row = Truth::from([("destination", to), ("device", (*cells.first()?).to_owned())]);
        if !gateway.is_unspecified() {
            row.insert("gateway", gateway.to_string());
        }
        Some(row)
    };
    lines("/proc/net/route").iter().skip(1).filter_map(row).collect()
}

const SETTINGS: [&str; 6] = ["accept_local", "arp_ignore", "forwarding", "medium_id", "rp_filter", "tag"];

fn settings() -> Vec<Field> {
    vec![
        field("accept_local", "net.ipv4.conf.lo.accept_local", "net.ipv4.conf.lo.accept_local"),
        field("arp_ignore", "net.ipv4.conf.lo.arp_ignore", "net.ipv4.conf.lo.arp_ignore"),
        field("forwarding", "net.ipv4.conf.lo.forwarding", "net.ipv4.conf.lo.forwarding"),
        field("medium_id", "net.ipv4.conf.lo.medium_id", "net.ipv4.conf.lo.medium_id"),
        field("rp_filter", "net.ipv4.conf.lo.rp_filter", "net.ipv4.conf.lo.rp_filter"),
        field("tag", "net.ipv4.conf.lo.tag", "net.ipv4.conf.lo.tag"),
    ]
}

fn kernel_settings() -> Vec<Truth> {
    let value = |name| fs::read_to_string(Path::new("/proc/sys/net/ipv4/conf/lo").join(name)).unwrap();
    vec![SETTINGS.into_iter().map(|name| (name, value(name).trim().to_owned())).collect()]
}

fn packages() -> Vec<Truth> {
    let format = "${binary:Package}\t${Version}\t${Architecture}\t${binary:Summary}\n";
    let asked = Command::new("dpkg-query").args(["-W", "-f", format]).output().unwrap();
    let names = ["name", "version", "architecture", "summary"];
    let row =
        |line: &str| names.into_iter().zip(line.split('\t').map(|cell| cell.trim_end().to_owned())).collect();
    String::from_utf8(asked.stdout).unwrap().lines().map(row).collect()
}

fn environment() -> Live {
    let env = vec![
        ("VIGIE_TEST_A", "a=b  c"),
        ("VIGIE_TEST_B", ""),
        ("VIGIE_TEST_C", "été 007"),
        ("VIGIE_TEST_D", "007"),
        ("VIGIE_TEST_E", "\"quoted\" $HOME"),
    ];
    let truth = env.clone();
    let fields = env.iter().map(|(name, _)| field(name, name, name)).collect();
    let case = live("env", &["--env", "-r"], Rows::InOrder, fields, move || {
        vec![truth.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()]
    });
    Live { env, ..case }
}

fn directory(world: &World) -> Live {
    let dir = world.dir.path().to_owned();
    let fields = vec![
        field("name", "name", "filename"),
        field("size", "size", "size"),
        field("mode", "mode", "flags"),
        field("target", "link_target", "link_to"),
    ];
    let truth = |dir: &Path| -> Vec<Truth> {
        let row = |entry: fs::DirEntry| {
            let (kind, path) = (entry.file_type().unwrap(), entry.path());
            let size = path.symlink_metadata().unwrap().len().to_string();
            let mut row = Truth::from([("name", entry.file_name().into_string().unwrap()), ("size", size)]);
            if kind.is_symlink() {
                row.insert("target", fs::read_link(&path).unwrap().to_str().unwrap().to_owned());
                row.insert("mode", "lrwxrwxrwx".to_owned());
            } else {
                row.insert("target", String::new());
            }
            row
        };
        fs::read_dir(dir).unwrap().flatten().map(row).collect()
    };
    let argv = ["ls", "-l", dir.to_str().unwrap()].map(str::to_owned).to_vec();
    Live { argv, ..live("ls", &["--ls"], Rows::ByKey, fields, move || truth(&dir)) }
}

fn listeners(world: &World, line: &str, jc: &'static str, shown: fn(String) -> String) -> Live {
    let of_ss = jc == "--ss";
    let fields = vec![
        field(
            "address",
            if of_ss { "Local Address:Port" } else { "Local Address|Adresse locale" },
            "local_address&local_port",
        ),
        field("state", "State|Etat", "state"),
        field("waiting", "Recv-Q", "recv_q"),
    ];
    let addresses: Vec<String> =
        world.listeners.iter().map(|l| shown(l.local_addr().unwrap().to_string())).collect();
    let jc: &'static [&'static str] = if of_ss { &["--ss"] } else { &["--netstat"] };
    live(line, jc, Rows::ByKey, fields, move || {
        let row = |address: &String| {
            Truth::from([
                ("address", address.clone()),
                ("state", "LISTEN".to_owned()),
                ("waiting", "0".to_owned()),
            ])
        };
        addresses.iter().map(row).collect()
    })
}
