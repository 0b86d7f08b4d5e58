//! Where the bench happens: its directories, its settings, and what makes rounds comparable.

use super::built;
use super::noise::{self, Noise};
use super::pair::Pair;
use super::peers;
use super::trees::{self, Size};
use crate::shell;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was asked for.
pub(crate) struct Settings {
    /// The release binary.
    pub(crate) vigie: PathBuf,
    /// Where to work.
    pub(crate) dir: PathBuf,
    /// The tree to transfer, if not the default.
    pub(crate) tree: Option<PathBuf>,
    pub(crate) rounds: u32,
    pub(crate) changes: u32,
    pub(crate) files: u32,
    pub(crate) upload_bytes: u64,
    pub(crate) delta_bytes: u64,
}

/// Directories and records of one bench.
pub(crate) struct Bed {
    pub(crate) settings: Settings,
    noise: Noise,
    /// Trees that were used, with their sizes.
    used: Vec<(PathBuf, Size)>,
}

impl Bed {
    /// An empty bed; trees of earlier runs are kept, everything else of them is removed.
    pub(crate) fn open(mut settings: Settings) -> Result<Bed> {
        let creating = || format!("cannot create {}", settings.dir.display());
        fs::create_dir_all(&settings.dir).with_context(creating)?;
        let absolute =
            |dir: &Path| dir.canonicalize().with_context(|| format!("cannot find {}", dir.display()));
        settings.dir = absolute(&settings.dir)?;
        settings.tree = settings.tree.as_deref().map(absolute).transpose()?;
        let bed = Bed { settings, noise: Noise::new(), used: Vec::new() };
        bed.clear()?;
        fs::create_dir_all(bed.run_dir()).context("cannot create the directory of this run")?;
        Ok(bed)
    }

    /// Removes everything but the trees.
    pub(crate) fn clear(&self) -> Result<()> {
        trees::remove(&self.run_dir())
    }

    fn run_dir(&self) -> PathBuf {
        self.settings.dir.join("run")
    }

    /// The tree to transfer; made if it is the default and not there.
    pub(crate) fn tree(&self) -> Result<PathBuf> {
        self.settings.tree.clone().map_or_else(|| trees::linux(&self.settings.dir), Ok)
    }

    /// Many small files.
    pub(crate) fn generated_tree(&self) -> Result<PathBuf> {
        trees::generated(&self.settings.dir, self.settings.files)
    }

    /// A directory of this run, kept if it exists.
    pub(crate) fn place(&self, name: &str) -> Result<PathBuf> {
        let dir = self.run_dir().join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// An empty directory of this run.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        self.remove(name)?;
        self.place(name)
    }

    /// Removes a directory of this run.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        trees::remove(&self.run_dir().join(name))
    }

    /// A hub and an agent that know nothing, and do not run.
    pub(crate) fn new_pair(&self, name: &str, root: &Path) -> Result<Pair> {
        Pair::new(&self.settings.vigie, &self.fresh(name)?, root)
    }

    /// A hub that runs, and an agent that is not enrolled yet.
    pub(crate) fn fresh_pair(&self, name: &str, root: &Path) -> Result<Pair> {
        let mut pair = self.new_pair(name, root)?;
        pair.start_hub()?;
        Ok(pair)
    }

    /// A hub that has the whole tree, and its agent; neither runs. What an earlier step left is used.
    pub(crate) fn filled_pair(&self, name: &str, tree: &Path) -> Result<Pair> {
        if self.run_dir().join(name).exists() {
            return Pair::new(&self.settings.vigie, &self.place(name)?, tree);
        }
        let mut pair = self.fresh_pair(name, tree)?;
        pair.first_transfer()?;
        pair.stop()?;
        Ok(pair)
    }

    /// Before every round: the tree is in the page cache, and the machine's own speed is noted.
    pub(crate) fn begin_round(&mut self, tree: &Path) -> Result<()> {
        let size = trees::warm(tree)?;
        if !self.used.iter().any(|(used, _)| used == tree) {
            self.used.push((tree.to_path_buf(), size));
        }
        self.noise.sample(&self.run_dir())
    }

    /// Before every contender: nothing of the one before is still on its way to the disk.
    pub(crate) fn settle(&self) -> Result<()> {
        shell::output(&mut Command::new("sync")).map(drop)
    }

    /// Under which circumstances the figures were taken.
    pub(crate) fn notes(&self) -> Result<Vec<String>> {
        let mut notes = vec![noise::machine()?, format!("medians of {} rounds", self.settings.rounds)];
        for (tree, Size { objects, bytes }) in &self.used {
            notes.push(format!("{}: {objects} objects, {:.2} GB", tree.display(), *bytes as f64 / 1e9));
        }
        notes.extend(self.noise.notes());
        notes.push(peers::versions().join(" · "));
        notes.push(built::commit());
        Ok(notes)
    }
}
