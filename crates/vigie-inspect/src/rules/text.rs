//! What hides in the text itself.

use super::Notes;
use crate::limits;
use crate::report::{Topic, Weight, When};

pub(super) fn look(notes: &mut Notes<'_, '_>) {
    let lines = notes.script.text.lines().enumerate();
    for (at, line) in lines {
        let mut tell = |weight, rule, text: String| {
            notes.at(at + 1, When::Import, Topic::Hidden, weight, rule, text);
        };
        if let Some(odd) = line.chars().find(|c| turns_text(*c)) {
            let code = u32::from(odd);
            tell(
                Weight::Alarm,
                "bidi",
                format!("has a character (U+{code:04X}) that shows text in another order than it runs"),
            );
        }
        if let Some(odd) = line.chars().find(|c| is_invisible(*c)) {
            tell(Weight::Look, "invisible", format!("has an invisible character (U+{:04X})", u32::from(odd)));
        }
        let length = line.chars().count();
        if length > limits::LINE_CHARS {
            tell(Weight::Look, "long-line", format!("is {length} characters long: nobody reads its end"));
        }
        if line.split(['"', '\'']).any(is_blob) {
            tell(
                Weight::Look,
                "blob",
                "has a long text that is no language: data in disguise, or a key".to_owned(),
            );
        }
    }
}

/// Characters that change the direction of text (CVE-2021-42574).
fn turns_text(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200C}' | '\u{2060}' | '\u{180E}' | '\u{00AD}')
}

fn is_blob(part: &str) -> bool {
    let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-' | '\\');
    part.len() >= limits::BLOB_CHARS && part.chars().all(is_code)
}
