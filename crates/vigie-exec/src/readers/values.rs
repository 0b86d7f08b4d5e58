//! When text is a number: only if nothing of it is lost by that.

use serde_json::{Number, Value};

/// The number that prints as exactly this text: no leading zeros, no signs or separators of any language, no `1.10`.
pub(super) fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number = if let Ok(whole) = text.parse::<i64>() {
        Number::from(whole)
    } else if let Ok(whole) = text.parse::<u64>() {
        Number::from(whole)
    } else {
        Number::from_f64(text.parse::<f64>().ok()?)?
    };
    (number.to_string() == text).then_some(Value::Number(number))
}

/// A whole number, or the text as it is. For single values: `1.5` may be a version.
pub(super) fn whole_or_text(text: &str) -> Value {
    number(text).filter(|value| value.is_i64() || value.is_u64()).unwrap_or_else(|| text.into())
}

/// A column's cells: numbers if every one is (decimals too: `0.0` among `0.3` is one), else texts; empty ones are null.
pub(super) fn column<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Vec<Value> {
    let mut filled = cells.clone().filter(|cell| !cell.is_empty()).peekable();
    let numbers = filled.peek().is_some() && filled.all(|cell| number(cell).is_some());
    cells
        .map(|cell| match number(cell) {
            _ if cell.is_empty() => Value::Null,
            Some(value) if numbers => value,
            _ => cell.into(),
        })
        .collect()
}

/// Whether the names over columns can be told from what is below them: the first line may be a row like all others.
/// They can if some column is all numbers, or if names are words while a column below has none.
pub(super) fn header_stands_out<'a>(columns: impl Iterator<Item = (&'a str, &'a [Value])>) -> bool {
    let word = |text: &str| {
        text.starts_with(|c: char| c.is_alphabetic())
            && text.chars().all(|c| c.is_alphanumeric() || "_- .%/()".contains(c))
    };
    columns.into_iter().any(|(name, cells)| {
        let filled = || cells.iter().filter(|cell| !cell.is_null());
        let wordless = |cell: &Value| match cell {
            Value::Number(_) => true,
            Value::String(text) => !word(text) || text.contains(|c: char| c.is_ascii_digit()),
            _ => false,
        };
        let shouted = name.len() > 1 && !name.contains(char::is_lowercase);
        let shouts = |cell: &Value| cell.as_str().is_some_and(|cell| !cell.contains(char::is_lowercase));
        filled().next().is_some()
            && word(name)
            && (filled().all(wordless) || (shouted && !filled().any(shouts)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_prints_back_as_it_was_read() {
        for (text, value) in [
            ("0", json!(0)),
            ("-7", json!(-7)),
            ("0.3", json!(0.3)),
            ("18446744073709551615", json!(u64::MAX)),
        ] {
            assert_eq!(number(text), Some(value));
        }
        for text in
            ["", "007", "1.10", "1,5", "+1", "1e3", "0x10", "inf", "NaN", "-", "12:30", "4k", ".5", "٣"]
        {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn one_text_makes_a_column_of_texts() {
        assert_eq!(column(["1", "", "-"].into_iter()), [json!("1"), Value::Null, json!("-")]);
        assert_eq!(column(["1", "", "2"].into_iter()), [json!(1), Value::Null, json!(2)]);
        assert_eq!(column(["1.9", "1.10"].into_iter()), [json!("1.9"), json!("1.10")]);
    }
}
