//! Outputs that no reader was made for, as their tools print them: what is claimed of them is right, or it comes with a
//! warning, or nothing is claimed. So, too, when their columns are wider or farther apart.

use vigie_exec::readers::{Ask, Format, Reading, read};

/// An output, and what it says: names, then rows of cells, with bars in between. An `_` is a cell of which nothing is said here.
struct Other {
    name: &'static str,
    text: &'static str,
    fields: &'static str,
    rows: &'static [&'static str],
}

const OTHERS: &[Other] = &[
    Other {
        name: "docker ps -a",
        text: r#"
CONTAINER ID   IMAGE         COMMAND                  CREATED       STATUS                     PORTS                               NAMES
3f2a9c1b7d5e   nginx:1.25    "/docker-entrypoint.…"   3 hours ago   Up 3 hours                 0.0.0.0:80->80/tcp, :::80->80/tcp   web
9a8b7c6d5e4f   postgres:15   "docker-entrypoint.s…"   2 days ago    Exited (0) 5 minutes ago                                       db
"#,
        fields: "CONTAINER ID|IMAGE|CREATED|STATUS|PORTS|NAMES",
        rows: &[
            "3f2a9c1b7d5e|nginx:1.25|3 hours ago|Up 3 hours|0.0.0.0:80->80/tcp, :::80->80/tcp|web",
            "9a8b7c6d5e4f|postgres:15|2 days ago|Exited (0) 5 minutes ago||db",
        ],
    },
    Other {
        name: "kubectl get pods -o wide",
        text: r#"
NAME                   READY   STATUS             RESTARTS        AGE    IP           NODE     NOMINATED NODE   READINESS GATES
web-6d4cf56db6-abcde   1/1     Running            0               3d2h   10.244.1.7   node-1   <none>           <none>
job-x                  0/1     CrashLoopBackOff   12 (2m3s ago)   41m    10.244.2.9   node-2   <none>           <none>
"#,
        fields: "NAME|READY|STATUS|RESTARTS|AGE|IP|NODE|READINESS GATES",
        rows: &[
            "web-6d4cf56db6-abcde|1/1|Running|0|3d2h|10.244.1.7|node-1|<none>",
            "job-x|0/1|CrashLoopBackOff|12 (2m3s ago)|41m|10.244.2.9|node-2|<none>",
        ],
    },
    Other {
        name: "systemctl list-timers",
        text: r#"
NEXT                        LEFT       LAST                        PASSED   UNIT                  ACTIVATES
Mon 2026-11-02 12:39:00 UTC 21min left Mon 2026-11-02 12:09:01 UTC 8min ago phpsessionclean.timer phpsessionclean.service
Tue 2026-11-03 00:00:00 UTC 11h left   Mon 2026-11-02 00:00:01 UTC 12h ago  dpkg-db-backup.timer  dpkg-db-backup.service
-                           -          -                           -        fstrim.timer          fstrim.service

3 timers listed.
"#,
        fields: "NEXT|LEFT|LAST|PASSED|UNIT|ACTIVATES",
        rows: &[
            "Mon 2026-11-02 12:39:00 UTC|21min left|Mon 2026-11-02 12:09:01 UTC|8min ago|phpsessionclean.timer|phpsessionclean.service",
            "Tue 2026-11-03 00:00:00 UTC|11h left|Mon 2026-11-02 00:00:01 UTC|12h ago|dpkg-db-backup.timer|dpkg-db-backup.service",
            "-|-|-|-|fstrim.timer|fstrim.service",
        ],
    },
    Other {
        name: "loginctl list-sessions",
        text: "
SESSION  UID USER SEAT  TTY
      3 1000 ada  seat0 tty1
     17 1001 bob        pts/0

2 sessions listed.
",
        fields: "SESSION|UID|USER|SEAT|TTY",
        rows: &["3|1000|ada|seat0|tty1", "17|1001|bob||pts/0"],
    },
    Other {
        name: "nmcli device",
        text: "
DEVICE  TYPE      STATE                   CONNECTION
eth0    ethernet  connected               Wired connection 1
wlan0   wifi      disconnected            --
lo      loopback  connected (externally)  lo
",
        fields: "DEVICE|TYPE|STATE|CONNECTION",
        rows: &[
            "eth0|ethernet|connected|Wired connection 1",
            "wlan0|wifi|disconnected|--",
            "lo|loopback|connected (externally)|lo",
        ],
    },
    Other {
        name: "lsof -i",
        text: "
COMMAND  PID USER   FD   TYPE DEVICE SIZE/OFF NODE NAME
sshd     712 root    3u  IPv4  15963      0t0  TCP *:22 (LISTEN)
apache2 1034 root    4u  IPv6  18222      0t0  TCP *:80 (LISTEN)
",
        fields: "COMMAND|PID|USER|FD|TYPE|DEVICE|SIZE/OFF|NODE|NAME",
        rows: &[
            "sshd|712|root|3u|IPv4|15963|0t0|TCP|*:22 (LISTEN)",
            "apache2|1034|root|4u|IPv6|18222|0t0|TCP|*:80 (LISTEN)",
        ],
    },
    Other {
        name: "lsof -p, of others",
        text: "
COMMAND   PID USER   FD      TYPE DEVICE SIZE/OFF NODE NAME
process_a   1 root  cwd   unknown                      /proc/1/cwd (readlink: Permission denied)
process_a   1 root  txt   unknown                      /proc/1/exe (readlink: Permission denied)
",
        fields: "COMMAND|PID|USER|FD|TYPE|DEVICE|SIZE/OFF|NODE|NAME",
        rows: &[
            "process_a|1|root|cwd|unknown||||/proc/1/cwd (readlink: Permission denied)",
            "process_a|1|root|txt|unknown||||/proc/1/exe (readlink: Permission denied)",
        ],
    },
    Other {
        name: "w",
        text: " 12:01:14 up 41 days,  3:46,  2 users,  load average: 0.08, 0.03, 0.01
USER     TTY      FROM             LOGIN@   IDLE   JCPU   PCPU WHAT
ada      tty1     -                08:25    3:36m  0.05s  0.02s -bash
grace    pts/0    10.0.0.7         09:21    1.00s  0.11s  0.00s vim a b
",
        fields: "user|line|from|login|idle|what",
        rows: &["ada|tty1|-|08:25|3:36m|-bash", "grace|pts/0|10.0.0.7|09:21|1.00s|vim a b"],
    },
    Other {
        name: "top -b",
        text: "top - 12:01:14 up 41 days,  3:46,  2 users,  load average: 0.08, 0.03, 0.01
Tasks: 103 total,   1 running, 102 sleeping,   0 stopped,   0 zombie
%Cpu(s):  1.6 us,  0.0 sy,  0.0 ni, 98.4 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st
MiB Mem :   1967.5 total,    320.2 free,    411.0 used,   1236.3 buff/cache
MiB Swap:    975.0 total,    975.0 free,      0.0 used.   1395.8 avail Mem

    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND
      1 root      20   0  167644  12868   9224 S   0.0   0.6   0:11.16 systemd
     15 root      rt   0       0      0      0 S   0.0   0.0   0:03.51 migration/0
",
        fields: "PID|USER|PR|NI|VIRT|RES|SHR|S|%CPU|TIME+|COMMAND",
        rows: &[
            "1|root|20|0|167644|12868|9224|S|0.0|0:11.16|systemd",
            "15|root|rt|0|0|0|0|S|0.0|0:03.51|migration/0",
        ],
    },
    Other {
        name: "pvs",
        text: "
  PV         VG     Fmt  Attr PSize   PFree
  /dev/sda2  debian lvm2 a--  <49.50g      0
  /dev/sdb1         lvm2 ---  100.00g 100.00g
",
        fields: "PV|VG|Fmt|Attr|PSize|PFree",
        rows: &["/dev/sda2|debian|lvm2|a--|<49.50g|0", "/dev/sdb1||lvm2|---|100.00g|100.00g"],
    },
    Other {
        name: "zpool list",
        text: "
NAME    SIZE  ALLOC   FREE  CKPOINT  EXPANDSZ   FRAG    CAP  DEDUP    HEALTH  ALTROOT
tank   3.62T  1.20T  2.42T        -         -     3%    33%  1.00x    ONLINE  -
backup  928G   100G   828G        -         -     0%    10%  1.00x  DEGRADED  /mnt
",
        fields: "NAME|SIZE|ALLOC|FREE|CKPOINT|FRAG|CAP|HEALTH|ALTROOT",
        rows: &["tank|3.62T|1.20T|2.42T|-|3%|33%|ONLINE|-", "backup|928G|100G|828G|-|0%|10%|DEGRADED|/mnt"],
    },
    Other {
        name: "psql",
        text: "
 id |  name  |  note
----+--------+--------
  1 | Ada    | a b
  2 | Grace  |
(2 rows)

",
        fields: "id|name|note",
        rows: &["1|Ada|a b", "2|Grace|"],
    },
    Other {
        name: "virsh list --all",
        text: "
 Id   Name     State
-------------------------
 1    web      running
 -    db two   shut off

",
        fields: "Id|Name|State",
        rows: &["1|web|running", "-|db two|shut off"],
    },
    Other {
        name: "pip list",
        text: "
Package    Version
---------- -------
pip        24.0
setuptools 65.5.1
",
        fields: "Package|Version",
        rows: &["pip|24.0", "setuptools|65.5.1"],
    },
    Other {
        name: "ufw status",
        text: "
Status: active

To                         Action      From
--                         ------      ----
22/tcp                     ALLOW       Anywhere
80/tcp (v6)                DENY        Anywhere (v6)
",
        fields: "To|Action|From",
        rows: &["22/tcp|ALLOW|Anywhere", "80/tcp (v6)|DENY|Anywhere (v6)"],
    },
    Other {
        name: "route -n, in French",
        text: "Table de routage IP du noyau
Destination     Passerelle      Genmask         Indic Metric Ref    Use Iface
0.0.0.0         192.0.2.1       0.0.0.0         UG    0      0        0 eth0
192.0.2.0       0.0.0.0         255.255.255.0   U     0      0        0 eth0
",
        fields: "Destination|Passerelle|Genmask|Indic|Metric|Ref|Use|Iface",
        rows: &["0.0.0.0|192.0.2.1|0.0.0.0|UG|0|0|0|eth0", "192.0.2.0|0.0.0.0|255.255.255.0|U|0|0|0|eth0"],
    },
    Other {
        name: "netstat -i",
        text: "Kernel Interface table
Iface      MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg
eth0      1500   123456      0      0 0         65432      0      0      0 BMRU
lo       65536       12      0      0 0            12      0      0      0 LRU
",
        fields: "Iface|MTU|RX-OK|RX-ERR|RX-OVR|TX-OK|Flg",
        rows: &["eth0|1500|123456|0|0|65432|BMRU", "lo|65536|12|0|0|12|LRU"],
    },
    Other {
        name: "squeue",
        text: "
             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)
             65541     debug   sleep1      ada PD       0:00      2 (Resources)
             65540     debug   my job      bob  R       1:07      2 node[1-2]
",
        fields: "JOBID|PARTITION|NAME|USER|ST|NODES",
        rows: &["65541|debug|sleep1|ada|PD|2", "65540|debug|my job|bob|R|2"],
    },
    Other {
        name: "iostat",
        text: "
Device             tps    kB_read/s    kB_wrtn/s    kB_read    kB_wrtn
sda               5.10        40.12        30.33    1234567     934567
nvme0n1          10.00         0.00        12.50          0      55555
",
        fields: "Device|tps|kB_read/s|kB_wrtn/s|kB_read|kB_wrtn",
        rows: &["sda|5.10|40.12|30.33|1234567|934567", "nvme0n1|10.00|0.00|12.50|0|55555"],
    },
    Other {
        name: "lscpu",
        text: "
Architecture:           x86_64
  CPU op-mode(s):       32-bit, 64-bit
CPU(s):                 2
Model name:             Intel(R) Xeon(R): 2.2
NUMA:
  NUMA node0 CPU(s):    0,1
",
        fields: "CPU(s)|Model name",
        rows: &["2|Intel(R) Xeon(R): 2.2"],
    },
    Other {
        name: "timedatectl",
        text: "
               Local time: Mon 2026-11-02 12:01:14 CET
           Universal time: Mon 2026-11-02 11:01:14 UTC
                Time zone: Europe/Paris (CET, +0100)
System clock synchronized: yes
",
        fields: "Local time|Time zone|System clock synchronized",
        rows: &["Mon 2026-11-02 12:01:14 CET|Europe/Paris (CET, +0100)|yes"],
    },
    Other {
        name: "apt-cache policy",
        text: "bash:
  Installed: 5.2.15-2+b8
  Candidate: 5.2.15-2+b8
  Version table:
 *** 5.2.15-2+b8 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
",
        fields: "Installed",
        rows: &["5.2.15-2+b8"],
    },
    Other {
        name: "df of long names",
        text: "
Filesystem                         1K-blocks     Used Available Use% Mounted on
/dev/mapper/debian--vg-root-long   264212084 51325744 198000000  21% /
nas.example.org:/export/home       999999999999 5 999999999994   1% /home
",
        fields: "Filesystem|1K-blocks|Used|Available|Mounted on",
        rows: &[
            "/dev/mapper/debian--vg-root-long|264212084|51325744|198000000|/",
            "nas.example.org:/export/home|999999999999|5|999999999994|/home",
        ],
    },
    Other {
        name: "systemctl --failed, none",
        text: "
  UNIT LOAD ACTIVE SUB DESCRIPTION
0 loaded units listed.
",
        fields: "UNIT",
        rows: &[],
    },
    Other {
        name: "ls -l, in French",
        text: "total 80
lrwxrwxrwx   1 root root     7 20 mai    2025 bin -> usr/bin
drwxr-xr-x   2 root root  4096  9 mai    2025 boot
",
        fields: "name",
        rows: &["bin", "boot"],
    },
];

