//! Outputs that need a booted machine, people on it, or modules: recorded or written by hand, in two languages, with
//! what they say.

use crate::score::{Field, Rows, Truth, field};

/// An output in two languages, with its truth.
pub(crate) struct Recorded {
    pub(crate) name: &'static str,
    pub(crate) jc: &'static [&'static str],
    pub(crate) english: &'static str,
    pub(crate) french: &'static str,
    pub(crate) fields: Vec<Field>,
    pub(crate) rows: Rows,
    pub(crate) truth: Vec<Truth>,
    /// Where the French text says something else than the English one.
    pub(crate) french_truth: Vec<Truth>,
}

macro_rules! texts {
    ($name:literal) => {
        (
            include_str!(concat!("recorded/", $name, ".c.txt")),
            include_str!(concat!("recorded/", $name, ".fr.txt")),
        )
    };
}

/// Rows of cells between bars, in the order of the fields.
fn told(fields: &[Field], text: &str) -> Vec<Truth> {
    let row = |line: &str| {
        let cells = line.trim().split('|').map(|cell| cell.trim().to_owned());
        fields.iter().map(|field| field.name).zip(cells).collect()
    };
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(row).collect()
}

fn recorded(
    name: &'static str,
    jc: &'static [&'static str],
    (english, french): (&'static str, &'static str),
    fields: Vec<Field>,
    truth: &str,
) -> Recorded {
    let truth = told(&fields, truth);
    let french_truth = truth.clone();
    Recorded { name, jc, english, french, fields, rows: Rows::InOrder, truth, french_truth }
}

/// All of them.
pub(crate) fn all() -> Vec<Recorded> {
    vec![who(), last(), units(), unit_files(), show(), modules(), vmstat()]
}

fn who() -> Recorded {
    let fields = vec![
        field("user", "user", "user"),
        field("line", "line", "tty"),
        field("time", "time", "time"),
        field("from", "from", "from"),
    ];
    recorded(
        "who",
        &["--who"],
        texts!("who"),
        fields,
        "ada|tty1|2026-11-02 08:25|
         grace|pts/0|2026-11-02 09:21|10.0.0.7
         jean-baptiste|pts/12|2026-11-26 08:15|gate.example.org",
    )
}

fn last() -> Recorded {
    let fields = vec![
        field("user", "user", "user"),
        field("line", "line", "tty"),
        field("from", "from", "hostname"),
        field("duration", "duration", "duration"),
    ];
    recorded(
        "last",
        &["--last"],
        texts!("last"),
        fields,
        "jean-bap|pts/1|gate.example.org|
         grace|pts/0|10.0.0.7|01:23
         ada|tty1||
         reboot|system boot|6.1.0-32-amd64|",
    )
}

fn units() -> Recorded {
    let fields = vec![
        field("unit", "UNIT", "unit"),
        field("load", "LOAD", "load"),
        field("active", "ACTIVE", "active"),
        field("sub", "SUB", "sub"),
        field("description", "DESCRIPTION", "description"),
    ];
    let english = "proc-sys-fs-binfmt_misc.automount|loaded|active|waiting|Arbitrary Executable File Formats File System Automount Point
        dev-sda1.device|loaded|active|plugged|QEMU_HARDDISK 1
        -.mount|loaded|active|mounted|Root Mount
        boot-efi.mount|loaded|active|mounted|/boot/efi
        systemd-ask-password-wall.path|loaded|active|waiting|Forward Password Requests to Wall Directory Watch
        apache2.service|loaded|failed|failed|The Apache HTTP Server
        cron.service|loaded|active|running|Regular background program processing daemon
        getty@tty1.service|loaded|active|running|Getty on tty1
        nfs-idmapd.service|not-found|inactive|dead|nfs-idmapd.service
        ssh.service|loaded|active|running|OpenBSD Secure Shell server
        user@1000.service|loaded|active|running|User Manager for UID 1000
        system-getty.slice|loaded|active|active|Slice /system/getty
        dbus.socket|loaded|active|running|D-Bus System Message Bus Socket
        basic.target|loaded|active|active|Basic System
        apt-daily.timer|loaded|active|waiting|Daily apt download activities";
    let french = english
        .replace("Slice /system/getty", "Tranche système getty")
        .replace("Regular background program processing daemon", "Démon de traitement périodique des tâches");
    let french_truth = told(&fields, &french);
    let case =
        recorded("systemctl list-units", &["--systemctl"], texts!("systemctl-list-units"), fields, english);
    Recorded { french_truth, ..case }
}

