//! Set to names.

use super::{NodeSet, Part, Pattern, Range, count};
use std::collections::HashSet;
use std::fmt::Write;

/// The names of a [`NodeSet`], each once, in the order of its text. At most
/// [`NODE_SET_NAMES_MAX`](crate::limits::NODE_SET_NAMES_MAX) come, as the set was checked when it was read.
#[derive(Debug)]
pub struct Names<'a> {
    patterns: std::slice::Iter<'a, Pattern>,
    now: Option<(&'a Pattern, u64)>,
    /// What came already; kept only where a name may come twice.
    seen: Option<HashSet<String>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(set: &'a NodeSet) -> Self {
        let may_repeat = set.patterns.len() > 1
            || set.patterns.iter().any(|pattern| pattern.brackets().any(|ranges| ranges.len() > 1))
            || set.patterns.iter().any(|pattern| pattern.brackets().count() > 1);
        let mut patterns = set.patterns.iter();
        let now = patterns.next().map(|pattern| (pattern, 0));
        Names { patterns, now, seen: may_repeat.then(HashSet::new) }
    }
}

impl Iterator for Names<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            let (pattern, index) = self.now?;
            if index >= pattern.count() {
                self.now = self.patterns.next().map(|pattern| (pattern, 0));
                continue;
            }
            self.now = Some((pattern, index + 1));
            let name = pattern.name(index);
            let is_new = self.seen.as_mut().is_none_or(|seen| seen.insert(name.clone()));
            if is_new {
                return Some(name);
            }
        }
    }
}

impl Pattern {
    fn brackets(&self) -> impl Iterator<Item = &Vec<Range>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Numbers(ranges) => Some(ranges),
        })
    }

    /// The name of this place in the order; `index` is below `count`.
    fn name(&self, index: u64) -> String {
        let mut numbers = Vec::new();
        let mut rest = index;
        for ranges in self.brackets().collect::<Vec<_>>().into_iter().rev() {
            let count = count(ranges);
            numbers.push(nth(ranges, rest % count));
            rest /= count;
        }
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Numbers(_) => {
                    let (number, width) = numbers.pop().unwrap_or_default();
                    // Writing to a string does not fail.
                    let _ = write!(name, "{number:0width$}");
                }
            }
        }
        name
    }
}

/// The number at this place, and its width.
fn nth(ranges: &[Range], mut index: u64) -> (u64, usize) {
    for range in ranges {
        if index < range.count() {
            return (range.start + index * range.step, range.width);
        }
        index -= range.count();
    }
    (0, 0)
}
