//! Node sets: many names in a short text, `web[01-12]`, in the notation of ClusterShell.
//!
//! A set is a list of patterns between commas; in a pattern, `[…]` stands for numbers: ranges `1-12`, with a step
//! `1-9/2`, between commas. A number written with leading zeros keeps them, and so does every number of its range:
//! `web[08-10]` is `web08`, `web09`, `web10`. `9`, `09` and `009` are three numbers. A pattern with several brackets
//! stands for every combination, the last bracket turning fastest.
//!
//! What it is not: ClusterShell's operators `!`, `&` and `^`, its groups `@group` and its wildcards.
//!
//! In reading order: `parse` text to set · `expand` set to names · [`fold()`] names to the shortest text.

mod expand;
mod fold;
mod parse;

pub use expand::Names;
pub use fold::fold;

use std::fmt;
use std::str::FromStr;

/// A set of names, as it was written. Small, however many names it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSet {
    patterns: Vec<Pattern>,
}

/// Names that differ in numbers only.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Numbers(Vec<Range>),
}

/// Numbers from `start` to `end`, both included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u64,
    end: u64,
    step: u64,
    /// Digits of every number, zeros in front; 0 without padding.
    width: usize,
}

/// Why a text is no node set, or names cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeSetError {
    /// Nothing, or nothing between two commas.
    #[error("`{0}` has an empty name")]
    Empty(String),
    /// Brackets that do not match.
    #[error("`{0}` has a bracket without its other half")]
    Bracket(String),
    /// Something in brackets that is no range.
    #[error("`{0}` is no range: a number, 1-9 or 1-9/2")]
    NotARange(String),
    /// A range from high to low.
    #[error("the range `{0}` is reversed")]
    Reversed(String),
    /// A range with padding whose ends differ in length.
    #[error("the ends of `{0}` have zeros in front and differ in length: which is meant?")]
    Padding(String),
    /// More names than [`crate::limits::NODE_SET_NAMES_MAX`].
    #[error("`{text}` stands for {names} names; more than {max} are not taken")]
    TooMany {
        /// The set.
        text: String,
        /// How many names it stands for; `u64::MAX` for that many and more.
        names: u64,
        /// How many are taken.
        max: u64,
    },
    /// More text than [`crate::limits::NODE_SET_BYTES_MAX`].
    #[error("a node set of {0} bytes is too long")]
    TooLong(usize),
    /// A name that holds a character of the notation, and so cannot be folded.
    #[error("the name `{0}` is empty or has a bracket, a comma or a blank")]
    NotAName(String),
}

// === impl NodeSet ===

impl NodeSet {
    /// The names, lazily, each once, in the order of the text.
    #[must_use]
    pub fn names(&self) -> Names<'_> {
        Names::new(self)
    }

    /// How many names the text stands for, repeated ones counted again.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.patterns.iter().fold(0, |sum, pattern| sum.saturating_add(pattern.count()))
    }
}

impl FromStr for NodeSet {
    type Err = NodeSetError;

    fn from_str(text: &str) -> Result<Self, NodeSetError> {
        parse::node_set(text)
    }
}

/// As it would be written, which is as it was written.
impl fmt::Display for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, pattern) in self.patterns.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}")?;
            for part in &pattern.parts {
                match part {
                    Part::Text(text) => f.write_str(text)?,
                    Part::Numbers(ranges) => fmt_ranges(f, ranges)?,
                }
            }
        }
        Ok(())
    }
}

fn fmt_ranges(f: &mut fmt::Formatter<'_>, ranges: &[Range]) -> fmt::Result {
    f.write_str("[")?;
    for (i, Range { start, end, step, width }) in ranges.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        write!(f, "{comma}{start:0width$}")?;
        if start != end {
            write!(f, "-{end:0width$}")?;
        }
        if *step != 1 {
            write!(f, "/{step}")?;
        }
    }
    f.write_str("]")
}

impl Pattern {
    fn count(&self) -> u64 {
        self.parts.iter().fold(1, |product, part| match part {
            Part::Text(_) => product,
            Part::Numbers(ranges) => product.saturating_mul(count(ranges)),
        })
    }
}

/// How many numbers these ranges have, repeated ones counted again.
fn count(ranges: &[Range]) -> u64 {
    ranges.iter().fold(0, |sum, range| sum.saturating_add(range.count()))
}

impl Range {
    fn count(&self) -> u64 {
        ((self.end - self.start) / self.step).saturating_add(1)
    }
}

#[cfg(test)]
mod tests;
