//! `vigie inspect`

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, Table, count, escaped};
use clap::Args;
use serde::Serialize;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vigie_inspect::{
    Finding, Import, InspectError, Origin, Report, Topic, Verdict, Weight, When, inspect, limits,
};

/// Say what a Python script would do, without running it
///
/// Looks at its text alone: what it imports and by which name that is installed, whom it talks to, which programs, files and
/// devices it uses, what happens as soon as it is imported, code that is not in its text, and what will fail some day.
/// Nothing is run, imported or asked of another machine.
#[derive(Args, Debug)]
#[command(after_help = "\
EXAMPLES:
  vigie inspect teleinfo.py
  curl -s https://example.org/install.py | vigie inspect -
  vigie inspect teleinfo.py --json | jq .needs

Exit codes: 0 nothing of note, 1 worth a look or worse, 3 not all of it could be understood. A verdict of `low` is no
proof: a script can put together at run time what is not in its text.")]
pub(crate) struct InspectArgs {
    /// The script; - for standard input
    #[arg(value_name = "SCRIPT.py")]
    script: PathBuf,
}

/// The report, for scripts.
#[derive(Serialize)]
struct Line<'a> {
    script: String,
    #[serde(flatten)]
    report: &'a Report,
}

impl InspectArgs {
    pub(crate) async fn run(self, mut context: Context) -> Result<Outcome, Failure> {
        let name = escaped(self.script.as_os_str().as_bytes());
        let bytes =
            read(&self.script).map_err(|e| Failure::failed(format!("cannot read {name}")).because(&e))?;
        let report = match inspect(&bytes) {
            Ok(report) => report,
            Err(error) => return Err(refused(&name, &error)),
        };
        let out = &mut context.out;
        if out.is_json() {
            out.json(&Line { script: name, report: &report })?;
        } else {
            print(out, &name, &report)?;
        }
        out.flush()?;
        Ok(match report.verdict {
            Verdict::Low => Outcome::partial_if(!report.is_whole()),
            Verdict::Look | Verdict::Alarm => Outcome::Negative,
        })
    }
}

fn refused(name: &str, error: &InspectError) -> Failure {
    Failure::inconclusive(format!("nothing can be said of {name}")).because(error)
}

/// The script's bytes; one more than the limit is enough to know that it is too large.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = limits::SCRIPT_BYTES + 1;
    if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn print(out: &mut Output, name: &str, report: &Report) -> std::io::Result<()> {
    let language = if report.is_python2 { "Python 2" } else { "Python 3" };
    out.line(&format!("{name}: {language}, {} lines", count(report.lines as u64)))?;
    imports(out, &report.imports)?;
    let does = |finding: &&Finding| finding.topic != Topic::Reliability;
    findings(out, "DOES", report.findings.iter().filter(does))?;
    findings(out, "WILL FAIL SOME DAY", report.findings.iter().filter(|f| !does(f)))?;
    if !report.needs.is_empty() {
        out.line("\nNEEDS")?;
        for need in &report.needs {
            out.line(&format!("  {need}"))?;
        }
    }
    verdict(out, report)
}

fn imports(out: &mut Output, imports: &[Import]) -> std::io::Result<()> {
    if imports.iter().any(|import| import.origin == Origin::ThirdParty) {
        out.line("\nTO INSTALL")?;
        let mut table = Table::new(&[], &[]);
        for import in imports.iter().filter(|import| import.origin == Origin::ThirdParty) {
            let pip = import.distribution.map_or_else(|| "?".to_owned(), |name| format!("pip: {name}"));
            let debian = import.debian.map_or_else(String::new, |name| format!("Debian: {name}"));
            let note = import.note.clone().unwrap_or_default();
            table.row([format!("  import {}", import.module), pip, debian, note]);
        }
        table.lines().iter().try_for_each(|line| out.line(line))?;
    }
    let own: Vec<&str> =
        imports.iter().filter(|i| i.origin != Origin::ThirdParty).map(|i| i.module.as_str()).collect();
    if !own.is_empty() {
        out.line(&format!("\nFROM PYTHON OR BESIDE IT\n  {}", own.join(", ")))?;
    }
    Ok(())
}

fn findings<'a>(
    out: &mut Output,
    title: &str,
    findings: impl Iterator<Item = &'a Finding>,
) -> std::io::Result<()> {
    let mut table = Table::new(&[], &[0]);
    let mut paints = Vec::new();
    for finding in findings {
        let moment = match finding.when {
            When::Import => "at import",
            When::Main => "when run",
            When::Call => "",
        };
        table.row([format!("  {}", finding.line), moment.to_owned(), finding.text.clone()]);
        paints.push(match finding.weight {
            Weight::Note => None,
            Weight::Look => Some(Paint::Attention),
            Weight::Alarm => Some(Paint::Bad),
        });
    }
    if paints.is_empty() {
        return Ok(());
    }
    out.line(&format!("\n{title}"))?;
    for (line, paint) in table.lines().iter().zip(paints) {
        let line = paint.map_or_else(|| line.clone(), |paint| out.paint(paint, line));
        out.line(&line)?;
    }
    Ok(())
}

fn verdict(out: &mut Output, report: &Report) -> std::io::Result<()> {
    let (paint, text) = match report.verdict {
        Verdict::Low if !report.is_whole() => (Paint::Attention, "low, as far as it was understood"),
        Verdict::Low => (Paint::Good, "low: it does what such scripts do"),
        Verdict::Look => (Paint::Attention, "look: read these lines before it runs"),
        Verdict::Alarm => (Paint::Bad, "alarm: honest scripts do not do this"),
    };
    let text = out.paint(paint, text);
    out.line(&format!("\nVERDICT\n  {text}"))?;
    for why in &report.because {
        out.line(&format!("  {why}"))?;
    }
    if report.is_cut {
        out.warn("there is more than is told here: the script is full of it");
    }
    if !report.syntax_errors.is_empty() {
        let lines: Vec<String> = report.syntax_errors.iter().map(ToString::to_string).collect();
        out.warn(&format!("lines that are not understood, and may do anything: {}", lines.join(", ")));
    }
    Ok(())
}
