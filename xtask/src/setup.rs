//! `cargo xtask setup`: the programs that tests and benches run as peers, from Debian's packages.

use crate::shell;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// Installs the Debian packages that tests need, and with `--bench` those of the benches.
#[derive(clap::Args, Default)]
pub(crate) struct SetupArgs {
    /// Also what `cargo xtask bench` compares with; this is larger.
    #[arg(long)]
    bench: bool,
    /// Says what is missing and installs nothing.
    #[arg(long)]
    dry_run: bool,
}

/// How to tell that a package is there.
enum Sign {
    /// A program on the path, whoever put it there.
    Program(&'static str),
    /// A file.
    File(&'static str),
}

struct Need {
    package: &'static str,
    sign: Sign,
    /// Needed by the benches only.
    bench: bool,
}

const fn program(name: &'static str, package: &'static str) -> Need {
    Need { package, sign: Sign::Program(name), bench: false }
}

const fn for_bench(package: &'static str, sign: Sign) -> Need {
    Need { package, sign, bench: true }
}

/// Everything beyond a Rust toolchain and a C compiler.
const NEEDS: &[Need] = &[
    program("rsync", "rsync"),
    program("setfacl", "acl"),
    program("setfattr", "attr"),
    program("setcap", "libcap2-bin"),
    program("git", "git"),
    program("curl", "curl"),
    program("tar", "tar"),
    program("python3", "python3"),
    program("ps", "procps"),
    program("haproxy", "haproxy"),
    program("systemd-analyze", "systemd"),
    program("nc", "netcat-openbsd"),
    program("telnet", "telnet"),
    program("socat", "socat"),
    program("tinyproxy", "tinyproxy-bin"),
    program("openssl", "openssl"),
    program("ncat", "ncat"),
    program("ss", "iproute2"),
    program("unshare", "util-linux"),
    program("netstat", "net-tools"),
    program("nmap", "nmap"),
    program("ndiff", "ndiff"),
    program("xmllint", "libxml2-utils"),
    program("nodeset", "clustershell"),
    program("nft", "nftables"),
    program("jc", "jc"),
    // With the sources that `localedef` makes a locale from.
    Need { package: "locales", sign: Sign::File("/usr/share/i18n/locales/fr_FR"), bench: false },
    Need { package: "openssh-server", sign: Sign::File("/usr/sbin/sshd"), bench: false },
    program("dropbear", "dropbear-bin"),
    program("sudo", "sudo"),
    Need { package: "openssh-sftp-server", sign: Sign::File("/usr/lib/openssh/sftp-server"), bench: false },
    program("influxd", "influxdb"),
    program("mosquitto", "mosquitto"),
    program("mosquitto_sub", "mosquitto-clients"),
    for_bench("restic", Sign::Program("restic")),
    for_bench("lsyncd", Sign::Program("lsyncd")),
    for_bench("keepalived", Sign::Program("keepalived")),
    for_bench("masscan", Sign::Program("masscan")),
    for_bench("pssh", Sign::Program("parallel-ssh")),
    for_bench("python3-venv", Sign::File("/usr/share/doc/python3-venv")),
    for_bench("xz-utils", Sign::Program("xz")),
    for_bench("linux-source-6.1", Sign::File("/usr/src/linux-source-6.1.tar.xz")),
];

/// The locale in which the readers of output are tested: commas in numbers, other words, other orders.
const LOCALE: &str = "fr_FR.UTF-8";

impl Need {
    fn is_there(&self) -> bool {
        match self.sign {
            Sign::Program(name) => shell::is_installed(name),
            Sign::File(path) => Path::new(path).exists(),
        }
    }
}

impl SetupArgs {
    /// What the benches need.
    pub(crate) fn for_bench() -> Self {
        SetupArgs { bench: true, ..Self::default() }
    }
}

pub(crate) fn run(args: &SetupArgs) -> Result<()> {
    let wanted = NEEDS.iter().filter(|need| args.bench || !need.bench);
    let missing: Vec<&str> = wanted.filter(|need| !need.is_there()).map(|need| need.package).collect();
    let has_locale = has_locale()?;
    if missing.is_empty() && has_locale {
        println!("setup: everything is there");
        return Ok(());
    }
    if args.dry_run {
        let locale = if has_locale { String::new() } else { format!(" and the locale {LOCALE}") };
        println!("setup: missing: {}{locale}", missing.join(" "));
        return Ok(());
    }
    if !is_root()? {
        let list = missing.join(" ");
        let packages = match missing.as_slice() {
            [] => String::new(),
            _ => format!("sudo apt-get update && sudo apt-get install {list}\n"),
        };
        let locale =
            if has_locale { String::new() } else { format!("sudo {}\n", shell::line(&make_locale())) };
        bail!("something is missing, which only root can install:\n{packages}{locale}");
    }
    if !missing.is_empty() {
        if !shell::is_installed("apt-get") {
            bail!("apt-get is not here; install by other means: {}", missing.join(" "));
        }
        shell::run(apt().arg("update"))?;
        shell::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(&missing))?;
    }
    if has_locale { Ok(()) } else { shell::run(&mut make_locale()) }
}

fn has_locale() -> Result<bool> {
    let spelled = LOCALE.replace("UTF-8", "utf8");
    let known = shell::output(Command::new("locale").arg("-a"))?;
    Ok(String::from_utf8_lossy(&known).lines().any(|name| name == spelled || name == LOCALE))
}

fn make_locale() -> Command {
    let mut command = Command::new("localedef");
    command.args(["-i", "fr_FR", "-f", "UTF-8", LOCALE]);
    command
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    // Another installation may be running on a fresh machine: wait for it instead of failing.
    command.args(["--quiet", "-o", "DPkg::Lock::Timeout=300"]);
    command
}

fn is_root() -> Result<bool> {
    Ok(shell::output(Command::new("id").arg("-u"))?.trim_ascii() == b"0")
}
