//! Where the bench happens: its directory, its settings, and what is remarked on the way.

use crate::bench::built;
use crate::bench::noise::{self, Noise};
use crate::bench::trees;
use crate::shell;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long something may take that must happen before the bench gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// What was asked for.
pub(super) struct Settings {
    pub(super) vigie: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) kills: u32,
    pub(super) faults: u32,
    pub(super) rounds: u32,
    pub(super) groups: u32,
    pub(super) seed: u64,
    pub(super) slow_seconds: u64,
    pub(super) clients: u32,
    pub(super) leaves: u32,
    pub(super) failovers: u32,
    pub(super) requests: u32,
}

/// Directory and records of one bench.
pub(super) struct Bed {
    pub(super) settings: Settings,
    noise: Noise,
    remarks: Vec<String>,
}

impl Bed {
    /// An empty bed; what an earlier run left is removed.
    pub(super) fn open(mut settings: Settings) -> Result<Bed> {
        trees::remove(&settings.dir)?;
        let creating = || format!("cannot create {}", settings.dir.display());
        fs::create_dir_all(&settings.dir).with_context(creating)?;
        settings.dir = settings.dir.canonicalize().with_context(creating)?;
        Ok(Bed { settings, noise: Noise::new(), remarks: Vec::new() })
    }

    /// Removes everything.
    pub(super) fn clear(&self) -> Result<()> {
        trees::remove(&self.settings.dir)
    }

    /// Before every step: the machine's own speed is noted.
    pub(super) fn begin_step(&mut self) -> Result<()> {
        self.noise.sample(&self.settings.dir)
    }

    /// An empty directory.
    pub(super) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let dir = self.settings.dir.join(name);
        trees::remove(&dir)?;
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// Something to be said below the table.
    pub(super) fn remark(&mut self, remark: String) {
        eprintln!("bench: {remark}");
        self.remarks.push(remark);
    }

    /// Under which circumstances the figures were taken.
    pub(super) fn notes(&self) -> Result<Vec<String>> {
        let mut notes = vec![noise::machine()?];
        notes.extend(self.remarks.iter().cloned());
        notes.extend(self.noise.notes());
        notes.push([version("keepalived", "--version"), version("haproxy", "-v")].join(" · "));
        notes.push(built::commit());
        Ok(notes)
    }
}

/// The first line of what a program says of its version, on whichever stream.
fn version(program: &str, option: &str) -> String {
    let Ok(out) = Command::new(program).arg(option).output() else { return format!("{program}: none") };
    let text = [out.stdout, out.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

/// Looks again and again until there is something.
pub(super) fn until<T>(what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_every(LOOK, what, look)
}

/// The same, where a look costs much.
pub(super) fn until_every<T>(
    pause: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            bail!("within {PATIENCE:?} it did not happen that {what}");
        }
        std::thread::sleep(pause);
    }
}

/// What a hook runs: this program itself, as the probe.
pub(super) fn probe_command(log: &Path) -> Result<String> {
    let me = std::env::current_exe().context("cannot find this program")?;
    Ok(format!("{} role-probe --log {}", me.display(), log.display()))
}

/// A command that must succeed; its output is nobody's.
pub(crate) fn quietly<I: IntoIterator<Item = S>, S: Into<OsString>>(program: &str, args: I) -> Result<()> {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    shell::output(Command::new(program).args(args)).map(drop)
}
