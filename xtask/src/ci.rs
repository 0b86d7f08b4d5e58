//! `cargo xtask ci`: everything a change must pass.

use crate::{floors, shell, test};
use anyhow::Result;

/// Checks form, lints, documentation and floors, then runs all tests.
#[derive(clap::Args)]
pub(crate) struct CiArgs {
    /// Leaves the tests to a `cargo xtask test` of its own.
    #[arg(long)]
    checks_only: bool,
}

pub(crate) fn run(args: &CiArgs) -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    floors::run(&floors::FloorsArgs::default())?;
    let warnings_fail = ["--", "-D", "warnings"];
    shell::run(shell::cargo().args(["clippy", "--workspace", "--all-targets"]).args(warnings_fail))?;
    let mut doc = shell::cargo();
    doc.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    shell::run(&mut doc)?;
    if args.checks_only {
        return Ok(());
    }
    test::run(&test::TestArgs::default())
}
