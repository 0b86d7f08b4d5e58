//! JSON: one document, or one a line.

use super::{Format, Reading};
use serde_json::{Deserializer, Value};

/// The whole text must be JSON. A lone number or word is no JSON that anybody meant.
pub(super) fn read(text: &str) -> Option<Reading> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let documents: Vec<Value> = Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().ok()?;
    if documents.iter().any(|document| !document.is_object() && !document.is_array()) {
        return None;
    }
    let format = if documents.len() == 1 { Format::Json } else { Format::NdJson };
    let mut reading = Reading::new(format, 1.0);
    reading.documents = documents;
    Some(reading)
}
