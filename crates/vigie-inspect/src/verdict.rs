//! What follows from all that was found.

use crate::limits;
use crate::modules;
use crate::report::{Import, Report, Topic, Verdict, Weight};
use crate::rules::{self, Found};
use crate::tree::Script;
use std::collections::{BTreeSet, HashSet};

pub(crate) fn report(script: &Script<'_>) -> Report {
    let imports = imports(script);
    let Found { findings, needs, mut is_cut } = rules::look(script);
    let (verdict, because) = judge(&findings);
    let (mut syntax_errors, has_print) = syntax(script);
    is_cut |= syntax_errors.len() > limits::SYNTAX_ERRORS;
    syntax_errors.truncate(limits::SYNTAX_ERRORS);
    let is_python2 = has_print || imports.iter().any(|import| modules::is_python2(&import.module));
    Report {
        bytes: script.text.len(),
        lines: script.text.lines().count(),
        shebang: script
            .text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("#!"))
            .map(|s| s.trim().to_owned()),
        is_python2,
        syntax_errors,
        imports,
        findings,
        is_cut,
        needs,
        verdict,
        because,
    }
}

fn judge(findings: &[crate::Finding]) -> (Verdict, Vec<String>) {
    // What fails some day is no danger to others, whatever its weight.
    let counts =
        |weight| findings.iter().filter(move |f| f.weight == weight && f.topic != Topic::Reliability);
    let tell = |weight| {
        let mut texts: Vec<String> = counts(weight).map(|f| format!("line {}: {}", f.line, f.text)).collect();
        texts.dedup();
        texts
    };
    let alarms = tell(Weight::Alarm);
    if !alarms.is_empty() {
        return (Verdict::Alarm, alarms);
    }
    let looks = tell(Weight::Look);
    let verdict = if looks.is_empty() { Verdict::Low } else { Verdict::Look };
    (verdict, looks)
}

fn imports(script: &Script<'_>) -> Vec<Import> {
    let (mut imports, mut seen) = (Vec::new(), HashSet::new());
    script.walk(|node| {
        let line = node.start_position().row + 1;
        let mut add = |path: &str| {
            let is_relative = path.starts_with('.');
            let module = path.trim_start_matches('.').split('.').next().unwrap_or(path);
            let module = if module.is_empty() { "." } else { module.trim() };
            if seen.insert(module.to_owned()) {
                imports.push(modules::import(module, line, is_relative));
            }
        };
        match node.kind() {
            "import_statement" => {
                let mut cursor = node.walk();
                for name in node.children_by_field_name("name", &mut cursor) {
                    add(script.of(name.child_by_field_name("name").unwrap_or(name)));
                }
            }
            "import_from_statement" => {
                if let Some(module) = node.child_by_field_name("module_name") {
                    add(script.of(module));
                }
            }
            _ => {}
        }
    });
    imports
}

/// Lines with syntax errors, and whether there is a `print` of Python 2. What an error swallows is not understood either, so
/// all of its lines are told, not the first alone. There may be more of them than are to be told.
fn syntax(script: &Script<'_>) -> (Vec<usize>, bool) {
    let (mut lines, mut has_print) = (BTreeSet::new(), false);
    script.walk(|node| {
        has_print |= matches!(node.kind(), "print_statement" | "exec_statement");
        if (node.is_error() || node.is_missing()) && lines.len() <= limits::SYNTAX_ERRORS {
            let (start, end) = (node.start_position(), node.end_position());
            // What ends at column 0 ended with the line before.
            let last = if end.column == 0 { end.row.saturating_sub(1) } else { end.row };
            lines
                .extend((start.row..=last.max(start.row)).map(|row| row + 1).take(limits::SYNTAX_ERRORS + 1));
        }
    });
    (lines.into_iter().collect(), has_print)
}
