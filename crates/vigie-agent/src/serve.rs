//! What an agent answers the hub's requests with; its own socket asks the same.

use crate::capture::{Barrier, Order};
use crate::link::{Shared, Written};
use bytes::Bytes;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use vigie_model::ask::Flushed;
use vigie_model::status::{AgentStatus, QueueStatus, RootStatus};
use vigie_watch::Status;
use vigie_wire::frame::{Failure, FailureCode};
use vigie_wire::{FLUSH, IncomingCall, STATUS};

/// Answers in a task of its own: the session goes on meanwhile.
pub(crate) fn spawn(shared: Shared, call: IncomingCall) {
    tokio::spawn(async move {
        match call.capability() {
            FLUSH => {
                let flushed = tokio::select! {
                    flushed = shared.flush() => flushed,
                    _gone = call.gone() => return,
                };
                match flushed {
                    Ok(flushed) => {
                        let _given_up = call.finish(flushed.encode().into()).await;
                    }
                    Err(why) => call.fail(Failure::new(FailureCode::Failed, why)).await,
                }
            }
            STATUS => {
                let status = shared.status().await;
                let body = serde_json::to_vec(&status).unwrap_or_default();
                let _given_up = call.finish(Bytes::from(body)).await;
            }
            _ => call.unknown().await,
        }
    });
}

impl Shared {
    /// Waits until everything before now is written to the link. Says up to which number.
    pub(crate) async fn flush(&self) -> Result<Flushed, String> {
        let stopping = || "the agent stops".to_owned();
        let barrier: Barrier = self.ask(Order::Flush).await.ok_or_else(stopping)??;
        self.ledger.closed_up_to(barrier.entry).await;
        let mut written = self.written.subscribe();
        let now = written.wait_for(|w| w.facts >= barrier.facts).await.map_err(|_| stopping())?;
        Ok(Flushed { incarnation: now.incarnation, n: now.last })
    }

    /// As [`Self::flush`], and then until the hub has said that it is durable.
    pub(crate) async fn flush_durably(&self) -> Result<Flushed, String> {
        let mut written = self.written.subscribe();
        loop {
            let sessions = written.borrow_and_update().sessions;
            let flushed = self.flush().await?;
            let over = |w: &Written| w.sessions != sessions || w.durable() >= flushed.n.0;
            let now = *written.wait_for(over).await.map_err(|_| "the agent stops")?;
            // What an earlier link lost is written again under other numbers, so the answer means nothing.
            if now.sessions == sessions {
                return Ok(flushed);
            }
        }
    }

    /// How the agent does.
    pub(crate) async fn status(&self) -> AgentStatus {
        let engine = tokio::time::timeout(Duration::from_secs(1), self.ask(Order::Status)).await;
        let engine = engine.ok().flatten();
        let written = *self.written.borrow();
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lag = written.oldest.map_or(0, |oldest| self.clock.wall().0.saturating_sub(oldest.0));
        let passed = self.facts_passed.load(Ordering::Relaxed);
        AgentStatus {
            roles: self.roles.status(),
            machine: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            hub: self.hub.clone(),
            link,
            queue: QueueStatus {
                facts: passed.saturating_sub(written.facts) + engine.as_ref().map_or(0, |e| e.outbox),
                unacknowledged: written.unacknowledged,
                contents: engine.as_ref().map_or(0, |e| e.reads) + self.ledger.len() as u64,
                lag_ms: u64::try_from(lag / 1_000_000).unwrap_or(0),
            },
            roots: engine.as_ref().map(roots).unwrap_or_default(),
            notices: engine.map(|engine| engine.notices).unwrap_or_default(),
        }
    }
}

fn roots(engine: &Status) -> Vec<RootStatus> {
    let root = |root: &vigie_watch::RootStatus| RootStatus {
        path: root.path.to_string(),
        state: root.state.as_str().into(),
        backend: engine.backend.into(),
        node_id_tier: root.tier.as_str().into(),
        nodes: root.nodes,
        watches: root.watches,
        unreadable: root.unreadable,
        unseen: root.unseen,
        gap: root.gaps.first().map(|(cause, _)| cause.as_str().into()),
        warning: root.warning.clone(),
    };
    engine.roots.iter().map(root).collect()
}
