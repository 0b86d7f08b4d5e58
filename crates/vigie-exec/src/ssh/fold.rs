//! The same output once, with all the hosts that gave it.

use super::session::Ended;
use std::collections::HashMap;

/// Hosts that ended alike.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// Their places, in ascending order.
    pub hosts: Vec<usize>,
}

/// What makes two ends alike.
#[derive(PartialEq, Eq, Hash)]
struct Alike<'a> {
    class: &'static str,
    exit_code: Option<u32>,
    signal: Option<&'a str>,
    stdout: &'a [u8],
    cut: (u64, u64),
    stderr: &'a [u8],
    message: Option<&'a str>,
}

/// Groups of hosts that ended alike, the largest first, then by their first host.
#[must_use]
pub fn fold(ends: &[Ended]) -> Vec<Group> {
    let mut groups: HashMap<Alike<'_>, Vec<usize>> = HashMap::new();
    for (index, ended) in ends.iter().enumerate() {
        let began = !ended.class.has_ended();
        let alike = Alike {
            class: ended.class.as_str(),
            exit_code: ended.exit_code,
            signal: ended.signal.as_deref(),
            stdout: ended.stdout.bytes(),
            cut: (ended.stdout.cut(), ended.stderr.cut()),
            stderr: ended.stderr.bytes(),
            // Messages name hosts; classes say enough for those that have not begun.
            message: ended.message.as_deref().filter(|_| !began),
        };
        groups.entry(alike).or_default().push(index);
    }
    let mut groups: Vec<Group> = groups.into_values().map(|hosts| Group { hosts }).collect();
    groups.sort_by_key(|group| (usize::MAX - group.hosts.len(), group.hosts.first().copied()));
    groups
}
