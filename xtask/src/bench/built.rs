//! What is measured: the release binary, and of which commit it is.

use crate::shell;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where cargo builds.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let metadata = shell::output(shell::cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata).context("cannot read the answer of cargo metadata")?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(dir.into())
}

/// Builds the release binary.
pub(crate) fn release_binary(target: &Path) -> Result<PathBuf> {
    shell::run(shell::cargo().args(["build", "--release", "--package", "vigie"]))?;
    Ok(target.join("release/vigie"))
}

/// The commit that is measured, for the notes.
pub(crate) fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]).current_dir(shell::workspace());
    let name = shell::output(&mut git).map_or_else(
        |_| "an unknown commit".to_owned(),
        |name| String::from_utf8_lossy(name.trim_ascii()).into_owned(),
    );
    format!("vigie at {name}")
}