/// A cell's text; numbers that print otherwise count by their value.
fn is_same(found: Option<&serde_json::Value>, wanted: &str) -> bool {
    match found {
        None | Some(serde_json::Value::Null) => wanted.is_empty(),
        Some(serde_json::Value::String(text)) => text == wanted,
        Some(number) => number.as_f64().is_some_and(|number| wanted.parse() == Ok(number)),
    }
}

/// Mistakes of which nothing warns.
fn silent_mistakes(other: &Other, reading: &Reading) -> Vec<String> {
    if matches!(reading.format, Format::Raw | Format::Lines) || !reading.warnings.is_empty() {
        return Vec::new();
    }
    mistakes(other, reading)
}

fn mistakes(other: &Other, reading: &Reading) -> Vec<String> {
    let fields: Vec<&str> = other.fields.split('|').collect();
    let mut mistakes = Vec::new();
    if reading.rows.len() != other.rows.len() {
        mistakes.push(format!("{} rows instead of {}", reading.rows.len(), other.rows.len()));
    }
    for (row, wanted) in reading.rows.iter().zip(other.rows) {
        for (field, cell) in fields.iter().zip(wanted.split('|')) {
            let found = row.get(field);
            if cell != "_" && !is_same(found, cell) {
                mistakes.push(format!("{field} is {cell:?}, not {found:?} of {:?}", reading.fields));
            }
        }
    }
    mistakes
}

#[test]
fn nothing_is_wrong_without_a_warning_in_other_outputs() {
    let mut wrong = Vec::new();
    for other in OTHERS {
        let reading = read(other.text.trim_start_matches('\n'), Ask::Auto);
        let told = match (reading.format, mistakes(other, &reading)) {
            (Format::Raw | Format::Lines, _) => "withheld".to_owned(),
            (_, mistakes) if mistakes.is_empty() => "right".to_owned(),
            (_, mistakes) => format!("{mistakes:?}"),
        };
        println!(
            "{:<26} {:<6} {:.2} {told} {:?}",
            other.name,
            reading.format.as_str(),
            reading.confidence,
            reading.warnings
        );
        wrong.extend(
            silent_mistakes(other, &reading).into_iter().map(|text| format!("{}: {text}", other.name)),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
