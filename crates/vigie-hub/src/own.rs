//! The records that the hub makes itself: its own machine id, a life for each start, numbers of its own.

use tokio::sync::{Mutex, MutexGuard};
use vigie_model::{AgentRecord, Incarnation, MachineId, Origin, RecordNo};
use vigie_store::{Batch, CommitError, Committed, NewRecord, Store};

/// The hub's own numbers. One lock for numbering and committing, so that they are journaled in order.
pub(crate) struct Own {
    store: Store,
    machine: MachineId,
    incarnation: Incarnation,
    last: Mutex<RecordNo>,
}

/// The right to state the next fact.
pub(crate) struct Turn<'a> {
    own: &'a Own,
    last: MutexGuard<'a, RecordNo>,
}

impl Own {
    pub(crate) fn new(store: Store, machine: MachineId) -> Self {
        let mut life = [0; 8];
        getrandom::fill(&mut life).expect("the kernel gives random bytes");
        let incarnation = Incarnation(u64::from_le_bytes(life));
        Own { store, machine, incarnation, last: Mutex::new(RecordNo(0)) }
    }

    pub(crate) async fn lock(&self) -> Turn<'_> {
        Turn { own: self, last: self.last.lock().await }
    }
}

impl Turn<'_> {
    /// Journals a fact; durable when it returns.
    pub(crate) async fn state(self, fact: AgentRecord) -> Result<Committed, CommitError> {
        self.state_all(vec![fact]).await
    }

    /// Journals some facts together, in their order; durable when it returns.
    pub(crate) async fn state_all(mut self, facts: Vec<AgentRecord>) -> Result<Committed, CommitError> {
        let Own { store, machine, incarnation, .. } = self.own;
        let mut n = *self.last;
        let number = |fact| {
            n = n.next();
            NewRecord { origin: Origin { machine: *machine, incarnation: *incarnation, n }, fact }
        };
        let records: Vec<NewRecord> = facts.into_iter().map(number).collect();
        let committed = store.commit(Batch { blocks: Vec::new(), records }).await?;
        *self.last = n;
        Ok(committed)
    }
}
