//! The comparison: 25 commands in a French locale, ours and `jc`, against the truth.

use crate::live::{self, Live, World};
use crate::recorded::{self, Recorded};
use crate::score::{Answer, Field, Rows, Score, Truth, flatten, score};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};
use vigie_exec::readers::{Ask, Format, Reading, read};

const FRENCH: &str = "fr_FR.UTF-8";

/// A user's environment.
fn in_french(command: &mut Command) {
    for name in ["LC_ALL", "LANGUAGE", "LC_MESSAGES", "LC_NUMERIC", "LC_TIME"] {
        command.env_remove(name);
    }
    command.env("LANG", FRENCH).env("TZ", "UTC0").stdin(Stdio::null());
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A line of the table.
struct Line {
    name: String,
    ours: Score,
    /// The same, with `--as-is`: the tool speaks French.
    as_is: Score,
    jc: Score,
    jc_in_c: Score,
    mistakes: Vec<String>,
}

fn answer_of(reading: &Reading) -> Answer {
    let mut rows = Vec::new();
    match reading.format {
        Format::Raw | Format::Lines => return Answer::Withheld,
        Format::Json | Format::NdJson => reading.documents.iter().for_each(|d| flatten(d, &mut rows)),
        _ => rows.extend(reading.rows.iter().map(|row| serde_json::to_value(row).unwrap())),
    }
    Answer::Rows { rows, warned: !reading.warnings.is_empty() }
}

/// What `vigie run --json` says.
fn ours(case: &Live, more: &[&str]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
    in_french(&mut command);
    command.args(["run", "--json"]).args(more).arg("--").args(&case.argv).envs(case.env.iter().copied());
    let told: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let reading = &told["reading"];
    let mut rows = Vec::new();
    match reading["format"].as_str().unwrap() {
        "raw" | "lines" => return Answer::Withheld,
        "json" | "ndjson" => flatten(&reading["documents"], &mut rows),
        _ => rows = reading["rows"].as_array().unwrap().clone(),
    }
    let warned = reading["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
    Answer::Rows { rows, warned }
}

/// What `jc` makes of a text; what it refuses is withheld.
fn jc(parser: &[&str], text: &[u8]) -> Answer {
    let mut command = Command::new("jc");
    in_french(&mut command);
    command.arg("-q").args(parser).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // It may give up in the middle.
    let _ = input.write_all(text);
    drop(input);
    let output = child.wait_with_output().unwrap();
    let Ok(value) = serde_json::from_slice::<Value>(&output.stdout) else { return Answer::Withheld };
    match value {
        Value::Array(rows) if output.status.success() => Answer::Rows { rows, warned: false },
        Value::Object(_) if output.status.success() => Answer::Rows { rows: vec![value], warned: false },
        _ => Answer::Withheld,
    }
}

fn output_of(case: &Live, language: Option<&str>) -> Vec<u8> {
    let mut command = Command::new(&case.argv[0]);
    in_french(&mut command);
    command.envs(language.map(|language| ("LC_ALL", language)));
    // As told to whoever pipes: not folded to the width of some terminal.
    command.env("COLUMNS", "10000").args(&case.argv[1..]).envs(case.env.iter().copied());
    command.output().unwrap().stdout
}

/// Only what was true before and after counts: the rest changed while we looked.
fn steady(before: Vec<Truth>, after: &[Truth], fields: &[Field], rows: Rows) -> Vec<Truth> {
    let key = fields[0].name;
    let kept = before.into_iter().enumerate().filter_map(|(index, row)| {
        let other = match rows {
            Rows::InOrder => after.get(index),
            Rows::ByKey => after.iter().find(|other| other.get(key) == row.get(key)),
        }?;
        let is_steady = |name: &str, value: &String| {
            (rows == Rows::ByKey && name == key) || other.get(name) == Some(value)
        };
        Some(row.into_iter().filter(|(name, value)| is_steady(name, value)).collect())
    });
    kept.collect()
}

/// The machine lives on meanwhile, and a number may move there and back: what is wrong is wrong each time.
fn compare_live(case: &Live) -> Line {
    let mut line = compare_once(case);
    for _ in 0..2 {
        if !line.mistakes.is_empty() {
            line = compare_once(case);
        }
    }
    line
}

fn compare_once(case: &Live) -> Line {
    let before = (case.truth)();
    let answers = [
        ours(case, &[]),
        ours(case, &["--as-is"]),
        jc(case.jc, &output_of(case, None)),
        jc(case.jc, &output_of(case, Some("C"))),
    ];
    let truth = steady(before, &(case.truth)(), &case.fields, case.rows);
    line(case.argv[..case.argv.len().min(2)].join(" "), &case.fields, case.rows, &truth, &truth, &answers)
}

fn compare_recorded(case: &Recorded) -> Line {
    let answers = [
        answer_of(&read(case.english, Ask::Auto)),
        answer_of(&read(case.french, Ask::Auto)),
        jc(case.jc, case.french.as_bytes()),
        jc(case.jc, case.english.as_bytes()),
    ];
    line(case.name.to_owned(), &case.fields, case.rows, &case.truth, &case.french_truth, &answers)
}

/// Ours and jc's in C speak English, the others French.
fn line(
    name: String,
    fields: &[Field],
    rows: Rows,
    english: &[Truth],
    french: &[Truth],
    [ours, as_is, theirs, theirs_in_c]: &[Answer; 4],
) -> Line {
    let (ours, mut mistakes) = score(fields, |field| field.ours, rows, english, ours);
    let (as_is, others) = score(fields, |field| field.ours, rows, french, as_is);
    mistakes.extend(others.into_iter().map(|text| format!("as it is: {text}")));
    let (jc, _) = score(fields, |field| field.jc, rows, french, theirs);
    let (jc_in_c, _) = score(fields, |field| field.jc, rows, english, theirs_in_c);
    Line { name, ours, as_is, jc, jc_in_c, mistakes }
}

#[test]
fn twenty_five_commands_in_french_beside_jc() {
    let missing: Vec<&str> =
        ["jc", "netstat", "ss", "ip", "ps", "dpkg-query"].into_iter().filter(|p| !is_there(p)).collect();
    if !missing.is_empty() {
        eprintln!("skipped: not installed: {}", missing.join(" "));
        return;
    }
    let world = World::new();
    let mut lines: Vec<Line> = live::all(&world).iter().map(compare_live).collect();
    lines.extend(recorded::all().iter().map(compare_recorded));
    assert_eq!(lines.len(), 25);
    let spoken = Command::new("locale").arg("-a").output().map(|said| said.stdout).unwrap_or_default();
    let has_french = String::from_utf8_lossy(&spoken).lines().any(|name| name == "fr_FR.utf8");
    println!(
        "locale {FRENCH}: {}",
        if has_french { "installed" } else { "not installed, so tools speak English" }
    );
    println!("right/wrong/withheld        cells  vigie          --as-is        jc             jc, LC_ALL=C");
    let mut sums = [Score::default(); 4];
    for line in &lines {
        let scores = [line.ours, line.as_is, line.jc, line.jc_in_c];
        sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score);
        print_line(&line.name, scores);
    }
    print_line("all", sums);
    for line in &lines {
        assert!(line.mistakes.is_empty(), "{}: {:#?}", line.name, line.mistakes);
        for jc in [line.jc, line.jc_in_c] {
            assert!(line.ours.right >= jc.right, "{}: {:?} against {jc:?}", line.name, line.ours);
        }
    }
}

fn print_line(name: &str, scores: [Score; 4]) {
    let cells = scores[0].right + scores[0].wrong + scores[0].withheld;
    let told = scores.map(|s| format!("{:<15}", format!("{}/{}/{}", s.right, s.wrong, s.withheld)));
    println!("{name:<26} {cells:>6}  {}", told.concat().trim_end());
}
