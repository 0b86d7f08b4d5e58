//! keepalived, as its manual says: two of them on one cable, adverts every second, the one with the higher
//! priority is master. It has no lease: who is cut off stays master, beside the other.

use super::bed::{probe_command, until};
use super::boot;
use super::namespace::Namespace;
use super::probe::{self, Noted};
use super::safe::Fault;
use crate::bench::running::Running;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Both, with the first as master. They end when this is dropped.
pub(super) struct Keepalived {
    // Before their namespaces.
    master: Running,
    _backup: Running,
    backup_log: PathBuf,
    cable: Namespace,
    _other: Namespace,
}

impl Keepalived {
    pub(super) fn start(dir: &Path) -> Result<Keepalived> {
        let (cable, other) = (Namespace::new("ka")?, Namespace::new("kb")?);
        cable.cable(("vbench-ka", "10.213.8.1"), Some(&other), ("vbench-kb", "10.213.8.2"))?;
        let master = start_one(dir, &cable, "vbench-ka", 150)?;
        let backup = start_one(dir, &other, "vbench-kb", 100)?;
        let log = |device: &str| dir.join(device).join("hooks.log");
        until("the first keepalived is master", || {
            Ok(last(&log("vbench-ka"))?.filter(|noted| noted.principal))
        })?;
        until("the second is backup", || Ok(last(&log("vbench-kb"))?.filter(|noted| !noted.principal)))?;
        Ok(Keepalived { master, _backup: backup, backup_log: log("vbench-kb"), cable, _other: other })
    }

    /// From the fault of the master until the other's notify script runs; afterwards all is as before.
    pub(super) fn fail_over(&self, fault: Fault) -> Result<Duration> {
        let begun = boot::now();
        match fault {
            Fault::Frozen => self.signal(Signal::STOP)?,
            Fault::Cut => self.cable.cut()?,
        }
        let taken = until("the backup takes over", || {
            Ok(last(&self.backup_log)?.filter(|noted| noted.principal && noted.at > begun))
        })?;
        match fault {
            Fault::Frozen => self.signal(Signal::CONT)?,
            Fault::Cut => self.cable.mend()?,
        }
        until("the backup gives it back", || {
            Ok(last(&self.backup_log)?.filter(|noted| !noted.principal && noted.at > taken.at))
        })?;
        Ok(taken.at - begun)
    }

    /// To keepalived and to its child, which does the work.
    fn signal(&self, signal: Signal) -> Result<()> {
        let parent = self.master.pid();
        let id = parent.as_raw_nonzero();
        let path = format!("/proc/{id}/task/{id}/children");
        let children = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        self.master.signal(signal)?;
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()).filter_map(Pid::from_raw)
        {
            kill_process(child, signal).context("cannot signal the child of keepalived")?;
        }
        Ok(())
    }
}

fn last(log: &Path) -> Result<Option<Noted>> {
    Ok(probe::read(log)?.0.pop())
}

fn start_one(dir: &Path, inside: &Namespace, device: &str, priority: u32) -> Result<Running> {
    let dir = dir.join(device);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let probe = probe_command(&dir.join("hooks.log"))?;
    let config = dir.join("keepalived.conf");
    let text = format!(
        "global_defs {{\n  router_id {device}\n  script_user root\n}}\n\
         vrrp_instance bench {{\n  state BACKUP\n  interface {device}\n  virtual_router_id 51\n  \
         priority {priority}\n  advert_int 1\n  virtual_ipaddress {{\n    10.213.9.1/32 dev {device}\n  }}\n  \
         notify_master \"{probe} --role principal\"\n  notify_backup \"{probe} --role secondaire\"\n}}\n"
    );
    std::fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &inside.name, "keepalived", "--dont-fork", "--log-console", "--vrrp"]);
    command.arg("--use-file").arg(&config);
    command.arg("--pid").arg(dir.join("pid")).arg("--vrrp_pid").arg(dir.join("vrrp.pid"));
    Running::start(&mut command, &dir.join("keepalived.log"))
}
