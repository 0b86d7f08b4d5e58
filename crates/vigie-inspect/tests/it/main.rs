//! Scripts with the traits of those that people find on the net.

// A helper that cannot go on fails its test, which is what `unwrap` does.
#![allow(clippy::unwrap_used, reason = "helpers of tests live outside of `#[test]` functions")]

mod corpus;
mod meter_script;
mod odd;
mod threats;

use vigie_inspect::{Report, inspect};

pub(crate) fn report(text: &str) -> Report {
    inspect(text.as_bytes()).unwrap()
}

/// Names of the rules that found something, with their lines.
pub(crate) fn rules(report: &Report) -> Vec<(usize, &'static str)> {
    report.findings.iter().map(|finding| (finding.line, finding.rule)).collect()
}
