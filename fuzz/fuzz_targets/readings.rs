//! Whatever a command prints, read in every way that can be asked for: no panic, and nothing in the reading that is not in
//! the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::collections::HashSet;
use vigie_exec::readers::{Ask, Format, Reading, TRUSTED, read};

fuzz_target!(|text: &str| {
    for ask in [Ask::Auto, Ask::Json, Ask::KeyValue, Ask::Table, Ask::Lines, Ask::Raw] {
        let reading = read(text, ask);
        check(text, &reading);
        assert_eq!(reading, read(text, ask), "the same text is read in the same way");
    }
});

fn check(text: &str, reading: &Reading) {
    assert!((TRUSTED..=1.0).contains(&reading.confidence), "{}", reading.confidence);
    let fields: HashSet<&str> = reading.fields.iter().map(String::as_str).collect();
    assert_eq!(fields.len(), reading.fields.len(), "each field is named once");
    let mut cells = 0;
    for row in &reading.rows {
        let mut names = HashSet::new();
        for (name, value) in &row.0 {
            assert!(fields.contains(name.as_str()) && names.insert(name), "{name:?}");
            cells += known(text, value);
        }
        serde_json::to_string(row).unwrap();
    }
    if reading.format != Format::Lines {
        assert!(cells <= text.len(), "cells are not made up");
    }
    let is_json = matches!(reading.format, Format::Json | Format::NdJson);
    assert!(is_json || reading.documents.is_empty());
    assert!(reading.format != Format::Raw || (reading.rows.is_empty() && fields.is_empty()));
}

/// Counts cells with something in them. A number prints as it stood in the text: nothing was lost of it.
fn known(text: &str, value: &Value) -> usize {
    match value {
        Value::Number(number) => {
            assert!(text.contains(&number.to_string()), "{number}");
            1
        }
        Value::Array(all) => all.iter().map(|value| known(text, value)).sum(),
        Value::String(cell) => usize::from(!cell.is_empty()),
        Value::Object(_) | Value::Bool(_) | Value::Null => 0,
    }
}
