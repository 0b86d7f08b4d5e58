//! CSV and its kin: commas, semicolons or tabs, under a header.

use super::{Format, Reading, Row, values};
use std::collections::HashSet;

/// At least two columns and two lines, all of one length.
pub(super) fn read(text: &str) -> Option<Reading> {
    let header = text.lines().next()?;
    let separator =
        [b'\t', b',', b';'].into_iter().max_by_key(|s| header.bytes().filter(|b| b == s).count())?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        // All rows must have the length of the header: one that does not is an error here.
        .flexible(false)
        .from_reader(text.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().ok()?;
    let (names, rows) = records.split_first()?;
    if names.len() < 2 || rows.is_empty() || !are_names(names) {
        return None;
    }
    let columns: Vec<Vec<serde_json::Value>> =
        (0..names.len()).map(|at| values::column(rows.iter().map(|row| &row[at]))).collect();
    let stands_out = values::header_stands_out(names.iter().zip(columns.iter().map(Vec::as_slice)));
    let row = |index: usize| {
        let fields = names.iter().zip(&columns);
        Row(fields.map(|(name, column)| (name.to_owned(), column[index].clone())).collect())
    };
    let rows: Vec<Row> = (0..rows.len()).map(row).collect();
    // Prose has commas too; three lines of equal length in a row do not come by chance.
    let confidence = match (separator, rows.len()) {
        _ if !stands_out => 0.6,
        (b'\t', _) => 0.95,
        (_, 1) => 0.75,
        (_, 2) => 0.85,
        _ => 0.95,
    };
    Some(Reading::of_rows(Format::Separated, confidence, rows))
}

/// Field names are short, all there, all different, and no numbers.
fn are_names(names: &csv::StringRecord) -> bool {
    let fit = |name: &str| {
        !name.trim().is_empty()
            && name.len() <= 64
            && values::number(name.trim()).is_none()
            && !name.contains(". ")
    };
    let mut seen = HashSet::new();
    names.iter().all(|name| fit(name) && seen.insert(name))
}
