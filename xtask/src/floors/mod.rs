//! `cargo xtask floors`: keeps the house as it is drawn.
//!
//! `table` the floors as data · `arrows` rules on dependencies · `sources` rules on files · `picture` the table
//! in `ARCHITECTURE.md`.

mod arrows;
mod picture;
mod sources;
mod table;

use crate::shell;
use anyhow::{Context, Result, bail};

/// Checks crates and their dependencies against the floors, and ARCHITECTURE.md's table with them.
#[derive(clap::Args, Default)]
pub(crate) struct FloorsArgs {
    /// Writes the table into ARCHITECTURE.md instead of comparing it.
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(args: &FloorsArgs) -> Result<()> {
    let root = shell::workspace();
    let metadata = shell::output(shell::cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata = serde_json::from_slice(&metadata).context("cannot read the answer of cargo metadata")?;
    let members = arrows::members(&metadata)?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;

    let mut found = arrows::findings(&members);
    found.extend(arrows::banned(&lock));
    found.extend(sources::findings(&root)?);
    found.extend(picture::compare(&root.join("ARCHITECTURE.md"), args.write)?);
    if !found.is_empty() {
        found.iter().for_each(|finding| eprintln!("floors: {finding}"));
        bail!("the house is not as it is drawn: {} findings", found.len());
    }
    println!("floors: {} crates stand where they should", members.len());
    Ok(())
}
