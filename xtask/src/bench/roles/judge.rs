//! Who was principal when, and who wrote when, from the logs of everybody. One clock for all: `CLOCK_BOOTTIME`.

use super::probe::{Fenced, Noted};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::time::Duration;

/// A holder's interval of one epoch, as its agent wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// Which machine; two with one epoch are two terms.
    pub(super) holder: usize,
    pub(super) epoch: u64,
    pub(super) from: Duration,
    /// The deadline of the last renewal, or the end of the hook of demotion if that was earlier.
    pub(super) until: Duration,
}

/// The terms of one machine, from what its agent traced of leases and its hooks noted.
pub(super) fn terms(holder: usize, agent_log: &str, hooks: &[Noted]) -> Result<Vec<Term>> {
    let mut terms: BTreeMap<u64, Term> = BTreeMap::new();
    for line in agent_log.lines().filter(|line| line.contains(" TRACE ") && line.contains(" lease group=")) {
        let (epoch, at, until) = lease(line).with_context(|| format!("not a lease: {line}"))?;
        let term = terms.entry(epoch).or_insert(Term { holder, epoch, from: at, until });
        term.until = term.until.max(until);
    }
    for demoted in hooks.iter().filter(|noted| !noted.principal) {
        if let Some(term) = demoted.epoch.and_then(|epoch| terms.get_mut(&epoch)) {
            term.until = term.until.min(demoted.at);
        }
    }
    Ok(terms.into_values().collect())
}

/// Epoch, moment and deadline of a line of the trace.
fn lease(line: &str) -> Option<(u64, Duration, Duration)> {
    let field = |name: &str| {
        let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value?.parse::<u64>().ok()
    };
    let time = |name: &str| field(name).map(Duration::from_nanos);
    Some((field("epoch")?, time("at_ns")?, time("until_ns")?))
}

/// How often a term began before an earlier one was over, or with an epoch that is not higher.
pub(super) fn clashes(terms: &mut [Term]) -> u64 {
    terms.sort_by_key(|term| (term.from, term.epoch));
    let (mut over, mut highest, mut clashes) = (Duration::ZERO, 0, 0);
    for term in terms {
        clashes += u64::from(term.from < over || term.epoch <= highest);
        over = over.max(term.until);
        highest = highest.max(term.epoch);
    }
    clashes
}

/// Writes that passed although one with a higher epoch had passed before they were begun.
pub(super) fn stale_writes(writes: &[Fenced]) -> u64 {
    let mut passed: Vec<&Fenced> = writes.iter().filter(|write| write.accepted).collect();
    passed.sort_by_key(|write| write.ended);
    let mut highest = 0;
    // The highest epoch of all that had ended by then.
    let ends: Vec<(Duration, u64)> = passed
        .iter()
        .map(|write| {
            highest = highest.max(write.epoch);
            (write.ended, highest)
        })
        .collect();
    let is_stale = |write: &&&Fenced| {
        let before = ends.partition_point(|(ended, _)| *ended < write.begun);
        before.checked_sub(1).is_some_and(|last| ends[last].1 > write.epoch)
    };
    passed.iter().filter(is_stale).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn term(holder: usize, epoch: u64, from: u64, until: u64) -> Term {
        Term { holder, epoch, from: ms(from), until: ms(until) }
    }

    #[test]
    fn a_term_goes_from_the_grant_to_the_last_deadline_or_the_hook_before_it() {
        let log = "2026-01-01T00:00:00Z TRACE lease group=bench epoch=3 at_ns=1000000 until_ns=9000000\n\
                   2026-01-01T00:00:00Z  INFO role group=bench role=principal epoch=3 cause=first\n\
                   2026-01-01T00:00:00Z TRACE lease group=bench epoch=3 at_ns=2000000 until_ns=12000000\n";
        let demoted = |at| Noted { at: ms(at), principal: false, epoch: Some(3) };
        assert_eq!(terms(0, log, &[]).unwrap(), [term(0, 3, 1, 12)]);
        assert_eq!(terms(0, log, &[demoted(10)]).unwrap(), [term(0, 3, 1, 10)]);
        assert_eq!(terms(0, log, &[demoted(20)]).unwrap(), [term(0, 3, 1, 12)]);
        assert!(terms(0, " TRACE  lease group=bench epoch=3", &[]).is_err());
    }

    #[test]
    fn two_at_once_are_found() {
        assert_eq!(clashes(&mut [term(1, 2, 5, 9), term(0, 1, 0, 5)]), 0);
        assert_eq!(clashes(&mut [term(0, 1, 0, 6), term(1, 2, 5, 9)]), 1);
        // A short one inside of a long one hides nothing.
        assert_eq!(clashes(&mut [term(0, 1, 0, 9), term(1, 2, 2, 3), term(2, 3, 8, 12)]), 2);
        assert_eq!(clashes(&mut [term(0, 1, 0, 2), term(1, 1, 3, 4)]), 1, "one epoch of two holders");
    }

    #[test]
    fn old_epochs_that_pass_are_found() {
        let write =
            |epoch, begun, ended| Fenced { epoch, begun: ms(begun), ended: ms(ended), accepted: true };
        let refused = Fenced { accepted: false, ..write(1, 7, 8) };
        assert_eq!(stale_writes(&[write(1, 0, 1), write(2, 2, 3), refused]), 0);
        // Begun before the higher one was through: either may have been first.
        assert_eq!(stale_writes(&[write(2, 2, 5), write(1, 4, 6)]), 0);
        assert_eq!(stale_writes(&[write(2, 2, 3), write(1, 4, 6), write(2, 7, 8)]), 1);
    }
}
