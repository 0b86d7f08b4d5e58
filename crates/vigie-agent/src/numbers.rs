//! The numbers of one incarnation: a fact gets its number when it is written to the link, and keeps it
//! only once the hub has said that it is durable.

use std::collections::VecDeque;
use vigie_model::{AgentRecord, Incarnation, NodeId, RecordNo, UnixNanos};

/// What was written to the link and is not known to be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A name or metadata: it can be written again as it is.
    Fact(AgentRecord),
    /// A content: its blocks may be lost with the link, so the file must be read again.
    Content {
        /// Whose content.
        node: NodeId,
        /// When the change was observed.
        observed: UnixNanos,
    },
}

impl Sent {
    fn observed(&self) -> UnixNanos {
        match self {
            Sent::Fact(fact) => fact.observed,
            Sent::Content { observed, .. } => *observed,
        }
    }
}

/// What to do with a hub that was met again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// It knows this incarnation up to a number that can be true. What lies behind it was not durable, so
    /// its numbers are free again: write the facts first, in this order, and read the files again.
    Continue {
        /// Facts to write again.
        facts: Vec<AgentRecord>,
        /// Nodes whose content must be read again.
        contents: Vec<NodeId>,
    },
    /// It lacks what it had acknowledged, or has what was never sent: begin a new incarnation.
    Mismatch,
}

/// An acknowledgement of something that was never sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hub acknowledged record {acknowledged}, but only {sent} were sent")]
pub(crate) struct BadAck {
    acknowledged: RecordNo,
    sent: RecordNo,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Numbers {
    incarnation: Incarnation,
    durable: RecordNo,
    waiting: VecDeque<Sent>,
}

impl Numbers {
    /// A life that has written its records up to `durable`; 0 for a new one.
    pub(crate) fn new(incarnation: Incarnation, durable: RecordNo) -> Self {
        Numbers { incarnation, durable, waiting: VecDeque::new() }
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The number of the last record that was written.
    pub(crate) fn last(&self) -> RecordNo {
        RecordNo(self.durable.0 + self.waiting.len() as u64)
    }

    /// The number of the last record known to be durable.
    pub(crate) fn durable(&self) -> RecordNo {
        self.durable
    }

    pub(crate) fn unacknowledged(&self) -> usize {
        self.waiting.len()
    }

    /// When the oldest record that is not durable was observed.
    pub(crate) fn oldest(&self) -> Option<UnixNanos> {
        self.waiting.front().map(Sent::observed)
    }

    /// Gives the next number to what is about to be written.
    pub(crate) fn assign(&mut self, sent: Sent) -> RecordNo {
        self.waiting.push_back(sent);
        self.last()
    }

    /// Everything up to `n` is durable. Older acknowledgements change nothing.
    pub(crate) fn acknowledge(&mut self, n: RecordNo) -> Result<(), BadAck> {
        if n > self.last() {
            return Err(BadAck { acknowledged: n, sent: self.last() });
        }
        let count = n.0.saturating_sub(self.durable.0);
        self.waiting.drain(..count as usize);
        self.durable = self.durable.max(n);
        Ok(())
    }

    /// Compares with what the hub states after a new connection.
    pub(crate) fn resume(&mut self, hub: Option<(Incarnation, RecordNo)>) -> Resume {
        let known = match hub {
            Some((incarnation, n)) if incarnation == self.incarnation => n,
            _ => RecordNo(0),
        };
        if known < self.durable || self.acknowledge(known).is_err() {
            return Resume::Mismatch;
        }
        let mut facts = Vec::new();
        let mut contents = Vec::new();
        for sent in self.waiting.drain(..) {
            match sent {
                Sent::Fact(fact) => facts.push(fact),
                Sent::Content { node, .. } => contents.push(node),
            }
        }
        Resume::Continue { facts, contents }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_model::Stream;

    const LIFE: Incarnation = Incarnation(77);

    fn fact(i: i64) -> AgentRecord {
        AgentRecord {
            observed: UnixNanos(i),
            stream: Stream::NOTES,
            kind: 1,
            version: 1,
            payload: Vec::new(),
        }
    }

    fn three() -> Numbers {
        let mut numbers = Numbers::new(LIFE, RecordNo(0));
        assert_eq!(numbers.assign(Sent::Fact(fact(1))), RecordNo(1));
        let content = Sent::Content { node: NodeId([5; 16]), observed: UnixNanos(2) };
        assert_eq!(numbers.assign(content), RecordNo(2));
        assert_eq!(numbers.assign(Sent::Fact(fact(3))), RecordNo(3));
        numbers
    }

    #[test]
    fn what_was_not_durable_is_written_again_under_the_same_numbers() {
        let mut numbers = three();
        numbers.acknowledge(RecordNo(1)).unwrap();
        let resume = numbers.resume(Some((LIFE, RecordNo(1))));
        let expected = Resume::Continue { facts: vec![fact(3)], contents: vec![NodeId([5; 16])] };
        assert_eq!(resume, expected);
        assert_eq!(numbers.assign(Sent::Fact(fact(3))), RecordNo(2));
    }

    #[test]
    fn an_acknowledgement_lost_with_the_link_is_made_up_for() {
        let mut numbers = three();
        let resume = numbers.resume(Some((LIFE, RecordNo(3))));
        assert_eq!(resume, Resume::Continue { facts: vec![], contents: vec![] });
        assert_eq!(numbers.durable(), RecordNo(3));
    }

    #[test]
    fn a_hub_that_never_met_this_life_is_fine_until_it_acknowledged_something() {
        let other = Some((Incarnation(1), RecordNo(900)));
        assert!(matches!(three().resume(other), Resume::Continue { .. }));
        assert!(matches!(three().resume(None), Resume::Continue { .. }));
        let mut numbers = three();
        numbers.acknowledge(RecordNo(2)).unwrap();
        assert_eq!(numbers.resume(other), Resume::Mismatch);
        assert_eq!(numbers.resume(None), Resume::Mismatch);
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let mut numbers = three();
        assert!(numbers.acknowledge(RecordNo(4)).is_err());
        assert_eq!(numbers.resume(Some((LIFE, RecordNo(4)))), Resume::Mismatch);
        numbers.acknowledge(RecordNo(2)).unwrap();
        numbers.acknowledge(RecordNo(1)).unwrap();
        assert_eq!(numbers.durable(), RecordNo(2));
        assert_eq!(numbers.oldest(), Some(UnixNanos(3)));
    }
}
