//! Who runs a command on many machines: Vigie and its peers, as their manuals say.

use super::bed::Bed;
use crate::shell;
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What every machine prints, so that it can be counted.
const WORD: &str = "fleet-ok";

/// A contender.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool<'a> {
    Vigie(&'a Path),
    Clush,
    Pssh,
    /// With its directory of programs.
    Ansible(&'a Path),
}

/// How it went.
pub(super) struct Ran {
    pub(super) wall: Duration,
    /// Of the program and of all that it waited for; sshd's is not among it.
    pub(super) cpu: Duration,
    /// The most that the program itself had resident at once.
    pub(super) peak_bytes: u64,
    /// Machines of which the output came.
    pub(super) reached: usize,
}

impl Tool<'_> {
    pub(super) fn name(self) -> &'static str {
        match self {
            Tool::Vigie(_) => "vigie",
            Tool::Clush => "clush -f 64",
            Tool::Pssh => "parallel-ssh -p 64 -t 30",
            Tool::Ansible(_) => "ansible -f 50",
        }
    }

    /// Runs `echo` on these addresses, a node set and one by one.
    pub(super) fn run(self, bed: &Bed, set: &str, hosts: &[String], dir: &Path) -> Result<Ran> {
        let config = bed.config.to_string_lossy();
        let list = dir.join("hosts");
        std::fs::write(&list, hosts.join("\n") + "\n").context("cannot write the list of hosts")?;
        let list = list.to_string_lossy();
        let mut command = match self {
            Tool::Vigie(vigie) => {
                let mut command = bed.command(vigie);
                command.args(["run", "--on", set, "--ssh-config", &config, "--", "echo", WORD]);
                command
            }
            Tool::Clush => {
                let mut command = bed.command("clush");
                command.args(["-f", "64", "-w", set, "-o", &format!("-F {config}"), &format!("echo {WORD}")]);
                command
            }
            Tool::Pssh => {
                let mut command = bed.command("parallel-ssh");
                command.args(["-p", "64", "-t", "30", "-i", "-h", &list, "-x", &format!("-F {config}")]);
                command.arg(format!("echo {WORD}"));
                command
            }
            Tool::Ansible(bin) => {
                let mut command = bed.command(bin.join("ansible"));
                // `raw` asks for no Python over there, which is what the others do.
                command.args([
                    "all",
                    "-f",
                    "50",
                    "-i",
                    &list,
                    "-m",
                    "raw",
                    "-a",
                    &format!("echo {WORD}"),
                    "-o",
                ]);
                command.arg(format!("--ssh-common-args=-F {config} -o ControlMaster=no"));
                command.env("ANSIBLE_LOCALHOST_WARNING", "False").env("ANSIBLE_HOME", dir.join("ansible"));
                command
            }
        };
        run(&mut command, &dir.join("out"))
    }
}

/// Runs it to its end, whatever that says of it: who was not reached shows in what it printed.
fn run(command: &mut Command, out: &Path) -> Result<Ran> {
    let file = std::fs::File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    // What a tool leaves behind must not see signals for the bench.
    command.process_group(0);
    let start = Instant::now();
    let child = command.spawn().with_context(|| shell::cannot_start(command))?;
    let usage = wait(child.id()).with_context(|| format!("cannot wait for `{}`", shell::line(command)))?;
    let wall = start.elapsed();
    let printed = std::fs::read(out).with_context(|| format!("cannot read {}", out.display()))?;
    let printed = String::from_utf8_lossy(&printed);
    // What was to be run is in no tool's own words.
    let reached = printed.lines().filter(|line| line.contains(WORD) && !line.contains("echo")).count();
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    let cpu = time(usage.ru_utime) + time(usage.ru_stime);
    Ok(Ran { wall, cpu, peak_bytes: usage.ru_maxrss as u64 * 1024, reached })
}

/// Waits for a child, and gives what it used, with what it had waited for itself.
#[allow(unsafe_code)]
fn wait(pid: u32) -> std::io::Result<libc::rusage> {
    let pid = libc::pid_t::try_from(pid).map_err(std::io::Error::other)?;
    let mut status = 0;
    // SAFETY: an rusage is plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live values of the types that wait4(2) writes.
        match unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } {
            -1 => {
                let error = std::io::Error::last_os_error();
                if error.kind() != std::io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            _ => return Ok(usage),
        }
    }
}

/// Ansible from PyPI, in an environment of its own below the target directory. Gives where its programs are.
pub(super) fn ansible(target: &Path) -> Result<PathBuf> {
    let home = target.join("bench-ansible");
    let bin = home.join("bin");
    if !bin.join("ansible").exists() {
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        shell::run(Command::new(bin.join("pip")).args(["install", "--quiet", "ansible-core"]))?;
    }
    Ok(bin)
}
