//! JSON for people: as it came, but indented; and one value of it. Numbers, their order and what stands twice stay as the
//! server wrote them.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::iter::Peekable;
use std::str::CharIndices;

/// Why there is no such value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    /// The text is no JSON.
    #[error("the answer is no JSON: {0}")]
    NoJson(String),
    /// The path has not the form of a pointer.
    #[error("`{0}` is no JSON Pointer (RFC 6901): it is empty, or begins with /")]
    Form(String),
    /// Nothing is there.
    #[error("there is no {0}")]
    Nothing(String),
}

/// Without the mark that some servers put in front of UTF-8, and which JSON does not know (RFC 8259, 8.1).
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Indented by two blanks; none when it is no JSON.
pub fn pretty(text: &str) -> Option<String> {
    let text = without_mark(text);
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '"' => out.push_str(&text[at..end_of_string(at, &mut chars)]),
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|(_, c)| c.is_ascii_whitespace()).is_some() {}
                if let Some((_, close)) = chars.next_if(|(_, c)| matches!(c, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    Some(out)
}

/// Behind the quote that ends the string which began at `start`.
fn end_of_string(start: usize, chars: &mut Peekable<CharIndices<'_>>) -> usize {
    let (mut end, mut is_escaped) = (start + 1, false);
    for (at, c) in chars {
        end = at + c.len_utf8();
        match c {
            '"' if !is_escaped => break,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    end
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

/// The value at a JSON Pointer (RFC 6901), as the server wrote it.
///
/// # Errors
/// See [`PathError`].
pub fn at(text: &str, pointer: &str) -> Result<String, PathError> {
    let text = without_mark(text);
    let no_json = |e: serde_json::Error| PathError::NoJson(e.to_string());
    let mut value: &RawValue = serde_json::from_str(text).map_err(no_json)?;
    let Some(tokens) = pointer.strip_prefix('/') else {
        let is_all = pointer.is_empty();
        return is_all.then(|| value.get().to_owned()).ok_or_else(|| PathError::Form(pointer.to_owned()));
    };
    let mut walked = String::new();
    for token in tokens.split('/') {
        walked = format!("{walked}/{token}");
        let token = token.replace("~1", "/").replace("~0", "~");
        value = step(value, &token).ok_or_else(|| PathError::Nothing(walked.clone()))?;
    }
    Ok(value.get().to_owned())
}

/// Of names that stand twice the last one counts, as in most readers.
fn step<'a>(value: &'a RawValue, token: &str) -> Option<&'a RawValue> {
    if value.get().starts_with('[') {
        // `01` and `+1` are no numbers of elements.
        let index: usize = token.parse().ok().filter(|n: &usize| n.to_string() == token)?;
        let elements: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
        return elements.get(index).copied();
    }
    let members: std::collections::HashMap<String, &RawValue> = serde_json::from_str(value.get()).ok()?;
    members.get(token).copied()
}

/// A string without its quotes; any other value as it is.
pub fn plain(value: &str) -> String {
    serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_in_front_of_it_makes_it_no_less_json() {
        let text = "\u{feff}{\"a\":[1,2]}";
        assert_eq!(at(text, "/a/1").as_deref(), Ok("2"));
        assert_eq!(pretty(text).as_deref(), pretty(&text[3..]).as_deref());
        assert!(pretty(text).is_some());
    }

    #[test]
    fn values_stay_as_they_were_written() {
        let text = r#"{ "b":1.50, "a":[ ], "n":[1,{"x":"a , { \" \\"}], "big":123456789012345678901234567890,"b":{}}"#;
        let expected = r#"{
  "b": 1.50,
  "a": [],
  "n": [
    1,
    {
      "x": "a , { \" \\"
    }
  ],
  "big": 123456789012345678901234567890,
  "b": {}
}"#;
        assert_eq!(pretty(text).as_deref(), Some(expected));
        assert_eq!(pretty(expected).as_deref(), Some(expected));
        assert_eq!(pretty(" null ").as_deref(), Some("null"));
        for bad in ["", "{", "[1,]", "<html>", "1 2"] {
            assert_eq!(pretty(bad), None, "{bad}");
        }
    }

    #[test]
    fn pointers_lead_where_rfc_6901_says() {
        let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"m~n":8,"k\"l":6,"deep":{"n": 1.50}}"#;
        for (pointer, value) in [
            ("", text),
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/m~0n", "8"),
            ("/k\"l", "6"),
            ("/deep/n", "1.50"),
        ] {
            assert_eq!(at(text, pointer).as_deref(), Ok(value), "{pointer}");
        }
        assert_eq!(at(text, "foo"), Err(PathError::Form("foo".into())));
        for (pointer, nothing) in
            [("/foo/2", "/foo/2"), ("/foo/01", "/foo/01"), ("/x/y", "/x"), ("/deep/n/0", "/deep/n/0")]
        {
            assert_eq!(at(text, pointer), Err(PathError::Nothing(nothing.into())));
        }
        assert!(matches!(at("<html>", ""), Err(PathError::NoJson(_))));
        assert_eq!((plain("\"a\\nb\""), plain("1.50")), ("a\nb".into(), "1.50".into()));
    }
}
