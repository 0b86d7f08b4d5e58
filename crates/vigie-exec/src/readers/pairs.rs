//! `key=value` as of `systemctl show`, and `Key: value` as of `lscpu` or `apt-cache policy`.

use super::values::whole_or_text;
use super::{Format, Reading, Row};
use serde_json::Value;
use std::collections::HashMap;

/// At least one line in ten of a text with pairs may be something else, before it is no such text any more.
const OTHER_LINES_MAX: f64 = 0.1;

/// `key=value` a line; a blank line begins another record. Lines without a key belong to the value before them.
pub(super) fn read_equals(text: &str) -> Option<Reading> {
    let split = |line: &str| {
        let (key, value) = line.split_once('=')?;
        // `sysctl` sets blanks around it.
        let (key, value) = match (key.strip_suffix(' '), value.strip_prefix(' ')) {
            (Some(key), Some(value)) => (key, value),
            _ => (key, value),
        };
        is_identifier(key).then(|| (key.to_owned(), value.to_owned()))
    };
    let (mut records, others, lines) = collect(text, split, |_| false);
    if lines == 0 || records.is_empty() || (lines == 1 && several_pairs(text)) {
        return None;
    }
    let confidence = confidence(others, lines)?;
    unquote_all(&mut records);
    Some(reading(Format::KeyValue, confidence, records, others))
}

/// `Key: value` a line; a blank line begins another record, deeper lines belong to the value before them.
pub(super) fn read_blocks(text: &str) -> Option<Reading> {
    let split = |line: &str| {
        let (key, value) = line.split_once(':')?;
        let named = key.starts_with(|c: char| c.is_alphabetic()) && !key.contains(['/', '"', '=']);
        // `12:30`, `http://x` and `a::b` are no keys with values.
        let spaced = value.is_empty() || value.starts_with([' ', '\t']);
        (named && spaced && key.split_whitespace().count() <= 5)
            .then(|| (key.trim_end().to_owned(), value.trim().to_owned()))
    };
    // `timedatectl` and its kin set all colons below each other: what stands before them is no depth.
    let aligned = colons_are_aligned(text);
    let text = if aligned {
        text.lines().map(str::trim_start).collect::<Vec<_>>().join("\n")
    } else {
        text.to_owned()
    };
    let (records, others, lines) = collect(&text, split, |line| line.starts_with([' ', '\t']));
    let pairs: usize = records.iter().map(Vec::len).sum();
    // One sentence with a colon says nothing yet.
    if pairs < 2 {
        return None;
    }
    let confidence = confidence(others, lines)? - 0.02;
    Some(reading(Format::Blocks, confidence, records, others))
}

/// Whether the first colon with a value behind it is at the same place in every line, and not every line begins at the left.
fn colons_are_aligned(text: &str) -> bool {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let place = |line: &str| {
        let (key, value) = line.split_once(": ")?;
        // Two pairs in a line, as `stat` prints them, are another thing.
        (!value.trim().contains("  ")).then(|| key.chars().count())
    };
    let Some(first) = lines().next().and_then(place) else { return false };
    lines().all(|line| place(line) == Some(first)) && lines().any(|line| line.starts_with(' '))
}

type Record = Vec<(String, String)>;

/// Records, lines that fit nowhere, lines that are not blank.
fn collect(
    text: &str,
    split: impl Fn(&str) -> Option<(String, String)>,
    goes_on: impl Fn(&str) -> bool,
) -> (Vec<Record>, usize, usize) {
    let (mut records, mut record) = (Vec::new(), Record::new());
    let (mut others, mut lines) = (0, 0);
    for line in text.lines() {
        if line.trim().is_empty() {
            if !record.is_empty() {
                records.push(std::mem::take(&mut record));
            }
            continue;
        }
        lines += 1;
        let deeper = goes_on(line) && !record.is_empty();
        match split(line) {
            Some(pair) if !deeper => record.push(pair),
            _ => match record.last_mut() {
                Some((_, value)) => {
                    others += usize::from(!deeper);
                    value.push('\n');
                    value.push_str(line.trim_end());
                }
                None => others += 1,
            },
        }
    }
    if !record.is_empty() {
        records.push(record);
    }
    (records, others, lines)
}

/// None when it is no text of pairs at all.
fn confidence(others: usize, lines: usize) -> Option<f64> {
    let share = others as f64 / lines as f64;
    (share <= OTHER_LINES_MAX).then_some(1.0 - 2.0 * share)
}

fn reading(format: Format, confidence: f64, records: Vec<Record>, others: usize) -> Reading {
    let rows = records.into_iter().map(row).collect();
    let reading = Reading::of_rows(format, confidence, rows);
    if others == 0 {
        return reading;
    }
    reading.warn(format!(
        "{others} lines have no key of their own; they stand with the value before them, if any"
    ))
}

/// A key that comes again makes its value a list: nothing is dropped.
fn row(record: Record) -> Row {
    let mut row = Row::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (key, value) in record {
        let value = whole_or_text(&value);
        match places.get(&key).and_then(|place| row.0.get_mut(*place)) {
            Some((_, Value::Array(values))) => values.push(value),
            Some((_, known)) => *known = Value::Array(vec![known.take(), value]),
            None => {
                places.insert(key.clone(), row.0.len());
                row.0.push((key, value));
            }
        }
    }
    row
}

/// Files such as os-release quote like a shell. If one value with quotes is not simply quoted, all stay as they are.
fn unquote_all(records: &mut [Record]) {
    let quoted = |value: &str| value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    let simple = |value: &str| !value[1..value.len() - 1].contains(['"', '\\', '$', '`']);
    let all = || records.iter().flatten().map(|(_, value)| value.as_str());
    if all().any(|value| value.contains('"') && !(quoted(value) && simple(value))) {
        return;
    }
    for (_, value) in records.iter_mut().flatten() {
        if quoted(value) {
            *value = value[1..value.len() - 1].to_owned();
        }
    }
}

/// `a=1 b=2` in one line is no single pair.
fn several_pairs(text: &str) -> bool {
    let pair = |word: &str| word.split_once('=').is_some_and(|(key, _)| is_identifier(key));
    text.split_whitespace().filter(|word| pair(word)).nth(1).is_some()
}

fn is_identifier(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':'))
}
