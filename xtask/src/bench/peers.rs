//! The tools that people would use instead, as their own documentation tells to use them.

use super::follow::PATIENCE;
use super::running::{Running, free_port};
use crate::shell;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// An rsync daemon with one module; it ends when this is dropped.
pub(crate) struct RsyncDaemon {
    port: u16,
    /// Where `send` connects to: the daemon, or a proxy before it.
    send_port: u16,
    _daemon: Running,
}

impl RsyncDaemon {
    /// Serves `dir/target`, which is kept if it exists.
    pub(crate) fn start(dir: &Path) -> Result<RsyncDaemon> {
        let target = dir.join("target");
        create(&target)?;
        let port = free_port()?;
        let config = dir.join("rsyncd.conf");
        let mut text = format!("port = {port}\naddress = 127.0.0.1\nuse chroot = no\nmunge symlinks = no\n");
        // As root the daemon would give up its rights, and then could not keep owners as an agent does.
        if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
            text.push_str("uid = root\ngid = root\n");
        }
        text.push_str(&format!("[bench]\npath = {}\nread only = no\n", target.display()));
        write(&config, &text)?;
        let mut command = Command::new("rsync");
        command.args(["--daemon", "--no-detach", "--config"]).arg(&config);
        let mut daemon = Running::start(&mut command, &dir.join("rsyncd.log"))?;
        daemon.wait_for_port(port)?;
        Ok(RsyncDaemon { port, send_port: port, _daemon: daemon })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on sends through this port.
    pub(crate) fn connect_through(&mut self, port: u16) {
        self.send_port = port;
    }

    /// `rsync -a` of a tree to the daemon.
    pub(crate) fn send(&self, tree: &Path) -> Result<()> {
        let to = format!("rsync://127.0.0.1:{}/bench/", self.send_port);
        shell::output(Command::new("rsync").arg("-a").arg(inside(tree)).arg(to)).map(drop)
    }
}

/// A local restic repository.
pub(crate) struct Restic {
    repository: PathBuf,
    cache: PathBuf,
}

impl Restic {
    /// Makes a new one in an empty directory.
    pub(crate) fn create(dir: &Path) -> Result<Restic> {
        let restic = Restic { repository: dir.join("repository"), cache: dir.join("cache") };
        shell::output(restic.command().arg("init"))?;
        Ok(restic)
    }

    /// The one in the directory, or a new one with a backup of the tree.
    pub(crate) fn filled(dir: &Path, tree: &Path) -> Result<Restic> {
        let restic = Restic { repository: dir.join("repository"), cache: dir.join("cache") };
        if restic.repository.exists() {
            return Ok(restic);
        }
        let restic = Restic::create(dir)?;
        restic.backup(tree)?;
        Ok(restic)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.repository
    }

    /// One snapshot of a tree.
    pub(crate) fn backup(&self, tree: &Path) -> Result<()> {
        // From inside, so that the snapshot holds the tree and not the path to it.
        shell::output(self.command().current_dir(tree).args(["backup", "."])).map(drop)
    }

    /// The newest snapshot into a new directory.
    pub(crate) fn restore(&self, target: &Path) -> Result<()> {
        shell::output(self.command().args(["restore", "latest", "--target"]).arg(target)).map(drop)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("restic");
        command.args(["--quiet", "--repo"]).arg(&self.repository).arg("--cache-dir").arg(&self.cache);
        command.env("RESTIC_PASSWORD", "bench");
        command
    }
}

/// lsyncd with its shortest delay, to a local directory; it ends when this is dropped.
pub(crate) struct Lsyncd {
    target: PathBuf,
    _daemon: Running,
}

impl Lsyncd {
    /// Starts it and waits until it has caught up.
    pub(crate) fn start(dir: &Path, tree: &Path) -> Result<Lsyncd> {
        let target = dir.join("target");
        create(&target)?;
        let config = dir.join("lsyncd.lua");
        let log = dir.join("lsyncd-own.log");
        write(
            &config,
            &format!(
                "settings {{ nodaemon = true, logfile = {log:?}, insist = true }}\n\
                 sync {{ default.rsync, source = {tree:?}, target = {target:?}, delay = 0, rsync = {{ archive = true }} }}\n"
            ),
        )?;
        // What its own first run of rsync has to do is done for it: only later changes are measured.
        shell::output(Command::new("rsync").arg("-a").arg(inside(tree)).arg(&target))?;
        let mut daemon = Running::start(Command::new("lsyncd").arg(&config), &dir.join("lsyncd.log"))?;
        wait_for_start(&mut daemon, &log)?;
        Ok(Lsyncd { target, _daemon: daemon })
    }

    /// Waits until the copy of a file has this content.
    pub(crate) fn wait_for(&self, below: &Path, content: &[u8]) -> Result<()> {
        let copy = self.target.join(below);
        let start = Instant::now();
        while fs::read(&copy).ok().as_deref() != Some(content) {
            if start.elapsed() > PATIENCE {
                bail!("lsyncd did not copy {} within {PATIENCE:?}", below.display());
            }
            // Far finer than what is measured, and it leaves the processors to lsyncd.
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}

/// lsyncd says in its log when its first run of rsync is done.
fn wait_for_start(daemon: &mut Running, log: &Path) -> Result<()> {
    let start = Instant::now();
    while !fs::read_to_string(log).is_ok_and(|text| text.contains("Startup of") && text.contains("finished"))
    {
        daemon.check()?;
        if start.elapsed() > PATIENCE {
            bail!("lsyncd did not start within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// `cp -a` of a tree to a new directory.
pub(crate) fn cp(tree: &Path, target: &Path) -> Result<()> {
    shell::output(Command::new("cp").arg("-a").arg(tree).arg(target)).map(drop)
}

/// First lines of what the peers say of their versions.
pub(crate) fn versions() -> Vec<String> {
    let peers = [("rsync", "--version"), ("restic", "version"), ("lsyncd", "--version"), ("cp", "--version")];
    let version = |(program, flag): (&str, &str)| {
        let out = shell::output(Command::new(program).arg(flag)).unwrap_or_default();
        let text = String::from_utf8_lossy(&out).into_owned();
        text.lines()
            .next()
            .map(|line| format!("{program}: {}", line.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    peers.into_iter().filter_map(version).collect()
}

/// A directory with a slash behind it: for rsync, what is in it.
fn inside(dir: &Path) -> OsString {
    let mut path = dir.as_os_str().to_owned();
    path.push("/");
    path
}

fn create(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
