//! Every script that Debian's Python has.

use super::Bench;
use crate::bench::report::{Row, Target};
use crate::bench::series::{Series, Unit};
use crate::shell;
use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Where they are.
const SCRIPTS: &str = "/usr/lib/python3";

/// Whatever it finds, `vigie inspect` ends by itself, with a code that it documents.
pub(super) fn all(bench: &mut Bench) -> Result<Vec<Row>> {
    let list = shell::output(Command::new("find").args([SCRIPTS, "-name", "*.py", "-type", "f", "-print0"]))?;
    let list = String::from_utf8(list).context("a name that is not UTF-8")?;
    let scripts: Vec<&str> = list.split_terminator('\0').collect();
    if scripts.is_empty() {
        bail!("no scripts below {SCRIPTS}");
    }
    let (mut crashed, mut unread) = (0, 0);
    for script in &scripts {
        let mut inspect = Command::new(&bench.vigie);
        inspect.args(["inspect", "--json", script]).stdin(Stdio::null()).stdout(Stdio::null());
        let status = inspect.stderr(Stdio::null()).status().with_context(|| shell::cannot_start(&inspect))?;
        match status.code() {
            Some(0 | 1) => {}
            Some(3) => unread += 1,
            _ => crashed += 1,
        }
    }
    bench.remark(format!(
        "inspect: {} scripts below {SCRIPTS}, {unread} of them read in part only",
        scripts.len()
    ));
    let what = format!("inspect, crashes on the {} scripts below {SCRIPTS}", scripts.len());
    Ok(vec![Row::alone(what, Series::of(Unit::Count, crashed), Target::AtMost(0.0))])
}
