//! What is transferred: real trees, generated trees, random files; and their sizes.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian puts the source of its kernel.
const LINUX_SOURCE: &str = "/usr/src/linux-source-6.1.tar.xz";

/// Files of one directory of a generated tree.
const FILES_A_DIRECTORY: u32 = 100;

/// Unpacks the kernel's source, unless an earlier run did.
pub(crate) fn linux(dir: &Path) -> Result<PathBuf> {
    make_once(&dir.join("linux-source-6.1"), |tree| {
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--strip-components=1", "--file", LINUX_SOURCE, "--directory"]).arg(tree);
        crate::shell::run(&mut tar)
    })
}

/// Writes a tree of small files with different contents, unless an earlier run did.
pub(crate) fn generated(dir: &Path, files: u32) -> Result<PathBuf> {
    make_once(&dir.join(format!("generated-{files}")), |tree| {
        let mut random = Random::new(u64::from(files));
        for number in 0..files {
            let path = generated_file(tree, number);
            if number % FILES_A_DIRECTORY == 0 {
                let parent = path.parent().unwrap_or(tree);
                fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
            }
            let mut bytes = vec![0; 200 + (random.next() % 4000) as usize];
            random.fill(&mut bytes);
            fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    })
}

/// Makes a tree under another name first, so that a tree with its name is whole.
fn make_once(tree: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    if !tree.exists() {
        let partial = tree.with_extension("partial");
        remove(&partial)?;
        fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
        make(&partial)?;
        fs::rename(&partial, tree).with_context(|| format!("cannot name {}", tree.display()))?;
    }
    Ok(tree.to_path_buf())
}

fn generated_file(tree: &Path, number: u32) -> PathBuf {
    tree.join(format!("d{}/f{number}", number / FILES_A_DIRECTORY))
}

/// `count` different files of a generated tree, spread over all its directories.
pub(crate) fn some_generated_files(tree: &Path, files: u32, count: u32) -> Vec<PathBuf> {
    let step = (files / count).max(1);
    (0..count.min(files)).map(|i| generated_file(tree, i * step)).collect()
}

/// Writes a file that neither compresses nor repeats.
pub(crate) fn random_file(path: &Path, bytes: u64, seed: u64) -> Result<()> {
    let writing = || format!("cannot write {}", path.display());
    let mut out = BufWriter::new(File::create(path).with_context(writing)?);
    random_bytes(&mut out, bytes, seed).with_context(writing)?;
    out.flush().with_context(writing)
}

/// Writes random bytes, the same for the same seed.
pub(crate) fn random_bytes(out: &mut impl Write, bytes: u64, seed: u64) -> std::io::Result<()> {
    let mut random = Random::new(seed);
    let mut buffer = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(buffer.len() as u64) as usize;
        random.fill(&mut buffer[..part]);
        out.write_all(&buffer[..part])?;
        left -= part as u64;
    }
    Ok(())
}

/// Reads every file once, so that all contenders of a round find the same page cache.
pub(crate) fn warm(tree: &Path) -> Result<Size> {
    let mut size = Size::default();
    let mut buffer = vec![0; 1 << 20];
    walk(tree, &mut |path, meta| {
        size.objects += 1;
        if meta.is_file() {
            let mut file = File::open(path)?;
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    read => size.bytes += read as u64,
                }
            }
        }
        Ok(())
    })?;
    Ok(size)
}

/// What a tree holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// Bytes that a directory with all below takes on its disk.
pub(crate) fn allocated(dir: &Path) -> Result<u64> {
    // stat(2) counts blocks of 512 bytes, whatever the file system's own are.
    let mut bytes =
        fs::symlink_metadata(dir).with_context(|| format!("cannot stat {}", dir.display()))?.blocks() * 512;
    walk(dir, &mut |_, meta| {
        bytes += meta.blocks() * 512;
        Ok(())
    })?;
    Ok(bytes)
}

fn walk(dir: &Path, see: &mut dyn FnMut(&Path, &fs::Metadata) -> std::io::Result<()>) -> Result<()> {
    let reading = |path: &Path| format!("cannot read {}", path.display());
    for entry in fs::read_dir(dir).with_context(|| reading(dir))? {
        let path = entry.with_context(|| reading(dir))?.path();
        let meta = fs::symlink_metadata(&path).with_context(|| reading(&path))?;
        see(&path, &meta).with_context(|| reading(&path))?;
        if meta.is_dir() {
            walk(&path, see)?;
        }
    }
    Ok(())
}

/// Removes a directory with all below, if it is there.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => bail!("cannot remove {}: {e}", dir.display()),
        _ => Ok(()),
    }
}

/// SplitMix64: quick, and the same on every machine.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_have_the_length_asked_for_and_repeat_by_seed() {
        let bytes = |count, seed| {
            let mut out = Vec::new();
            random_bytes(&mut out, count, seed).unwrap();
            out
        };
        assert_eq!(bytes(1_500_001, 1).len(), 1_500_001);
        assert_eq!(bytes(1000, 1), bytes(1000, 1));
        assert_ne!(bytes(1000, 1), bytes(1000, 2));
    }

    #[test]
    fn probes_are_different_files() {
        let files = some_generated_files(Path::new("/t"), 1000, 10);
        let distinct: std::collections::BTreeSet<_> = files.iter().collect();
        assert_eq!((files.len(), distinct.len()), (10, 10));
        assert_eq!(files[9], Path::new("/t/d9/f900"));
    }
}
