//! What does a command say? Exit codes are those of Nagios' plugins.

use super::Found;
use crate::limits::OUTPUT_BYTES_MAX;
use crate::outside::{CommandEnd, CommandRun, Outside};
use crate::verdict::Verdict;
use std::time::Duration;

pub(super) async fn look(line: &str, outside: &Outside, time_limit: Duration) -> Found {
    let run = CommandRun { line: line.to_owned(), time_limit, output_bytes_max: OUTPUT_BYTES_MAX };
    let report = outside.commands.run(run).await;
    let said = said(&report.stdout, &report.stderr);
    let (verdict, how) = match report.end {
        CommandEnd::Exited(0) => (Verdict::Ok, None),
        CommandEnd::Exited(1) => (Verdict::Warning, None),
        CommandEnd::Exited(2) => (Verdict::Critical, None),
        CommandEnd::Exited(3) => (Verdict::Unknown, None),
        // The shell's own codes for what it could not run: nothing was looked at.
        CommandEnd::Exited(code @ (126 | 127)) => (Verdict::Unknown, Some(format!("exit code {code}"))),
        CommandEnd::Exited(code) => (Verdict::Critical, Some(format!("exit code {code}"))),
        CommandEnd::Signalled(signal) => (Verdict::Critical, Some(format!("ended by signal {signal}"))),
        CommandEnd::TimedOut => (Verdict::Critical, Some(format!("not done within {time_limit:?}"))),
        CommandEnd::Lost(why) => (Verdict::Unknown, Some(why)),
    };
    let detail = match how {
        Some(how) if said.is_empty() => how,
        Some(how) => format!("{how}: {said}"),
        None => said,
    };
    (verdict, detail)
}

/// What a plugin says in one line: the first one that it prints, without the numbers for machines behind `|`; else
/// the last one of its errors.
fn said(stdout: &[u8], stderr: &[u8]) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
    let first = stdout.lines().map(str::trim).find(|line| !line.is_empty());
    let line = first.map(|line| line.split('|').next().unwrap_or_default());
    let last = || stderr.lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.or_else(last).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_people_is_taken() {
        assert_eq!(said(b"\nDISK OK - 40% free |/=60%;80;90\nmore\n", b"x"), "DISK OK - 40% free");
        assert_eq!(said(b" \n", b"first\nsh: 1: nope: not found\n\n"), "sh: 1: nope: not found");
        assert_eq!(said(b"", b""), "");
        assert_eq!(said(b"caf\xe9", b""), "caf\u{fffd}");
    }
}
