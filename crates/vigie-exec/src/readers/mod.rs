//! What a command printed, as data: fields and rows with a confidence, and never a guess that is not said to be one.
//!
//! In reading order: this file what is asked and answered · `json` · `pairs` `key=value` and `Key: value` · `separated`
//! CSV and TSV · `known` layouts of well-known tools · `table` columns under a header · `values` when text is a number.
//!
//! Content decides, not the name of the command: whoever prints JSON is read as JSON. A reader says how sure it is;
//! below [`TRUSTED`] nobody's reading is given out, and the text stays text.
//!
//! ```
//! use vigie_exec::readers::{Ask, Format, read};
//!
//! let reading = read("PID COMMAND\n  1 init\n  2 kthreadd\n", Ask::Auto);
//! assert_eq!(reading.format, Format::Table);
//! assert_eq!(serde_json::to_string(&reading.rows[1]).unwrap(), r#"{"PID":2,"COMMAND":"kthreadd"}"#);
//! ```

mod json;
mod known;
mod pairs;
mod separated;
mod table;
mod values;

use crate::limits::ROW_LINES_MAX;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::collections::HashSet;

/// The confidence from which on a reading is given out when nobody asked for its format.
pub const TRUSTED: f64 = 0.8;

/// How an output is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON document.
    Json,
    /// One JSON document a line.
    NdJson,
    /// `key=value`, a record behind every blank line.
    KeyValue,
    /// `Key: value`, likewise.
    Blocks,
    /// Separated by commas, semicolons or tabs, under a header.
    Separated,
    /// In columns, under a header.
    Table,
    /// As a well-known tool prints it: its name.
    Known(&'static str),
    /// Lines, each for itself.
    Lines,
    /// Text that nothing more is said of.
    Raw,
}

impl Format {
    /// Its name for scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::NdJson => "ndjson",
            Format::KeyValue => "kv",
            Format::Blocks => "blocks",
            Format::Separated => "csv",
            Format::Table => "table",
            Format::Known(name) => name,
            Format::Lines => "lines",
            Format::Raw => "raw",
        }
    }
}

/// What the caller wants it read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ask {
    /// As whatever it is.
    #[default]
    Auto,
    /// JSON, or JSON a line.
    Json,
    /// `key=value` or `Key: value`.
    KeyValue,
    /// CSV, TSV or columns.
    Table,
    /// Lines.
    Lines,
    /// Not at all.
    Raw,
}

/// One row or record: its fields in the order in which they were printed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub Vec<(String, Value)>);

impl Row {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An output as data.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// How it is laid out.
    pub format: Format,
    /// How sure that is, 0 to 1. Of lines and raw text nothing is claimed, and so it is 1.
    pub confidence: f64,
    /// The names of all fields, in order of first appearance. Empty for JSON, which has its own structure.
    pub fields: Vec<String>,
    /// The rows; of JSON none.
    pub rows: Vec<Row>,
    /// The documents, when it is JSON.
    pub documents: Vec<Value>,
    /// What the caller should know: what was left out, why something else was not believed.
    pub warnings: Vec<String>,
}

impl Reading {
    fn new(format: Format, confidence: f64) -> Self {
        Reading {
            format,
            confidence,
            fields: Vec::new(),
            rows: Vec::new(),
            documents: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn of_rows(format: Format, confidence: f64, rows: Vec<Row>) -> Self {
        let mut reading = Reading::new(format, confidence);
        // There may be as many names as lines.
        let mut seen = HashSet::new();
        for (name, _) in rows.iter().flat_map(|row| &row.0) {
            if seen.insert(name.as_str()) {
                reading.fields.push(name.clone());
            }
        }
        reading.rows = rows;
        reading
    }

    fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }
}

/// Reads a text. Asked for a format that it is not in, the answer is [`Format::Raw`] with a warning; likewise of a text of
/// more lines than may be rows, unless it is JSON.
#[must_use]
pub fn read(text: &str, ask: Ask) -> Reading {
    let attempts: &[fn(&str) -> Option<Reading>] = match ask {
        Ask::Raw => return Reading::new(Format::Raw, 1.0),
        Ask::Auto if has_too_many_lines(text) => return json::read(text).unwrap_or_else(too_many_lines),
        Ask::Lines | Ask::KeyValue | Ask::Table if has_too_many_lines(text) => return too_many_lines(),
        Ask::Lines => return lines(text),
        Ask::Auto => {
            &[json::read, known::read, pairs::read_equals, pairs::read_blocks, separated::read, table::read]
        }
        Ask::Json => &[json::read],
        Ask::KeyValue => &[pairs::read_equals, pairs::read_blocks],
        Ask::Table => &[known::read, separated::read, table::read],
    };
    if text.trim().is_empty() {
        return Reading::new(Format::Raw, 1.0).warn("there is nothing to read");
    }
    let mut doubtful: Option<Reading> = None;
    for attempt in attempts {
        match attempt(text) {
            Some(reading) if reading.confidence >= TRUSTED => return reading,
            Some(reading) if doubtful.as_ref().is_none_or(|best| best.confidence < reading.confidence) => {
                doubtful = Some(reading);
            }
            _ => {}
        }
    }
    let why = match doubtful {
        Some(best) => {
            let sure = (best.confidence * 100.0).floor().max(0.0);
            format!("it looks like {}, with a confidence of {sure} % only", best.format.as_str())
        }
        None if ask == Ask::Auto => return lines(text),
        None => "it is not in the format that was asked for".to_owned(),
    };
    Reading::new(Format::Raw, 1.0).warn(why)
}

fn has_too_many_lines(text: &str) -> bool {
    text.lines().nth(ROW_LINES_MAX).is_some()
}

/// The text is there all the same, and lines can be told in it without us.
fn too_many_lines() -> Reading {
    let why =
        format!("it has more than {ROW_LINES_MAX} lines: they are not made rows, and the text stays text");
    Reading::new(Format::Raw, 1.0).warn(why)
}

/// Every line for itself.
fn lines(text: &str) -> Reading {
    let rows = text.lines().map(|line| Row(vec![("line".to_owned(), line.into())])).collect();
    Reading::of_rows(Format::Lines, 1.0, rows)
}

#[cfg(test)]
mod tests;
