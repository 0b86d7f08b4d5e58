//! Text to set.

use super::{NodeSet, NodeSetError, Part, Pattern, Range};
use crate::limits::{NODE_SET_BYTES_MAX, NODE_SET_NAMES_MAX};

/// More digits than this in a row are not a number to count with.
pub(super) const DIGITS_MAX: usize = 18;

pub(super) fn node_set(text: &str) -> Result<NodeSet, NodeSetError> {
    if text.len() > NODE_SET_BYTES_MAX {
        return Err(NodeSetError::TooLong(text.len()));
    }
    let patterns = split_outside_brackets(text)?.into_iter().map(pattern).collect::<Result<_, _>>()?;
    let set = NodeSet { patterns };
    let names = set.count();
    if names > NODE_SET_NAMES_MAX {
        return Err(NodeSetError::TooMany { text: text.to_owned(), names, max: NODE_SET_NAMES_MAX });
    }
    Ok(set)
}

/// The pieces between commas that are not in brackets; checks the brackets.
fn split_outside_brackets(text: &str) -> Result<Vec<&str>, NodeSetError> {
    let bracket = || NodeSetError::Bracket(text.to_owned());
    let (mut pieces, mut from, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' | ']' if inside == (c == '[') => return Err(bracket()),
            '[' | ']' => inside = c == '[',
            ',' if !inside => {
                pieces.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(bracket());
    }
    pieces.push(&text[from..]);
    let is_empty = |piece: &&str| piece.trim().is_empty();
    if pieces.iter().any(is_empty) { Err(NodeSetError::Empty(text.to_owned())) } else { Ok(pieces) }
}

/// One pattern, whose brackets are known to match.
fn pattern(text: &str) -> Result<Pattern, NodeSetError> {
    let (mut parts, mut rest) = (Vec::new(), text.trim());
    while let Some((before, after)) = rest.split_once('[') {
        let Some((inside, after)) = after.split_once(']') else {
            return Err(NodeSetError::Bracket(text.to_owned()));
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(Part::Numbers(inside.split(',').map(range).collect::<Result<_, _>>()?));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(Pattern { parts })
}

/// `7`, `1-9` or `1-9/2`.
fn range(text: &str) -> Result<Range, NodeSetError> {
    let wrong = || NodeSetError::NotARange(text.to_owned());
    let (ends, step) = match text.split_once('/') {
        None => (text, 1),
        Some((ends, step)) => (ends, number(step).filter(|step| *step > 0).ok_or_else(wrong)?),
    };
    let (from, to) = ends.split_once('-').unwrap_or((ends, ends));
    let (start, end) = (number(from).ok_or_else(wrong)?, number(to).ok_or_else(wrong)?);
    let is_padded = [from, to].iter().any(|digits| digits.len() > 1 && digits.starts_with('0'));
    if is_padded && from.len() != to.len() {
        return Err(NodeSetError::Padding(text.to_owned()));
    }
    if start > end {
        return Err(NodeSetError::Reversed(text.to_owned()));
    }
    Ok(Range { start, end, step, width: if is_padded { from.len() } else { 0 } })
}

/// Digits and nothing else.
pub(super) fn number(digits: &str) -> Option<u64> {
    let is_number =
        (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}
