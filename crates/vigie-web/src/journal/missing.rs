//! Records that should be there and cannot be read: what a damaged journal has lost.

use std::fmt;
use vigie_model::Seq;

/// Spans that are named one by one.
const NAMED_MAX: usize = 8;

/// Numbers of records, in the order in which they were missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Each from its first number up to, not including, its end; the first of them.
    named: Vec<(Seq, Seq)>,
    /// How many records the others have.
    more: u64,
}

impl Missing {
    /// Whether all could be read.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Notes that the records from `first` on are missing, up to the one before `end`; none, where that is no number.
    pub(super) fn note(&mut self, first: Seq, end: Seq) {
        if first >= end {
            return;
        }
        let has_room = self.named.len() < NAMED_MAX;
        match self.named.last_mut().filter(|last| last.1 == first && self.more == 0) {
            Some(last) => last.1 = end,
            None if has_room => self.named.push((first, end)),
            None => self.more += end.0 - first.0,
        }
    }
}

/// As the subject of a sentence: `record #7`, `records #7 to #9, #12`.
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: u64 = self.named.iter().map(|(first, end)| end.0 - first.0).sum();
        f.write_str(if count + self.more == 1 { "record " } else { "records " })?;
        for (at, (first, end)) in self.named.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            match end.0 - first.0 {
                1 => write!(f, "{comma}#{first}")?,
                _ => write!(f, "{comma}#{first} to #{}", end.0 - 1)?,
            }
        }
        if self.more > 0 {
            write!(f, " and {} more", self.more)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_touch_are_one_and_very_many_are_counted() {
        let mut missing = Missing::default();
        missing.note(Seq(5), Seq(5));
        assert!(missing.is_empty());
        missing.note(Seq(7), Seq(8));
        assert_eq!(missing.to_string(), "record #7");
        missing.note(Seq(8), Seq(10));
        missing.note(Seq(12), Seq(13));
        assert_eq!(missing.to_string(), "records #7 to #9, #12");
        for n in 0..100 {
            missing.note(Seq(20 + 2 * n), Seq(21 + 2 * n));
        }
        assert_eq!(missing.to_string(), "records #7 to #9, #12, #20, #22, #24, #26, #28, #30 and 94 more");
    }
}
