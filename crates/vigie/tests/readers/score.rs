//! What a reader says of an output, against the truth: cell by cell.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A row of the truth: texts by field.
pub(crate) type Truth = BTreeMap<&'static str, String>;

/// A field, and where a reader keeps it: names with dots in between for what lies deeper, `a+b` for a text
/// made of two with a blank between, `a&b` with a colon, `a|b` for the first that is there.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) jc: &'static str,
}

pub(crate) const fn field(name: &'static str, ours: &'static str, jc: &'static str) -> Field {
    Field { name, ours, jc }
}

/// What a reader made of one output.
pub(crate) enum Answer {
    /// Rows; a wrong one that comes with a warning is no silent mistake.
    Rows { rows: Vec<Value>, warned: bool },
    /// It says that it does not know.
    Withheld,
}

/// Cells by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) right: usize,
    /// Wrong, and nothing says so.
    pub(crate) wrong: usize,
    /// Not claimed, or with a warning.
    pub(crate) withheld: usize,
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Score) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.withheld += other.withheld;
    }
}

/// How rows are found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// By their place; there are no others.
    InOrder,
    /// By the first field; others may be there, of which the truth does not speak.
    ByKey,
}

/// All cells of the truth, looked up in an answer. A row that nobody printed is a mistake, one that is not there is as many
/// as it has cells. Mistakes are told in words, too.
pub(crate) fn score(
    fields: &[Field],
    place: impl Fn(&Field) -> &'static str,
    order: Rows,
    truth: &[Truth],
    answer: &Answer,
) -> (Score, Vec<String>) {
    let (mut score, mut mistakes) = (Score::default(), Vec::new());
    let cells = || truth.iter().flat_map(|row| fields.iter().filter(|field| row.contains_key(field.name)));
    let Answer::Rows { rows, warned } = answer else {
        return (Score { withheld: cells().count(), ..score }, mistakes);
    };
    let mut mistake = |score: &mut Score, text: String| {
        if *warned {
            score.withheld += 1;
        } else {
            score.wrong += 1;
            mistakes.push(text);
        }
    };
    let Some(key) = fields.first() else { return (score, Vec::new()) };
    if order == Rows::ByKey && rows.iter().all(|row| at(row, place(key)).is_none()) {
        // It speaks of other fields.
        return (Score { withheld: cells().count(), ..score }, Vec::new());
    }
    for (index, wanted) in truth.iter().enumerate() {
        let named = wanted.get(key.name).map_or("", String::as_str);
        let is_it = |row: &&Value| is_same(at(row, place(key)).as_ref(), named);
        let found = match order {
            Rows::InOrder => rows.get(index),
            Rows::ByKey => rows.iter().find(is_it),
        };
        for field in fields {
            let Some(text) = wanted.get(field.name) else { continue };
            let Some(row) = found else {
                mistake(&mut score, format!("no row for {} {named}", key.name));
                continue;
            };
            match at(row, place(field)) {
                found if is_same(found.as_ref(), text) => score.right += 1,
                // A field that is not there claims nothing.
                None => score.withheld += 1,
                Some(found) => mistake(&mut score, format!("{} is {text:?}, not {found}", field.name)),
            }
        }
    }
    let too_many = if order == Rows::InOrder { truth.len() } else { rows.len() };
    for row in rows.iter().skip(too_many) {
        mistake(&mut score, format!("a row too many, such as {row}"));
    }
    (score, mistakes)
}

/// What lies at a place in a row.
fn at(row: &Value, place: &str) -> Option<Value> {
    if place.contains('|') {
        return place.split('|').find_map(|place| at(row, place));
    }
    for (sign, between) in [('+', " "), ('&', ":")] {
        if place.contains(sign) {
            let parts = place.split(sign).filter_map(|place| text_of(&at(row, place)?));
            return Some(parts.collect::<Vec<_>>().join(between).trim_end_matches(between).into());
        }
    }
    if let Some(value) = row.get(place) {
        return Some(value.clone());
    }
    let mut value = row;
    for name in place.split('.') {
        value = match value {
            Value::Array(values) => values.get(name.parse::<usize>().ok()?)?,
            other => other.get(name)?,
        };
    }
    Some(value.clone())
}

fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().filter_map(text_of).collect::<Vec<_>>().join(","),
        Value::Object(_) => return None,
    })
}

/// Whether a value says what a text says: numbers by their value, `54%` and 54 alike, nothing and the empty text, too.
fn is_same(found: Option<&Value>, wanted: &str) -> bool {
    let Some(found) = found.map_or_else(|| Some(String::new()), text_of) else { return false };
    let number = |text: &str| text.trim_end_matches('%').parse::<f64>().ok();
    found == wanted
        || matches!((number(&found), number(wanted)), (Some(a), Some(b)) if a.to_bits() == b.to_bits())
        || (wanted == "-" && found.is_empty())
        || matches!((found.as_str(), wanted), ("1", "yes") | ("0", "no"))
}

/// The rows of an answer in JSON: its objects, with those within `children` and within a single list.
pub(crate) fn flatten(value: &Value, rows: &mut Vec<Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, rows)),
        Value::Object(object) => match list_of_objects(object) {
            Some(list) if object.len() == 1 => flatten(list, rows),
            _ => {
                rows.push(value.clone());
                object.get("children").into_iter().for_each(|children| flatten(children, rows));
            }
        },
        _ => {}
    }
}

fn list_of_objects(object: &Map<String, Value>) -> Option<&Value> {
    object.values().find(|value| value.as_array().is_some_and(|list| list.iter().all(Value::is_object)))
}

#[test]
fn cells_are_right_wrong_or_withheld() {
    let fields = [field("name", "n", "name"), field("size", "s", "size"), field("more", "m", "x.1")];
    let truth = |name: &str, size: &str| {
        Truth::from([("name", name.to_owned()), ("size", size.to_owned()), ("more", "2".to_owned())])
    };
    let truth = [truth("a", "54%"), truth("b", "")];
    let rows = vec![
        serde_json::json!({"n": "a", "s": 54, "m": 3}),
        serde_json::json!({"n": "b", "s": null}),
        serde_json::json!({"n": "c"}),
    ];
    let (found, mistakes) = score(
        &fields,
        |f| f.ours,
        Rows::InOrder,
        &truth,
        &Answer::Rows { rows: rows.clone(), warned: false },
    );
    assert_eq!(found, Score { right: 4, wrong: 2, withheld: 1 }, "{mistakes:?}");
    let (found, _) = score(&fields, |f| f.ours, Rows::InOrder, &truth, &Answer::Rows { rows, warned: true });
    assert_eq!(found, Score { right: 4, wrong: 0, withheld: 3 });
    let (found, _) = score(&fields, |f| f.ours, Rows::InOrder, &truth, &Answer::Withheld);
    assert_eq!(found.withheld, 6);
    let (found, _) =
        score(&fields, |f| f.jc, Rows::InOrder, &truth, &Answer::Rows { rows: vec![], warned: false });
    assert_eq!(found.wrong, 6);
    let mut rows = Vec::new();
    flatten(&serde_json::json!({"d": [{"n": 1, "children": [{"n": 2}]}, {"n": 3}]}), &mut rows);
    assert_eq!(rows.len(), 3);
}
