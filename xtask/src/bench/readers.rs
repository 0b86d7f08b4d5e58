//! `cargo xtask bench readers`: what is made of the output of 25 commands, beside jc. Nothing is timed here: the test that
//! compares cell by cell is run, and its table shown.

use super::built;
use crate::{setup, shell};
use anyhow::Result;

/// Reads the output of 25 common commands in a French locale, beside jc, against the truth.
///
/// Prints a table of cells: right, wrong, withheld. Ends with 1 when a cell is wrong and nothing says so, or when jc has more
/// right cells of a command.
#[derive(clap::Args)]
pub(crate) struct ReadersArgs {}

pub(crate) fn run(_: &ReadersArgs) -> Result<()> {
    setup::run(&setup::SetupArgs::default())?;
    let mut test = shell::cargo();
    test.args([
        "test",
        "--package",
        "vigie",
        "--test",
        "readers",
        "--",
        "--nocapture",
        "twenty_five_commands",
    ]);
    shell::run(&mut test)?;
    println!("\n{}", built::commit());
    Ok(())
}