fn unit_files() -> Recorded {
    let fields = vec![
        field("file", "UNIT FILE", "unit_file"),
        field("state", "STATE", "state"),
        field("preset", "PRESET", "preset"),
    ];
    recorded(
        "systemctl list-unit-files",
        &["--systemctl-luf"],
        texts!("systemctl-list-unit-files"),
        fields,
        "proc-sys-fs-binfmt_misc.automount|static|-
         -.mount|generated|-
         apache2.service|enabled|enabled
         autovt@.service|alias|-
         cron.service|enabled|enabled
         getty@.service|enabled|enabled
         nfs-common.service|masked|enabled
         rsync.service|disabled|enabled
         dbus.socket|static|-
         apt-daily.timer|enabled|enabled",
    )
}

fn show() -> Recorded {
    let fields: Vec<Field> = [
        "Type",
        "RestartUSec",
        "TimeoutStartUSec",
        "MainPID",
        "ExecMainStartTimestamp",
        "MemoryCurrent",
        "CPUUsageNSec",
        "TasksMax",
        "Environment",
        "EnvironmentFiles",
        "Names",
        "ActiveState",
        "Documentation",
        "Description",
    ]
    .into_iter()
    .map(|name| field(name, name, name))
    .collect();
    // Both lines of EnvironmentFiles: whoever keeps the last alone has lost one.
    let english = "notify|100ms|1min 30s|712|Mon 2026-11-02 08:15:21 UTC|6873088|[not set]|18446744073709551615|\
        \"OPTS=-a -b\" LEVEL=2|/etc/default/ssh (ignore_errors=yes),/etc/default/locale (ignore_errors=yes)|\
        sshd.service ssh.service|active|\"man:sshd(8)\" \"man:sshd_config(5)\"|OpenBSD Secure Shell server";
    let french = english.replace("OpenBSD Secure Shell server", "Serveur Shell sécurisé OpenBSD");
    let french_truth = told(&fields, &french);
    let case = recorded("systemctl show", &["--kv"], texts!("systemctl-show"), fields, english);
    Recorded { french_truth, ..case }
}

fn modules() -> Recorded {
    let fields = vec![
        field("module", "Module", "module"),
        field("size", "Size", "size"),
        field("used by", "Used by", "used+by"),
    ];
    recorded(
        "lsmod",
        &["--lsmod"],
        texts!("lsmod"),
        fields,
        "xt_conntrack|16384|2
         nft_chain_nat|16384|3
         nf_nat|57344|2 xt_MASQUERADE,nft_chain_nat
         nf_conntrack|188416|4 xt_conntrack,nf_nat,xt_nat,xt_MASQUERADE
         nf_defrag_ipv6|24576|1 nf_conntrack
         overlay|163840|0
         drm|614400|4 drm_kms_helper,bochs,drm_vram_helper
         intel_rapl_common|32768|1 intel_rapl_msr
         button|24576|0
         ext4|983040|1",
    )
}

fn vmstat() -> Recorded {
    let fields = vec![
        field("waiting", "r", "runnable_procs"),
        field("blocked", "b", "uninterruptible_sleeping_procs"),
        field("swapped", "swpd", "virtual_mem_used"),
        field("free", "free|libre", "free_mem"),
        field("buffers", "buff|tampon", "buffer_mem"),
        field("cache", "cache", "cache_mem"),
        field("in", "si", "swap_in"),
        field("out", "so", "swap_out"),
        field("read", "bi", "blocks_in"),
        field("written", "bo", "blocks_out"),
        field("interrupts", "in", "interrupts"),
        field("switches", "cs", "context_switches"),
        field("user", "us", "user_time"),
        field("system", "sy", "system_time"),
        field("idle", "id", "idle_time"),
        field("wait", "wa", "io_wait_time"),
        field("stolen", "st", "stolen_time"),
    ];
    let french_truth = told(&fields, "8|0|0|13591532|59740|10206228|0|0|313|1648|116|150|21|2|77|0|0");
    let case = recorded(
        "vmstat",
        &["--vmstat"],
        texts!("vmstat"),
        fields,
        "8|0|0|13592084|59740|10205124|0|0|313|1648|116|150|21|2|77|0|0",
    );
    Recorded { french_truth, ..case }
}
